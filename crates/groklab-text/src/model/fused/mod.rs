//! The operations of the models, each one node of candle's graph: f32 on one core of the CPU.
//!
//! Of ordinary operations a norm is seven nodes and an attention some thirty, each with a tensor of its own, forward and back.
//! Here each writes one tensor and, on the way back, takes what it needs from its inputs again. The ordinary operations, in
//! [`operations`](super::operations) and [`Pass`](super::Pass), are the definition: they serve f64 and other devices, and
//! these are tested against them.

mod attention;
mod gate;
mod linear;
mod loss;
mod norm;
#[cfg(test)]
mod tests;
mod vector;

pub(super) use attention::Attention;
pub(super) use gate::{GatedGelu, ReluSquared};
pub(super) use linear::Linear;
pub(super) use loss::CrossEntropy;
pub(super) use norm::{Norm, UnitNorm};

use candle_core::{CpuStorage, Error, Layout, Result, Shape, Storage, Tensor};

/// The numbers of a tensor that lies without gaps.
fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| Error::Msg("a fused operation was given a tensor with gaps".into()))?;
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// The numbers of several tensors on the CPU, for what has no graph.
fn with_numbers<const N: usize, R>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[f32]; N]) -> Result<R>,
) -> Result<R> {
    let tensors = tensors.iter().map(|t| t.contiguous()).collect::<Result<Vec<_>>>()?;
    let held: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
    let mut slices: [&[f32]; N] = [&[]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&held) {
        *slice = match &**storage {
            Storage::Cpu(storage) => numbers(storage, layout)?,
            _ => return Err(Error::Msg("a fused operation was given a tensor of another device".into())),
        };
    }
    f(slices)
}

/// What a forward pass gives to candle.
fn stored(values: Vec<f32>, shape: impl Into<Shape>) -> (CpuStorage, Shape) {
    (CpuStorage::F32(values), shape.into())
}
