//! A probed model as a section of the report.

use super::{
    outcome::{All, Layer, Layers, Measured},
    text::{by_reason, number},
};
use crate::{
    render::figure::eigenvalues::Eigenvalues,
    report::{Probed, ProbedMatrix},
    tensors::shown,
};
use std::collections::{BTreeMap, BTreeSet};

type Of<T> = fn(&T) -> Option<f64>;

/// Measures of weights: name, meaning, value.
const WEIGHTS: [(&str, &str, Of<Measured>); 8] = [
    ("α", "exponent of the power law of the eigenvalues' tail, by maximum likelihood", |m| {
        m.tail.map(|t| t.alpha)
    }),
    ("KS", "distance of the tail from that law: the smaller, the better it describes it", |m| {
        m.tail.map(|t| t.ks)
    }),
    ("tail", "eigenvalues in the tail", |m| m.tail.map(|t| t.tail as f64)),
    ("α̂", "α log₁₀ λ₁, λ₁ the largest eigenvalue of WᵀW", |m| m.alpha_weighted),
    ("stable rank", "‖W‖²_F / λ₁", |m| Some(m.measures.stable_rank)),
    ("effective rank", "exp of the entropy of s / Σ s, s the singular values", |m| {
        Some(m.measures.effective_rank)
    }),
    ("log norm", "log₁₀ ‖W‖²_F", |m| Some(m.log_norm)),
    ("spikes", "eigenvalues above what noise of this size reaches", |m| m.bulk.map(|b| b.spikes as f64)),
];

/// Measures with the activations of the layer.
const INPUTS: [(&str, &str, Of<Layer>); 3] = [
    ("LAR", "log-alignment ratio of W and its inputs X: ½ none, 1 one shared direction", |l| l.lar),
    ("k95", "principal components of X that hold 95 % of its variance", |l| l.k95.map(f64::from)),
    ("RankMe", "exp of the entropy of the singular values of X", |l| Some(l.rankme)),
];

/// The section on what was measured; with the activations of the layers that had any.
pub(super) fn probed(name: String, all: &All, layers: Option<&Layers>) -> Probed {
    let by_name: BTreeMap<&str, &Layer> =
        layers.iter().flat_map(|l| &l.layers).map(|layer| (layer.tensor.as_str(), layer)).collect();
    let mut measures: Vec<_> = WEIGHTS.map(|(name, means, _)| (name, means)).into();
    if layers.is_some() {
        measures.extend(INPUTS.map(|(name, means, _)| (name, means)));
    }
    let written = |value: Option<f64>| value.filter(|v| v.is_finite()).map(|value| (value, number(value)));
    let matrix = |m: &Measured| {
        let mut measures: Vec<_> = WEIGHTS.iter().map(|(_, _, of)| written(of(m))).collect();
        if m.unresolved > 0
            && let Some(Some((_, text))) = measures.get_mut(5)
        {
            text.insert(0, '≥');
        }
        if layers.is_some() {
            let layer = by_name.get(m.tensor.as_str());
            measures.extend(INPUTS.iter().map(|(_, _, of)| written(layer.and_then(|layer| of(layer)))));
        }
        ProbedMatrix {
            name: shown(&m.tensor),
            about: format!("{:?} {}", m.shape, shown(&m.dtype)),
            measures,
            spectrum: Eigenvalues {
                values: m.eigenvalues.clone(),
                tail: m.tail.map(|t| (t.x_min, t.alpha)),
                edge: m.bulk.map(|b| b.edge),
            },
        }
    };
    let remarks = all.matrices.iter().flat_map(|m| {
        let of_it = m.notes.iter().chain(&m.no_tail);
        of_it.map(|note| (note.clone(), shown(&m.tensor))).collect::<Vec<_>>()
    });
    let of_layers = layers.iter().flat_map(|l| &l.layers);
    let of_layers = of_layers.flat_map(|l| l.notes.iter().map(|note| (note.clone(), shown(&l.tensor))));
    let mut notes: Vec<String> = by_reason(remarks.chain(of_layers))
        .into_iter()
        .map(|(note, names)| format!("{note}: {}", names.join(", ")))
        .collect();
    let methods: BTreeSet<&str> = all.matrices.iter().map(|m| m.method).collect();
    notes.extend(methods.into_iter().map(|method| format!("singular values: {method}")));
    let skipped = all.skipped.iter().map(|one| (one.reason.clone(), shown(&one.tensor)));
    Probed {
        name,
        measures,
        matrices: all.matrices.iter().map(matrix).collect(),
        notes,
        skipped: by_reason(skipped).into_iter().collect(),
    }
}
