//! What only the engine can time: the device's own limits, and the time of each kind of work.

use super::{
    CudaReplicas, Precision,
    device::{Gpu, Matrix, Work},
};
use crate::engine::EngineError;
use candle_core::cuda_backend::CudaDevice;
use std::{collections::BTreeMap, time::Instant};

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
    let mut gpu = Gpu::new(device.cuda_stream(), 3 * bytes, precision)?;
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
    /// Parameters of one replica.
    pub fn n_params(&self) -> usize {
        self.params.len
    }

    /// Does `work` and returns the milliseconds of each kind of it, largest first.
    ///
    /// # Errors
    /// Those of `work`, and [`EngineError::Cuda`].
    pub fn time_work(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), EngineError>,
    ) -> Result<Vec<(&'static str, f64)>, EngineError> {
        self.gpu.start_timing();
        let done = work(self);
        let timings = self.gpu.take_timings()?;
        done?;
        let mut sums: BTreeMap<Work, f64> = BTreeMap::new();
        for (work, ms) in timings {
            *sums.entry(work).or_default() += ms;
        }
        let mut sums: Vec<_> = sums.into_iter().map(|(work, ms)| (work.name(), ms)).collect();
        sums.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(sums)
    }
}
