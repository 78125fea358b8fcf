//! The tables of `groklab probe` as comma-separated values: a number that is not defined is empty.

use super::outcome::{All, Layers, One, Series, Weights};
use crate::{probe::Spectra, tensors::is_steering};
use std::fmt::Write as _;

/// Fields in the order of their columns.
struct Row(String);

impl Row {
    fn of(text: &str) -> Self {
        // names come out of foreign files
        let text = &text.replace(is_steering, "\u{fffd}");
        // RFC 4180, §2.6 and §2.7
        let is_plain = !text.contains([',', '"']);
        Self(if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) })
    }

    fn text(mut self, text: &str) -> Self {
        self.0.push(',');
        self.0.push_str(&Self::of(text).0);
        self
    }

    fn number(mut self, value: impl Into<Option<f64>>) -> Self {
        self.0.push(',');
        if let Some(value) = value.into().filter(|value| value.is_finite()) {
            let _ = write!(self.0, "{value}");
        }
        self
    }

    fn count(self, value: impl Into<Option<u64>>) -> Self {
        let value = value.into();
        self.text(&value.map(|value| value.to_string()).unwrap_or_default())
    }
}

fn table(head: &str, rows: impl Iterator<Item = Row>) -> String {
    let mut text = format!("{head}\n");
    for Row(row) in rows {
        let _ = writeln!(text, "{row}");
    }
    text
}

/// One matrix and its inputs, in the columns of many.
pub(super) fn one(one: &One) -> String {
    let (w, p) = (&one.weights, &one.probe);
    table(
        "tensor,shape,layout,method,resolution,rows,lar,lar_spectra,k_pred,k90,k95,k99,p1,q1,l1,sigma_p,sigma_q,pearson,spearman,stable_rank,effective_rank,rank,null_share",
        std::iter::once(
            Row::of(&w.tensor)
                .text(&format!("{:?}", w.shape))
                .text(w.layout)
                .text(one.method)
                .number(one.resolution)
                .count(one.rows)
                .number(p.lar)
                .number(p.lar_spectra)
                .number(p.k_pred)
                .count(p.k90.map(u64::from))
                .count(p.k95.map(u64::from))
                .count(p.k99.map(u64::from))
                .number(p.p1)
                .number(p.q1)
                .number(p.l1)
                .number(p.sigma_p)
                .number(p.sigma_q)
                .number(p.pearson)
                .number(p.spearman)
                .number(p.stable_rank)
                .number(p.effective_rank)
                .count(one.rank as u64)
                .number(one.null_share),
        ),
    )
}

/// A row a matrix.
pub(super) fn all(all: &All) -> String {
    table(
        "tensor,shape,dtype,method,resolution,unresolved,frobenius_norm,spectral_norm,log_norm,log_spectral_norm,p1,stable_rank,effective_rank,alpha,alpha_error,x_min,ks,tail,alpha_weighted,log_alpha_norm,lognormal_ratio,lognormal_p,exponential_ratio,exponential_p,mp_sigma,mp_edge,mp_spikes,mp_soft_rank,mp_ks,shuffled_largest,above_shuffled,shuffled_distance,notes",
        all.matrices.iter().map(|m| {
            let (t, b, s) = (m.tail.as_ref(), m.bulk.as_ref(), m.shuffled.as_ref());
            Row::of(&m.tensor)
                .text(&format!("{:?}", m.shape))
                .text(&m.dtype)
                .text(m.method)
                .number(m.resolution)
                .count(m.unresolved as u64)
                .number(m.measures.frobenius_norm)
                .number(m.measures.spectral_norm)
                .number(m.log_norm)
                .number(m.log_spectral_norm)
                .number(m.measures.p1)
                .number(m.measures.stable_rank)
                .number(m.measures.effective_rank)
                .number(t.map(|t| t.alpha))
                .number(t.map(|t| t.alpha_error))
                .number(t.map(|t| t.x_min))
                .number(t.map(|t| t.ks))
                .count(t.map(|t| t.tail as u64))
                .number(m.alpha_weighted)
                .number(m.log_alpha_norm)
                .number(t.map(|t| t.lognormal.ratio))
                .number(t.map(|t| t.lognormal.p))
                .number(t.map(|t| t.exponential.ratio))
                .number(t.map(|t| t.exponential.p))
                .number(b.map(|b| b.sigma))
                .number(b.map(|b| b.edge))
                .count(b.map(|b| b.spikes as u64))
                .number(b.map(|b| b.soft_rank))
                .number(b.map(|b| b.ks))
                .number(s.map(|s| s.largest))
                .count(s.map(|s| s.above as u64))
                .number(s.map(|s| s.distance))
                .text(&m.notes.iter().chain(&m.no_tail).cloned().collect::<Vec<_>>().join("; "))
        }),
    )
}

/// A row a layer.
pub(super) fn layers(layers: &Layers) -> String {
    let side =
        |weights: &Option<Weights>, of: fn(&Weights) -> String| weights.as_ref().map(of).unwrap_or_default();
    table(
        "tensor,shape,layout,layout_from,method,resolution,rows,width,lar,k_pred,k90,k95,k99,rankme,participation_ratio,head_slope,tail_slope,stable_rank,notes",
        layers.layers.iter().map(|l| {
            Row::of(&l.tensor)
                .text(&side(&l.weights, |w| format!("{:?}", w.shape)))
                .text(&side(&l.weights, |w| w.layout.to_owned()))
                .text(&side(&l.weights, |w| w.layout_from.to_owned()))
                .text(l.method.unwrap_or_default())
                .number(l.resolution)
                .count(l.rows)
                .count(l.width as u64)
                .number(l.lar)
                .number(l.k_pred)
                .count(l.k90.map(u64::from))
                .count(l.k95.map(u64::from))
                .count(l.k99.map(u64::from))
                .number(l.rankme)
                .number(l.participation_ratio)
                .number(l.head_slope)
                .number(l.tail_slope)
                .number(l.stable_rank)
                .text(&l.notes.join("; "))
        }),
    )
}

/// A row a checkpoint.
pub(super) fn series(series: &Series) -> String {
    table(
        "step,file,tensor,lar,k_pred,k95,rows,alpha,alpha_weighted,frobenius_norm,spectral_norm,stable_rank,effective_rank,mp_spikes,method,resolution,unresolved",
        series.steps.iter().map(|s| {
            Row::of(&s.step.to_string())
                .text(&s.file)
                .text(&s.tensor)
                .number(s.lar)
                .number(s.k_pred)
                .count(s.k95.map(u64::from))
                .count(s.rows)
                .number(s.alpha)
                .number(s.alpha_weighted)
                .number(s.frobenius_norm)
                .number(s.spectral_norm)
                .number(s.stable_rank)
                .number(s.effective_rank)
                .count(s.spikes.map(|spikes| spikes as u64))
                .text(s.method)
                .number(s.resolution)
                .count(s.unresolved as u64)
        }),
    )
}

/// One row a direction; `singular_value` is empty beyond min(m, n).
pub(super) fn spectra(spectra: &Spectra) -> String {
    let mut text = String::from("i,singular_value,p,q,covariance_eigenvalue\n");
    for i in 0..spectra.p.len() {
        let s = spectra.singular_values.get(i).map(f64::to_string).unwrap_or_default();
        let (p, q, variance) = (spectra.p[i], spectra.q[i], spectra.covariance_eigenvalues[i]);
        let _ = writeln!(text, "{},{s},{p},{q},{variance}", i + 1);
    }
    text
}
