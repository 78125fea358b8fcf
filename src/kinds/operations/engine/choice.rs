//! Which engine a run gets, and on which device; and how many runs go side by side on a device.

use super::{Engine, EngineError, PlainEngine, Replicas, Shape, cpu::FactoredEngine};
use crate::kinds::operations::config::{ModelConfig, PlannedRun, Precision};
pub use crate::run::EngineChoice;
use candle_core::Device;

/// The engine of a run that goes alone, and its name for the manifest: with a Jacobian term the plain one.
///
/// # Errors
/// [`EngineError::JacobianIsForPlain`] if the factored one is asked for; otherwise those of [`build`].
pub fn build_for(
    run: &PlannedRun,
    choice: EngineChoice,
    device: &Device,
) -> Result<(Box<dyn Engine>, String), EngineError> {
    let choice = match (run.config.jacobian.penalty(), choice) {
        (Some(_), EngineChoice::Factored) => return Err(EngineError::JacobianIsForPlain),
        (Some(_), EngineChoice::Auto) => EngineChoice::Plain,
        (_, choice) => choice,
    };
    build(choice, run.config.precision, &run.config.model, run.task.n_symbols, device)
}

/// An engine for a model, and its name for the manifest.
///
/// # Errors
/// [`EngineError::PrecisionIsForFactored`] for the plain engine in anything but f32; otherwise that of the engine.
pub fn build(
    choice: EngineChoice,
    precision: Precision,
    model: &ModelConfig,
    n_symbols: usize,
    device: &Device,
) -> Result<(Box<dyn Engine>, String), EngineError> {
    let on_cuda = device.is_cuda();
    match choice {
        EngineChoice::Factored if on_cuda => Err(EngineError::FactoredIsForCpu),
        EngineChoice::Auto | EngineChoice::Factored if !on_cuda => {
            let engine = FactoredEngine::with_precision(model, n_symbols, precision)?;
            let name = engine.describe();
            Ok((Box::new(engine), name))
        }
        _ if precision != Precision::F32 => Err(EngineError::PrecisionIsForFactored),
        _ => {
            let place = if on_cuda { "cuda" } else { "cpu" };
            if choice == EngineChoice::Auto {
                // once, not once a run
                static ONCE: std::sync::Once = std::sync::Once::new();
                ONCE.call_once(|| {
                    tracing::warn!(
                        "plain engine: the factored step takes one run on the CPU, or many side by side, not one on {place}"
                    );
                });
            }
            let engine = PlainEngine::new(model, n_symbols, device.clone());
            Ok((Box::new(engine), format!("plain (candle, {place})")))
        }
    }
}

/// A group of replicas on a CUDA device for so many runs as are `waiting`: `limit` of them at most, and as many as fit.
pub fn open_replicas(
    device: &Device,
    shape: &Shape,
    waiting: usize,
    limit: Option<usize>,
) -> Result<Box<dyn Replicas>, EngineError> {
    #[cfg(feature = "cuda")]
    if let Device::Cuda(device) = device {
        return Ok(Box::new(super::cuda::open(device, shape, waiting, limit)?));
    }
    let _ = (device, shape, waiting, limit);
    Err(EngineError::NoDevice("only a CUDA device takes runs side by side".to_owned()))
}

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DeviceChoice {
    /// CUDA when this binary was built with it and a device answers, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The first CUDA device; an error without one.
    Cuda,
}

/// Opens the device.
pub fn open_device(choice: DeviceChoice) -> Result<Device, EngineError> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Auto => Ok(Device::new_cuda(0).unwrap_or(Device::Cpu)),
        DeviceChoice::Cuda => Device::new_cuda(0).map_err(|e| {
            // candle adds a backtrace where one is asked for
            EngineError::NoDevice(e.to_string().lines().next().unwrap_or_default().to_owned())
        }),
    }
}
