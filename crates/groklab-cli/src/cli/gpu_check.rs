//! `groklab gpu-check`: whether a CUDA device computes what the CPU computes.

use super::say;
use crate::kinds::operations::engine::Precision;
use clap::Args;
use std::process::ExitCode;

/// Exit code where there is no device to check.
const NO_DEVICE: u8 = 4;

/// Arguments of `groklab gpu-check`.
#[derive(Args)]
pub struct GpuCheckArgs {
    /// How the device multiplies matrices
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    /// Leave out the models of the paper's size
    #[arg(long)]
    small: bool,
    /// One line of JSON a check instead of a table
    #[arg(long)]
    json: bool,
}

/// Without CUDA there is nothing to check.
#[cfg(not(feature = "cuda"))]
pub fn run(_: &GpuCheckArgs) -> miette::Result<ExitCode> {
    say("no CUDA device: this program was built without the feature `cuda`");
    Ok(ExitCode::from(NO_DEVICE))
}

/// Makes every check and prints its outcome.
#[cfg(feature = "cuda")]
pub fn run(args: &GpuCheckArgs) -> miette::Result<ExitCode> {
    use crate::kinds::operations::engine::{
        DeviceChoice,
        cuda::{check, device_name},
        open_device,
    };
    use candle_core::Device;

    let device = match open_device(DeviceChoice::Cuda) {
        Ok(Device::Cuda(device)) => device,
        Ok(_) => return Ok(ExitCode::from(NO_DEVICE)),
        Err(error) => {
            say(&error.to_string());
            return Ok(ExitCode::from(NO_DEVICE));
        }
    };
    if !args.json {
        let name = device_name(&device).map_err(super::report)?;
        say(&format!("{name}, {}", args.precision.name()));
        say(&format!("{:<4}  {:>9}  {:>9}  check", "", "error", "bound"));
    }
    let findings = check::check(&device, args.precision, args.small, &mut |f| {
        if args.json {
            say(&serde_json::json!({ "passed": f.passed(), "check": f }).to_string());
            return;
        }
        let verdict = if f.passed() { "pass" } else { "FAIL" };
        say(&format!("{verdict}  {:>9.1e}  {:>9.0e}  {}", f.error, f.bound, f.name));
        if let Some(problem) = &f.problem {
            say(&format!("      {problem}"));
        }
    });
    let failed = findings.iter().filter(|f| !f.passed()).count();
    if !args.json {
        say(&format!("{} checks, {failed} failed", findings.len()));
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}
