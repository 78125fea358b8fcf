//! Diagnostics of the Jacobian J(x) of the logits by the embedded tokens: its norm, its first singular direction, centroids.

use super::Subject;
use crate::{
    kinds::operations::engine::EngineError,
    kinds::operations::model::{PlainModel, tensors},
    kinds::operations::task::Equation,
    probe::registry::{ALIGNMENT_ROWS, JACOBIAN_ROWS},
};
use candle_core::{DType, Device, Tensor};
use groklab_vectors::probe::{Alignment, class_directions, stats_of};

/// What [`spectrum`] gives.
pub(super) const SPECTRUM: [&str; 3] = ["jacobian_norm", "jacobian_pc1", "jacobian_align"];
/// What [`alignments`] gives.
pub(super) const ALIGNMENTS: [&str; 5] =
    ["centroid_align_train", "centroid_align_val", "centroid_norm", "class_align", "class_align_val"];

/// Of J at the first training rows.
pub(super) fn spectrum(subject: &Subject) -> Result<[f64; 3], EngineError> {
    let rows = first(&subject.split.train, JACOBIAN_ROWS);
    let symbols = subject.run.task.n_symbols;
    let one = |c: usize, v: &mut [f32]| v.iter_mut().skip(c).step_by(symbols).for_each(|v| *v = 1.0);
    let (inputs, all) = pull_back(subject, rows, symbols, one)?;
    let stats = stats_of(&all, symbols, &inputs, inputs.len() / rows.len());
    Ok([stats.norm, defined(stats.first_share), defined(stats.first_alignment)])
}

/// Of centroids, and of what softmax sees of them, at the first rows of both sides.
pub(super) fn alignments(subject: &Subject) -> Result<[f64; 5], EngineError> {
    let [train, val] = [alignment(subject, &subject.split.train)?, alignment(subject, &subject.split.val)?];
    let both = |of: fn(&Alignment) -> Option<f64>| [&train, &val].map(|side| defined(of(side)));
    let ([centroid, centroid_val], [class, class_val]) = (both(|a| a.centroid), both(|a| a.class));
    Ok([centroid, centroid_val, train.centroid_norm, class, class_val])
}

fn alignment(subject: &Subject, side: &[Equation]) -> Result<Alignment, EngineError> {
    let (rows, symbols) = (first(side, ALIGNMENT_ROWS), subject.run.task.n_symbols);
    let answers: Vec<u32> = rows.iter().map(|row| row.answer.into()).collect();
    let cotangents = |i: usize, v: &mut [f32]| match i {
        0 => v.fill(1.0),
        _ => class_directions(&answers, symbols, v),
    };
    let (inputs, both) = pull_back(subject, rows, 2, cotangents)?;
    let (centroids, slopes) = both.split_at(inputs.len());
    Ok(Alignment::of(centroids, slopes, &inputs, inputs.len() / rows.len()))
}

/// The embedded tokens of `rows`, (rows, T·d), and vᵀJ of each, (rows, T·d), for `count` times v, (rows, symbols), which
/// `fill` makes of zeros.
fn pull_back(
    subject: &Subject,
    rows: &[Equation],
    count: usize,
    fill: impl Fn(usize, &mut [f32]),
) -> Result<(Vec<f32>, Vec<f32>), EngineError> {
    let Subject { run, layout, params, .. } = subject;
    let tensors = tensors(layout, params, DType::F32, &Device::Cpu)?;
    let symbols = run.task.n_symbols;
    let jacobian = PlainModel::new(&run.config.model, layout, symbols, tensors).jacobian(rows)?;
    let mut all = Vec::new();
    for i in 0..count {
        let mut v = vec![0.0; rows.len() * symbols];
        fill(i, &mut v);
        let v = Tensor::from_vec(v, (rows.len(), symbols), &Device::Cpu)?;
        all.extend(jacobian.pull_back(&v)?.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok((jacobian.inputs().flatten_all()?.to_vec1()?, all))
}

fn first(rows: &[Equation], count: usize) -> &[Equation] {
    &rows[..rows.len().min(count)]
}

fn defined(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}
