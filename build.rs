//! Compiles the CUDA engine's kernels to PTX when the feature `cuda` asks for it.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "cuda")]
    {
        for file in ["kernels.cu", "rows.cuh", "attention.cuh"] {
            println!("cargo::rerun-if-changed=src/kinds/operations/engine/cuda/{file}");
        }
        cudaforge::KernelBuilder::new()
            .source_files(["src/kinds/operations/engine/cuda/kernels.cu"])
            .arg("-std=c++17")
            .arg("-O3")
            .build_ptx()?;
    }
    Ok(())
}
