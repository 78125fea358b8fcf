//! Three small replicas with random batches, on which a kernel can be tried alone.

use super::{numbers, random, worst};
use crate::{
    kinds::operations::config::{Preset, Sequence},
    kinds::operations::engine::{
        EngineError, Precision, ReplicaStep,
        cuda::{
            batches::{pack, update_bytes},
            buffers::{UPDATE_BYTES, batch_stride},
            device::{Arg, Dims, Gpu, Grid, Kernel},
        },
        samples::random_batch,
    },
    kinds::operations::optim::AdamWStep,
    kinds::operations::task::Equation,
};
use candle_core::cuda_backend::CudaDevice;

/// Symbols, width, heads: nothing a multiple of a warp.
pub(super) const V: usize = 7;
pub(super) const D: usize = 40;
pub(super) const HEADS: usize = 5;
/// Room for equations, and those that are computed.
pub(super) const CAPACITY: usize = 12;
pub(super) const ROWS: usize = 10;
/// Equations in the batch of each replica.
pub(super) const BATCHES: [usize; 3] = [10, 6, 0];
/// Floats of a replica.
pub(super) const STRIDE: usize = 1 << 17;

/// Memory for three replicas, handed out piece by piece.
pub(super) struct Rig {
    pub(super) gpu: Gpu,
    pub(super) sequence: Sequence,
    next: usize,
    name: String,
    drawn: u64,
    pub(super) batches: [Vec<Equation>; 3],
    pub(super) packed: usize,
    pub(super) updates: usize,
}

impl Rig {
    pub(super) fn new(
        device: &CudaDevice,
        precision: Precision,
        name: &str,
        sequence: Sequence,
    ) -> Result<Self, EngineError> {
        let gpu = Gpu::new(device.cuda_stream().context(), (3 * STRIDE + STRIDE) * 4, precision)?;
        let mut rng = random(name, 0);
        let batches = BATCHES.map(|n| random_batch(V, n, &mut rng));
        let name = name.into();
        let mut rig = Self { gpu, sequence, next: 0, name, drawn: 0, batches, packed: 0, updates: 0 };
        // behind the replicas
        let stride = batch_stride(CAPACITY, V);
        let (mut packed, mut updates) = (vec![0u16; 3 * stride], vec![0u8; 3 * UPDATE_BYTES]);
        for r in 0..3 {
            pack(&rig.batches[r], CAPACITY, V, &mut packed[r * stride..][..stride]);
            let step = ReplicaStep { batch: Vec::new(), update: step(), pull: None };
            update_bytes(BATCHES[r], Some(&step), &mut updates[r * UPDATE_BYTES..]);
        }
        (rig.packed, rig.updates) = (3 * STRIDE * 4, 3 * STRIDE * 4 + 4096);
        rig.gpu.upload(rig.packed, bytemuck::cast_slice(&packed))?;
        rig.gpu.upload(rig.updates, &updates)?;
        Ok(rig)
    }

    pub(super) fn draw(&mut self, n: usize) -> [Vec<f32>; 3] {
        [(); 3].map(|()| {
            self.drawn += 1;
            numbers(&mut random(&self.name, self.drawn), n)
        })
    }

    /// A place of that many floats in every replica, full of NaN.
    pub(super) fn place(&mut self, n: usize) -> Result<usize, EngineError> {
        self.put(&[(); 3].map(|()| vec![f32::NAN; n]))
    }

    pub(super) fn put(&mut self, values: &[Vec<f32>; 3]) -> Result<usize, EngineError> {
        let at = self.next;
        self.next += (4 * values[0].len()).next_multiple_of(256);
        if self.next > 4 * STRIDE {
            return Err(EngineError::Shape(format!("the check {} needs more room", self.name)));
        }
        for (r, values) in values.iter().enumerate() {
            self.gpu.upload(at + 4 * r * STRIDE, bytemuck::cast_slice(values))?;
        }
        Ok(at)
    }

    pub(super) fn get(&mut self, at: usize, n: usize, r: usize) -> Result<Vec<f32>, EngineError> {
        let mut values = vec![0.0f32; n];
        self.gpu.download(at + 4 * r * STRIDE, bytemuck::cast_slice_mut(&mut values))?;
        Ok(values)
    }

    pub(super) fn get_f64(&mut self, at: usize, n: usize, r: usize) -> Result<Vec<f64>, EngineError> {
        let mut values = vec![0.0f64; n];
        self.gpu.download(at + 4 * r * STRIDE, bytemuck::cast_slice_mut(&mut values))?;
        Ok(values)
    }

    /// Largest error of a buffer over the replicas.
    pub(super) fn compare(&mut self, at: usize, expected: &[Vec<f32>; 3]) -> Result<f64, EngineError> {
        let mut error = 0f64;
        for (r, expected) in expected.iter().enumerate() {
            error = error.max(worst(&self.get(at, expected.len(), r)?, expected));
        }
        Ok(error)
    }

    pub(super) fn launch(
        &mut self,
        kernel: Kernel,
        (first, last): (bool, bool),
        grid: Grid,
        args: &[Arg],
    ) -> Result<(), EngineError> {
        let dims = Dims {
            stride: STRIDE as i64,
            batch_stride: batch_stride(CAPACITY, V) as i64,
            v: V as i32,
            d: D as i32,
            heads: HEADS as i32,
            rows: ROWS as i32,
            capacity: CAPACITY as i32,
            first: first.into(),
            last: last.into(),
            operators: self.sequence.operators() as i32,
        };
        let args: Vec<Arg> = std::iter::once(Arg::Dims(dims)).chain(args.iter().copied()).collect();
        self.gpu.launch(kernel, grid, 3, &args)
    }

    /// The batch of a replica as the device computes it: behind its end, equations of the first symbol.
    pub(super) fn padded(&self, r: usize) -> Vec<Equation> {
        let mut batch = self.batches[r].clone();
        batch.resize(ROWS, Equation { x: 0, y: 0, answer: 0 });
        batch
    }
}

/// The hundredth step of the paper's optimiser.
pub(super) fn step() -> AdamWStep {
    AdamWStep::new(&Preset::Paper.config("", 0.5, 0).optim, 100, 1e-3)
}
