//! What only the engine can time: the device's own limits, and the time of each kind of work.

use super::{
    CudaReplicas, Precision,
    device::{Gpu, Matrix, Work},
};
use crate::kinds::operations::{
    config::ModelConfig,
    engine::{EngineError, cpu::rows::Counts},
};
use candle_core::cuda_backend::CudaDevice;
use std::{collections::BTreeMap, time::Instant};

/// One kind of work.
#[derive(Clone, Debug)]
pub struct Timed {
    /// A kernel, or a product with the sizes of its factors.
    pub name: String,
    /// Milliseconds.
    pub ms: f64,
    /// What has to be read and written, each float once.
    pub bytes: f64,
}

/// Floating-point operations of the matrix products of one replica's training step, forward and backward: keys and
/// values of every input, and every symbol has its rows.
pub fn flops(model: &ModelConfig, n_symbols: usize, batch: usize) -> f64 {
    let (d, m) = (model.d_model, model.d_mlp);
    let layers = Counts::of_layers(model.n_layers, model.sequence, [n_symbols, batch]);
    let layer = |c: Counts| c.inputs * 2 * d * d + c.queries.len() * d * d + c.outputs * (d * d + 2 * d * m);
    // backward: the gradients of both factors
    3.0 * 2.0 * (layers.map(layer).sum::<usize>() + batch * d * n_symbols) as f64
}

/// Seconds of each of `rounds` products of square matrices of `side`, and of as many copies of such a matrix within
/// the device.
///
/// # Errors
/// [`EngineError::Cuda`], also where three such matrices do not fit.
pub fn limits(
    device: &CudaDevice,
    precision: Precision,
    side: usize,
    rounds: usize,
) -> Result<[Vec<f64>; 2], EngineError> {
    let bytes = 4 * side * side;
    let mut gpu = Gpu::new(device.cuda_stream().context(), 3 * bytes, precision)?;
    let matrix = |i: usize| Matrix { at: i * bytes, width: side };
    let mut time = |work: &dyn Fn(&mut Gpu) -> Result<(), EngineError>| {
        let mut times = Vec::new();
        for _ in 0..=rounds {
            gpu.synchronize()?;
            let start = Instant::now();
            work(&mut gpu)?;
            gpu.synchronize()?;
            times.push(start.elapsed().as_secs_f64());
        }
        // the first one loads what it needs
        Ok::<_, EngineError>(times.split_off(1))
    };
    let product = time(&|gpu| gpu.forward((matrix(2), 0.0), matrix(0), bytes, side, (1, 0)))?;
    let copy = time(&|gpu| gpu.copy(0, bytes, bytes))?;
    Ok([product, copy])
}

impl CudaReplicas {
    /// Does `work` and returns the time of each kind of it, longest first.
    ///
    /// # Errors
    /// Those of `work`, and [`EngineError::Cuda`].
    pub fn time_work(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), EngineError>,
    ) -> Result<Vec<Timed>, EngineError> {
        self.gpu.start_timing();
        let done = work(self);
        let timings = self.gpu.take_timings()?;
        done?;
        let mut sums: BTreeMap<Work, (f64, f64)> = BTreeMap::new();
        for (work, ms, bytes) in timings {
            let sum = sums.entry(work).or_default();
            *sum = (sum.0 + ms, sum.1 + bytes as f64);
        }
        let timed = |(work, (ms, bytes)): (Work, _)| Timed { name: work.name(), ms, bytes };
        let mut sums: Vec<_> = sums.into_iter().map(timed).collect();
        sums.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        Ok(sums)
    }
}
