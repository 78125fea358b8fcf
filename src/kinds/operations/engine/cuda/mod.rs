//! The factored step for many runs at once on one CUDA device.
//!
//! A single run cannot fill a GPU, so every buffer has one replica after the other: products are strided-batched
//! cuBLAS calls, everything else is a kernel of `kernels.cu` with the replica as a grid dimension. The arithmetic is that
//! of the CPU engine ([`crate::kinds::operations::engine::cpu`]), layer by layer.
//!
//! Promises: sums run in a fixed order and nothing is added atomically, so the same calls on the same device give the
//! same bytes. cuBLAS may choose another algorithm for another number of replicas, or of rows of the largest batch among
//! them; then results differ by rounding.
//! Within an epoch the host only queues work.

mod batches;
mod buffers;
pub mod check;
mod device;
pub mod measure;
mod step;

use super::{
    EVALUATION_ROWS, EngineError, Evaluated, Evaluation, Precision, ReplicaEpoch, ReplicaState, Replicas,
    Shape, check_equations, cpu::Params,
};
use crate::{
    kinds::operations::config::{Activation, Positions},
    kinds::operations::model::{ParamLayout, sinusoidal_positions},
    kinds::operations::optim::decayed_ranges,
    kinds::operations::task::Equation,
    probe::Moments,
};
use batches::{pack, update_bytes};
use buffers::{Buffers, COUNTS, Room, Shared, UPDATE_BYTES, batch_stride, moments_len};
use candle_core::cuda_backend::CudaDevice;
use device::{Arg, Gpu, Grid, Kernel, Recording, WORKSPACE};
use rayon::prelude::*;
use step::{Pass, Step};

/// Share of the free memory that is not taken: cuBLAS needs some, and so may others.
const RESERVE: f64 = 0.1;

/// Epochs of more steps are not recorded: their graph would take more memory than launching it takes time.
const RECORDED_STEPS: usize = 100;

/// More do not fit into a grid.
const REPLICAS: usize = 65_535;

/// What work a step is: from the first replica on how many, equations of the largest batch, whether any has a pull at LAR.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Size {
    replicas: usize,
    rows: usize,
    pulls: bool,
}

/// Runs of one shape side by side on a CUDA device.
pub struct CudaReplicas {
    gpu: Gpu,
    params: Params,
    activation: Activation,
    has_sinusoids: bool,
    room: Room,
    buffers: Buffers,
    shared: Shared,
    slots: usize,
    name: String,
    /// Training and validation rows of each slot.
    rows: Vec<[usize; 2]>,
    /// Updates of the evaluation's pieces, as on the device.
    piece_rows: Vec<u8>,
    batches: Vec<u16>,
    updates: Vec<u8>,
    /// Replicas and their steps in the epoch under way.
    under_way: Vec<(usize, usize)>,
    /// The steps of the last epoch, and that epoch's work from its second time on.
    recorded: (Vec<Size>, Option<Recording>),
    /// Whether epochs are recorded.
    pub records: bool,
}

/// Room for as many of the `waiting` runs of a shape as fit into the device's free memory, `limit` at most.
///
/// # Errors
/// [`EngineError::Memory`] if not one fits, or not `limit` where it was given; [`EngineError::Cuda`] for a failing device.
pub fn open(
    device: &CudaDevice,
    shape: &Shape,
    waiting: usize,
    limit: Option<usize>,
) -> Result<CudaReplicas, EngineError> {
    let (stream, v) = (device.cuda_stream(), shape.n_symbols);
    let params = Params::new(&shape.model, v)?;
    let table = shape.table;
    let batch = shape.batch_size.min(table);
    let rows = batch.max(EVALUATION_ROWS.min(table));
    let room = Room { batch, rows, steps: table.div_ceil(batch), pieces: table.div_ceil(rows) };
    if rows > usize::from(u16::MAX) {
        return Err(EngineError::Shape(format!(
            "{rows} equations at once are more than the CUDA engine counts, {}; use a smaller data.batch_size",
            u16::MAX
        )));
    }
    let buffers = Buffers::new(&params, room);
    // kernels count within a replica in 32 bits
    if i32::try_from(buffers.stride).is_err() {
        return Err(EngineError::Shape(format!(
            "a replica of this model takes {} numbers on a CUDA device, which counts {} of them; use --device cpu",
            buffers.stride,
            i32::MAX
        )));
    }
    let bytes = |replicas: usize| Shared::new(&buffers, &params, room, replicas).bytes + WORKSPACE;
    let cuda = |e| EngineError::Cuda(format!("asking for the device's memory: {e}"));
    let (free, _) = stream.context().mem_get_info().map_err(cuda)?;
    let usable = (free as f64 * (1.0 - RESERVE)) as usize;
    let fits = (usable.saturating_sub(bytes(0)) / (bytes(1) - bytes(0))).min(REPLICAS);
    let wanted = waiting.max(1).min(limit.unwrap_or(usize::MAX));
    let slots = if limit.is_some() { wanted } else { wanted.min(fits) };
    if slots == 0 || slots > fits {
        let (needed, wanted) = (bytes(slots.max(1)), slots.max(1));
        return Err(EngineError::Memory { wanted, needed, usable, fits });
    }
    let shared = Shared::new(&buffers, &params, room, slots);
    let mut gpu = Gpu::new(stream.context(), shared.bytes, shape.precision)?;

    let layout = ParamLayout::new(&shape.model, v);
    let mut decayed = vec![0u8; layout.len()];
    for range in decayed_ranges(shape.decay, &layout) {
        decayed[range].fill(1);
    }
    gpu.upload(shared.decayed, &decayed)?;
    let has_sinusoids = shape.model.positions == Positions::Sinusoidal;
    if has_sinusoids {
        let table: Vec<f32> = sinusoidal_positions(shape.model.sequence.positions(), shape.model.d_model)
            .iter()
            .map(|&p| p as f32)
            .collect();
        gpu.upload(shared.sinusoids, bytemuck::cast_slice(&table))?;
    }
    let device = device_name(device)?;
    Ok(CudaReplicas {
        activation: shape.model.activation,
        has_sinusoids,
        name: format!("factored ({device}, {})", shape.precision.name()),
        rows: vec![[0; 2]; slots],
        piece_rows: vec![0; 2 * room.pieces * slots * UPDATE_BYTES],
        batches: vec![0; slots * room.steps * batch_stride(room.batch, v)],
        updates: Vec::new(),
        under_way: Vec::new(),
        recorded: (Vec::new(), None),
        records: true,
        gpu,
        params,
        room,
        buffers,
        shared,
        slots,
    })
}

/// The device's name, as its driver has it.
///
/// # Errors
/// [`EngineError::Cuda`] for a failing device.
pub fn device_name(device: &CudaDevice) -> Result<String, EngineError> {
    let name = device.cuda_stream().context().name();
    name.map_err(|e| EngineError::Cuda(format!("asking for the device's name: {e}")))
}

impl CudaReplicas {
    fn check(&self, slot: usize) -> Result<(), EngineError> {
        match slot < self.slots {
            true => Ok(()),
            false => Err(EngineError::Shape(format!("no slot {slot}: there are {}", self.slots))),
        }
    }

    /// Byte offset of a buffer of one replica.
    fn at(&self, slot: usize, buffer: usize) -> usize {
        buffer + 4 * slot * self.buffers.stride
    }

    fn step(&mut self, pass: Pass) -> Step<'_> {
        Step {
            gpu: &mut self.gpu,
            buffers: &self.buffers,
            params: &self.params,
            activation: self.activation,
            sinusoids: self.has_sinusoids.then_some(self.shared.sinusoids),
            pass,
        }
    }

    /// Copies the gradients of the slot's last step out.
    fn read_gradients(&mut self, slot: usize, grads: &mut [f32]) -> Result<(), EngineError> {
        self.gpu.download(self.at(slot, self.buffers.grads), bytemuck::cast_slice_mut(grads))
    }

    /// Queues the steps of an epoch. Where an epoch has the sizes of the one before, and so
    /// the same work on other batches, it is recorded: about ninety launches a step become one an epoch.
    fn queue(&mut self, sizes: Vec<Size>) -> Result<(), EngineError> {
        if self.recorded.0 != sizes {
            self.recorded = (sizes, None);
            return self.queue_steps();
        }
        if !self.records || self.gpu.is_timing() || sizes.len() > RECORDED_STEPS {
            return self.queue_steps();
        }
        let recording = match self.recorded.1.take() {
            Some(recording) => recording,
            None => {
                self.gpu.start_recording()?;
                let queued = self.queue_steps();
                let recording = self.gpu.end_recording();
                queued.and(recording)?
            }
        };
        self.gpu.replay(&recording)?;
        self.recorded.1 = Some(recording);
        Ok(())
    }

    fn queue_steps(&mut self) -> Result<(), EngineError> {
        let (capacity, stride) = (self.room.batch, batch_stride(self.room.batch, self.params.n_symbols));
        let sizes = self.recorded.0.clone();
        for (number, &Size { replicas, rows, pulls }) in sizes.iter().enumerate() {
            self.train(
                number,
                Pass {
                    replicas,
                    rows,
                    pulls,
                    capacity,
                    batch_stride: sizes.len() * stride,
                    batches: self.shared.batches + 2 * number * stride,
                    updates: self.shared.updates + number * self.slots * UPDATE_BYTES,
                },
            )?;
        }
        Ok(())
    }

    /// Forward, loss, backward and update of one step of the epoch.
    fn train(&mut self, number: usize, pass: Pass) -> Result<(), EngineError> {
        let (means, stopped, decayed) = (self.shared.means, self.shared.stopped, self.shared.decayed);
        let (slots, n) = (self.slots, self.params.len);
        let mut step = self.step(pass);
        let b = step.buffers;
        step.forward()?;
        step.losses(true)?;
        let places = [pass.updates, b.losses, means + 4 * number * slots, stopped].map(Arg::At);
        step.launch(0, Kernel::mean_loss, Grid::blocks(1, 128), &places)?;
        step.backward()?;
        let places = [pass.updates, stopped, decayed, b.params, b.grads, b.m, b.v].map(Arg::At);
        let args = [places.as_slice(), &[Arg::Int(n as i32)]].concat();
        // reads parameters, gradients and both moments, and writes all but the gradients
        step.launch(0, Kernel::adamw, Grid::elements(n.div_ceil(4)).moving(7 * n), &args)
    }

    /// Adds a piece of an evaluation to the counts of `side`, and to the moments on the training side.
    fn evaluate_piece(&mut self, side: usize, pass: Pass) -> Result<(), EngineError> {
        let d = self.params.d_model;
        let b = self.buffers.clone();
        let sums = b.moments + 8 * d * d;
        let counts = sums + 8 * d + side * 8 * COUNTS / 2;
        let mut step = self.step(pass);
        step.forward()?;
        step.losses(false)?;
        let places = [pass.updates, b.losses, b.flags, b.squares, counts].map(Arg::At);
        step.launch(0, Kernel::tally, Grid::blocks(1, 128), &places)?;
        if side == 1 {
            return Ok(());
        }
        let args = [pass.updates, step.head_input(), b.wide].map(Arg::At);
        step.launch(0, Kernel::widen, Grid::elements(pass.rows * d), &args)?;
        let columns = Grid::tiles(d.div_ceil(32), 1, (32, 8, 1));
        step.launch(0, Kernel::column_sums, columns, &[Arg::At(b.wide), Arg::At(sums)])?;
        self.gpu.add_gram(b.moments, b.wide, [pass.rows, d], (pass.replicas, b.stride / 2))
    }

    fn evaluated(&mut self, slot: usize) -> Result<Evaluated, EngineError> {
        let d = self.params.d_model;
        let mut numbers = vec![0.0f64; moments_len(d)];
        self.gpu.download(self.at(slot, self.buffers.moments), bytemuck::cast_slice_mut(&mut numbers))?;
        let (mut gram, rest) = (numbers[..d * d].to_vec(), &numbers[d * d..]);
        // cuBLAS computes both triangles, each in its own order
        for i in 0..d {
            for j in 0..i {
                gram[i * d + j] = gram[j * d + i];
            }
        }
        let (sum, counts) = rest.split_at(d);
        let [train, val] = self.rows[slot];
        let evaluation = |counts: &[f64], rows: usize| Evaluation {
            loss: counts[0] / rows as f64,
            accuracy: counts[1] / rows as f64,
            zero_loss_share: counts[2] / rows as f64,
        };
        let mut moments = Moments::from_sums(train as u64, sum.to_vec(), gram)?;
        (moments.outputs, moments.output_square_sum) = (self.params.n_symbols, counts[3]);
        Ok(Evaluated {
            train: evaluation(counts, train),
            val: evaluation(&counts[COUNTS / 2..], val),
            moments,
        })
    }

    /// Puts the rows of one side of a slot's evaluation on the device.
    fn load_rows(&mut self, slot: usize, side: usize, rows: &[Equation]) -> Result<(), EngineError> {
        let (room, v) = (self.room, self.params.n_symbols);
        let stride = batch_stride(room.rows, v);
        let mut packed = vec![0u16; room.pieces * stride];
        let mut pieces = rows.chunks(room.rows);
        for (p, out) in packed.chunks_exact_mut(stride).enumerate() {
            let piece = pieces.next().unwrap_or_default();
            pack(piece, room.rows, v, out);
            let at = ((side * room.pieces + p) * self.slots + slot) * UPDATE_BYTES;
            update_bytes(piece.len(), None, &mut self.piece_rows[at..]);
        }
        self.rows[slot][side] = rows.len();
        let at = self.shared.pieces + 2 * (side * self.slots + slot) * packed.len();
        self.gpu.upload(at, bytemuck::cast_slice(&packed))
    }
}

impl Replicas for CudaReplicas {
    fn slots(&self) -> usize {
        self.slots
    }

    fn describe(&self) -> String {
        self.name.clone()
    }

    fn load(&mut self, slot: usize, state: &ReplicaState<'_>) -> Result<(), EngineError> {
        self.check(slot)?;
        let v = self.params.n_symbols;
        for (buffer, values) in
            [(self.buffers.params, state.params), (self.buffers.m, state.m), (self.buffers.v, state.v)]
        {
            if values.len() != self.params.len {
                let (found, expected) = (values.len(), self.params.len);
                return Err(EngineError::Shape(format!("{found} numbers given, the model has {expected}")));
            }
            self.gpu.upload(self.at(slot, buffer), bytemuck::cast_slice(values))?;
        }
        for (side, rows) in [state.train, state.val].into_iter().enumerate() {
            check_equations(rows, v)?;
            if rows.len().div_ceil(self.room.rows) > self.room.pieces {
                let (found, room) = (rows.len(), self.room.pieces * self.room.rows);
                return Err(EngineError::Shape(format!("a table of {found} rows, room for {room}")));
            }
            self.load_rows(slot, side, rows)?;
        }
        self.gpu.upload(self.shared.piece_rows, &self.piece_rows)
    }

    fn start_epoch(&mut self, epochs: &[ReplicaEpoch]) -> Result<(), EngineError> {
        let (room, v, slots) = (self.room, self.params.n_symbols, self.slots);
        let stride = batch_stride(room.batch, v);
        let steps = epochs.iter().map(|e| e.steps.len()).max().unwrap_or(0);
        if steps > room.steps {
            return Err(EngineError::Shape(format!("{steps} steps an epoch, room for {}", room.steps)));
        }
        // batches lie by replica, so that each can be packed by its own thread
        let mut by_slot: Vec<Option<&ReplicaEpoch>> = vec![None; slots];
        for epoch in epochs {
            self.check(epoch.slot)?;
            by_slot[epoch.slot] = Some(epoch);
        }
        let replica = (steps * stride).max(1);
        self.batches.par_chunks_exact_mut(replica).zip(&by_slot).try_for_each(|(out, epoch)| {
            let mut steps = epoch.map_or(&[][..], |e| e.steps.as_slice()).iter();
            out.chunks_exact_mut(stride).try_for_each(|out| {
                let Some(step) = steps.next() else {
                    // a replica that pauses computes too: on symbols that exist
                    out.fill(0);
                    return Ok(());
                };
                if step.batch.len() > room.batch {
                    let (found, most) = (step.batch.len(), room.batch);
                    return Err(EngineError::Shape(format!("{found} equations in a batch, room for {most}")));
                }
                check_equations(&step.batch, v)?;
                pack(&step.batch, room.batch, v, out);
                Ok(())
            })
        })?;
        self.updates.clear();
        self.updates.resize(steps * slots * UPDATE_BYTES, 0);
        for epoch in epochs {
            for (number, step) in epoch.steps.iter().enumerate() {
                let at = (number * slots + epoch.slot) * UPDATE_BYTES;
                update_bytes(step.batch.len(), Some(step), &mut self.updates[at..]);
            }
        }
        let replicas = |number: usize| {
            let steps = |e: &&ReplicaEpoch| e.steps.len() > number;
            epochs.iter().filter(steps).map(|e| e.slot + 1).max().unwrap_or(0)
        };
        let most = replicas(0);
        self.gpu.upload(self.shared.batches, bytemuck::cast_slice(&self.batches[..most * replica]))?;
        self.gpu.upload(self.shared.updates, &self.updates)?;
        self.gpu.clear(self.shared.stopped, 4 * slots)?;
        let rows = |number: usize| {
            let step = |e: &ReplicaEpoch| e.steps.get(number).map(|step| step.batch.len());
            epochs.iter().filter_map(step).max().unwrap_or(0)
        };
        let pulls =
            |number: usize| epochs.iter().filter_map(|e| e.steps.get(number)).any(|step| step.pull.is_some());
        let size = |number| Size { replicas: replicas(number), rows: rows(number), pulls: pulls(number) };
        self.queue((0..steps).map(size).collect())?;
        self.under_way = epochs.iter().map(|e| (e.slot, e.steps.len())).collect();
        Ok(())
    }

    fn finish_epoch(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        let epochs = std::mem::take(&mut self.under_way);
        let steps = epochs.iter().map(|&(_, steps)| steps).max().unwrap_or(0);
        let mut means = vec![0.0f32; steps * self.slots];
        self.gpu.download(self.shared.means, bytemuck::cast_slice_mut(&mut means))?;
        let losses = |&(slot, steps): &(usize, usize)| {
            let all = (0..steps).map(|number| means[number * self.slots + slot]);
            let mut losses = Vec::with_capacity(steps);
            for loss in all {
                losses.push(loss);
                if !loss.is_finite() {
                    break;
                }
            }
            losses
        };
        Ok(epochs.iter().map(losses).collect())
    }

    fn evaluate(&mut self, slots: &[usize]) -> Result<Vec<Evaluated>, EngineError> {
        for &slot in slots {
            self.check(slot)?;
            let moments = self.at(slot, self.buffers.moments);
            self.gpu.clear(moments, 8 * moments_len(self.params.d_model))?;
        }
        let stride = batch_stride(self.room.rows, self.params.n_symbols);
        let (pieces, all) = (self.room.pieces, self.slots);
        let replicas = slots.iter().map(|s| s + 1).max().unwrap_or(0);
        for side in 0..2 {
            let most = slots.iter().map(|&s| self.rows[s][side]).max().unwrap_or(0);
            for p in 0..most.div_ceil(self.room.rows) {
                self.evaluate_piece(
                    side,
                    Pass {
                        replicas,
                        rows: (most - p * self.room.rows).min(self.room.rows),
                        pulls: false,
                        capacity: self.room.rows,
                        batch_stride: pieces * stride,
                        batches: self.shared.pieces + 2 * (side * all * pieces + p) * stride,
                        updates: self.shared.piece_rows + (side * pieces + p) * all * UPDATE_BYTES,
                    },
                )?;
            }
        }
        slots.iter().map(|&slot| self.evaluated(slot)).collect()
    }

    fn read_params(&mut self, slot: usize, params: &mut [f32]) -> Result<(), EngineError> {
        self.check(slot)?;
        self.gpu.download(self.at(slot, self.buffers.params), bytemuck::cast_slice_mut(params))
    }

    fn read_moments(&mut self, slot: usize, m: &mut [f32], v: &mut [f32]) -> Result<(), EngineError> {
        self.check(slot)?;
        self.gpu.download(self.at(slot, self.buffers.m), bytemuck::cast_slice_mut(m))?;
        self.gpu.download(self.at(slot, self.buffers.v), bytemuck::cast_slice_mut(v))
    }
}
