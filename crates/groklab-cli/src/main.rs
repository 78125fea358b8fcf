//! The `groklab` program: sets up the process, hands over to the command line, returns its exit code.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    groklab_cli::cli::main()
}
