//! Diagnostics of what happens inside the model: one forward pass of the plain model shows it.

use super::{Subject, linear_maps};
use crate::{
    kinds::operations::engine::{EngineError, Tally},
    kinds::operations::model::{PlainModel, Seen, tensors},
    kinds::operations::task::Equation,
    probe::{self, ClassDistances, ClassSums, Fourier, attention_entropy},
};
use candle_core::{DType, Device, Tensor};
use std::{collections::BTreeMap, ops::Range};

/// Rows in memory at once.
const ROWS: usize = 512;

/// What a pass over the training rows has shown.
pub(super) struct Activations {
    /// ‖X‖² and ‖X Wᵀ‖² of each linear map, over the positions that reach the loss.
    squares: BTreeMap<String, [f64; 2]>,
    /// Σ over the rows, by block, then head.
    entropies: Vec<f64>,
    rows: usize,
    classes: ClassSums,
}

impl Activations {
    /// One pass.
    pub(super) fn new(subject: &Subject) -> Result<Self, EngineError> {
        let model = &subject.run.config.model;
        let (n_layers, n_heads, n_ctx) = (model.n_layers, model.n_heads, model.sequence.positions());
        let mut seen = Self {
            squares: BTreeMap::new(),
            entropies: vec![0.0; n_layers * n_heads],
            rows: subject.split.train.len(),
            classes: ClassSums::new(model.d_model, subject.run.task.n_symbols),
        };
        for_chunks(subject, &subject.split.train, |plain, rows| {
            let output = plain.forward_seen(rows, &mut |what| match what {
                Seen::Linear { name, input, output } => {
                    let positions = positions_read(name, n_layers, n_ctx);
                    let squares = seen.squares.entry(name.to_owned()).or_default();
                    for (sum, tensor) in squares.iter_mut().zip([input, output]) {
                        *sum += square_sum(tensor, (rows.len(), n_ctx), positions.clone())?;
                    }
                    Ok(())
                }
                Seen::Attention { block, weights } => {
                    // of "=" alone, (B·H, T)
                    let last = weights.narrow(2, n_ctx - 1, 1)?.flatten_all()?.to_vec1::<f32>()?;
                    for (i, weights) in last.chunks_exact(n_ctx).enumerate() {
                        seen.entropies[block * n_heads + i % n_heads] += attention_entropy(weights);
                    }
                    Ok(())
                }
            })?;
            let answers: Vec<u16> = rows.iter().map(|row| row.answer).collect();
            seen.classes.add(&output.x.flatten_all()?.to_vec1::<f32>()?, &answers)?;
            Ok(())
        })?;
        seen.squares.insert("embed.token".to_owned(), one_hot_squares(subject));
        Ok(seen)
    }

    /// LAR of each linear map, in the order of the columns.
    pub(super) fn lars(&self, subject: &Subject) -> Vec<f64> {
        let Subject { layout, params, .. } = subject;
        let lar = |name: &String| {
            let [inputs, outputs] = *self.squares.get(name)?;
            let weights = match (name.as_str(), layout.get(&format!("{name}.weight"))) {
                ("unembed", _) => subject.unembedding(),
                (_, param) => &params[param?.range.clone()],
            };
            let n = match name.as_str() {
                "embed.token" => subject.run.config.model.sequence.vocabulary(subject.run.task.n_symbols),
                "unembed" => subject.run.config.model.d_model,
                _ => *layout.get(&format!("{name}.weight"))?.shape.get(1)?,
            };
            // no logarithm to base 1
            (n > 1).then(|| probe::lar_from_norms(outputs, probe::square_sum(weights), inputs, n))
        };
        linear_maps(layout).iter().map(|name| lar(name).unwrap_or(f64::NAN)).collect()
    }

    /// Mean over the rows, by block, then head.
    pub(super) fn attention_entropies(&self) -> Vec<f64> {
        self.entropies.iter().map(|sum| sum / self.rows as f64).collect()
    }

    pub(super) fn class_distances(&self) -> ClassDistances {
        self.classes.distances()
    }
}

/// Restricted loss over all pairs, excluded loss over the training rows, of a task that has all pairs.
pub(super) fn fourier_losses(
    subject: &Subject,
    fourier: &Fourier,
    key: &[usize],
) -> Result<[f64; 2], EngineError> {
    let pairs = &subject.run.task.equations;
    let p = subject.run.task.n_symbols;
    let mut logits = Vec::with_capacity(pairs.len() * p);
    for_chunks(subject, pairs, |plain, rows| {
        logits.extend(plain.forward(rows)?.logits.flatten_all()?.to_vec1::<f32>()?);
        Ok(())
    })?;
    let at_key = fourier.component(&logits, key)?;
    let mut means = vec![0.0; p];
    for row in logits.chunks_exact(p) {
        means.iter_mut().zip(row).for_each(|(mean, &z)| *mean += f64::from(z) / pairs.len() as f64);
    }

    let mut restricted = Tally::default();
    for (row, at_key) in pairs.iter().zip(at_key.chunks_exact(p)) {
        let kept: Vec<f32> = means.iter().zip(at_key).map(|(mean, key)| (mean + key) as f32).collect();
        restricted.add(&kept, row.answer);
    }
    let mut excluded = Tally::default();
    for row in &subject.split.train {
        let at = (usize::from(row.x) * p + usize::from(row.y)) * p;
        let whole = logits[at..at + p].iter().zip(&at_key[at..at + p]);
        let rest: Vec<f32> = whole.map(|(&z, key)| (f64::from(z) - key) as f32).collect();
        excluded.add(&rest, row.answer);
    }
    Ok([restricted.evaluation().loss, excluded.evaluation().loss])
}

/// Shows `rows` to the plain model, some at a time.
fn for_chunks(
    subject: &Subject,
    rows: &[Equation],
    mut each: impl FnMut(&PlainModel, &[Equation]) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let Subject { run, layout, params, .. } = subject;
    let tensors = tensors(layout, params, DType::F32, &Device::Cpu)?;
    let plain = PlainModel::new(&run.config.model, layout, run.task.n_symbols, tensors);
    rows.chunks(ROWS).try_for_each(|rows| each(&plain, rows))
}

/// The positions of a layer whose output reaches the loss: in the last block the keys and values of all, the rest at "="
/// alone; before it all, but for the query of the first position, which has only itself to look at.
fn positions_read(name: &str, n_layers: usize, n_ctx: usize) -> Range<usize> {
    let last = format!("blocks.{}.", n_layers - 1);
    match name.strip_prefix(&last) {
        Some("attn.k" | "attn.v") => 0..n_ctx,
        Some(_) => n_ctx - 1..n_ctx,
        None if name.ends_with("attn.q") => 1..n_ctx,
        None => 0..n_ctx,
    }
}

/// Σ a² of a tensor of `rows` equations over some of their positions. All of them also means the unembedding's only one.
fn square_sum(
    tensor: &Tensor,
    (rows, n_ctx): (usize, usize),
    positions: Range<usize>,
) -> candle_core::Result<f64> {
    let values = tensor.flatten_all()?.to_vec1::<f32>()?;
    if positions.len() == n_ctx {
        return Ok(probe::square_sum(&values));
    }
    let width = values.len() / rows / n_ctx;
    let of_row = |row: &[f32]| probe::square_sum(&row[positions.start * width..positions.end * width]);
    Ok(values.chunks_exact(n_ctx * width).map(of_row).sum())
}

/// ‖X‖² and ‖X Wᵀ‖² of the token embedding: X holds a one-hot row for each token of an equation, X Wᵀ their embeddings.
fn one_hot_squares(subject: &Subject) -> [f64; 2] {
    let (v, d) = (subject.run.task.n_symbols, subject.run.config.model.d_model);
    let table =
        subject.layout.get("embed.token.weight").map_or(&[][..], |p| &subject.params[p.range.clone()]);
    let squares: Vec<f64> = table.chunks_exact(d).map(probe::square_sum).collect();
    let rows = &subject.split.train;
    let operands: f64 =
        rows.iter().map(|row| squares[usize::from(row.x)] + squares[usize::from(row.y)]).sum();
    let count = rows.len() as f64;
    let signs: f64 = squares.iter().skip(v).sum();
    [subject.run.config.model.sequence.positions() as f64 * count, operands + count * signs]
}
