//! Which engine a run gets, and on which device.

use super::{Engine, EngineError, PlainEngine, cpu::FactoredEngine};
use crate::config::ModelConfig;
use candle_core::Device;

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineChoice {
    /// The fastest engine that can do it.
    #[default]
    Auto,
    /// The factored step; an error where it cannot be had.
    Factored,
    /// The reference model under candle's autograd.
    Plain,
}

/// An engine for the model, and its name for the manifest.
pub fn build(
    choice: EngineChoice,
    model: &ModelConfig,
    n_symbols: usize,
    device: &Device,
) -> Result<(Box<dyn Engine>, String), EngineError> {
    let on_cuda = device.is_cuda();
    match choice {
        EngineChoice::Factored if on_cuda => Err(EngineError::FactoredIsForCpu),
        EngineChoice::Auto | EngineChoice::Factored if !on_cuda => {
            let engine = FactoredEngine::new(model, n_symbols)?;
            let name = engine.describe();
            Ok((Box::new(engine), name))
        }
        _ => {
            let place = if on_cuda { "cuda" } else { "cpu" };
            if choice == EngineChoice::Auto {
                // once, not once a run
                static ONCE: std::sync::Once = std::sync::Once::new();
                ONCE.call_once(|| {
                    tracing::warn!(
                        "plain engine: the factored step is written for the CPU, the device is {place}"
                    );
                });
            }
            let engine = PlainEngine::new(model, n_symbols, device.clone());
            Ok((Box::new(engine), format!("plain (candle, {place})")))
        }
    }
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

/// How a CUDA device multiplies matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// In f32.
    #[default]
    F32,
    /// Factors rounded to TF32's 10 bits, sums in f32: faster; changes results.
    Tf32,
}

impl Precision {
    /// For manifests and tables: `f32` or `tf32`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
        }
    }
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
