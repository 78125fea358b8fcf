//! A process and what it took: exit code, output, processor time and the peak of its memory.
//!
//! From `wait4`, so neither the load of the machine nor other children count. The kernel starts a child's peak at
//! its parent's size, so the parent must be small: `true` shows whether it is.

use std::{
    ffi::OsString,
    fs::File,
    io::{Read, Seek},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

#[derive(Debug)]
pub struct Outcome {
    /// None after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// User and system.
    pub cpu: Duration,
    /// Bytes.
    pub peak: u64,
}

/// Runs `groklab ARGS` in `dir`.
pub fn measured(dir: &Path, args: &[OsString]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_groklab"));
    command.args(args).current_dir(dir);
    of(command)
}

/// Runs `command` to its end.
#[allow(clippy::zombie_processes)] // wait4 waits
pub fn of(mut command: Command) -> Outcome {
    // files, not pipes: nobody needs to read while it runs
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    // SAFETY: between fork and exec it makes one system call and touches no memory of others.
    unsafe { command.pre_exec(stop_in_the_end) };
    let child = command.spawn().unwrap();
    let mut status = 0;
    // SAFETY: `usage` is plain numbers, for which zeros are a value; both pointers outlive the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let pid = libc::wait4(child.id() as i32, &mut status, 0, &mut usage);
        assert_eq!(pid, child.id() as i32);
        usage
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    Outcome {
        code: ExitStatus::from_raw(status).code(),
        stdout: content(&mut out),
        stderr: content(&mut err),
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        peak: usage.ru_maxrss as u64 * 1024, // Linux counts in KiB
    }
}

/// The kernel ends what should have been refused and is not, after 20 s of processor time.
fn stop_in_the_end() -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: 20, rlim_max: 20 };
    // SAFETY: the pointer outlives the call.
    match unsafe { libc::setrlimit(libc::RLIMIT_CPU, &limit) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn content(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
