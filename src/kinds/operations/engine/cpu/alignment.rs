//! The pull at LAR in the factored step: its part of the gradients of the logits, of the unembedding's inputs X and of its
//! weight W.
//!
//! LAR = 1 + log_n( ‖Z‖ / (‖X‖·‖W‖) ) with Z = X Wᵀ, so −λ·LAR adds −λZ/(‖Z‖² ln n) to dZ, λX/(‖X‖² ln n) to dX and
//! λW/(‖W‖² ln n) to dW. With G = WᵀW, Σp² = ‖G‖²/‖W‖⁴, and −μ·½ log_n Σp² adds −μ(2WG/‖G‖² − 2W/‖W‖²)/ln n to dW.
//! ν log_n ‖W‖ adds νW/(‖W‖² ln n). A matrix of zeros has no LAR, and nothing pulls at it.

use super::{FactoredEngine, head_input, product::Products};
use crate::kinds::operations::config::Pull;
use groklab_kernels::Finish;

/// What a step keeps for its pull.
#[derive(Default)]
pub(super) struct Alignment {
    /// Z, (B, V), before the loss takes the logits' place.
    z: Vec<f32>,
    /// Factor of X in its own gradient.
    inputs: f32,
    gram: Vec<f32>,
    product: Vec<f32>,
}

impl Alignment {
    /// For a step without a pull.
    fn none(&mut self) {
        self.inputs = 0.0;
    }

    /// Takes Z and X of a step, n numbers a row.
    fn begin(&mut self, pull: Pull, z: &[f32], x: &[f32], n: usize) {
        self.z.clear();
        self.z.extend_from_slice(z);
        // without Z there is no LAR, so no pull at X either
        let is_defined = square_sum(z) > 0.0;
        self.inputs = if is_defined { factor(pull.lar, square_sum(x), n) } else { 0.0 };
    }

    /// Adds to the gradient of Z.
    fn add_to_logits(&self, pull: Pull, d_z: &mut [f32], n: usize) {
        add(d_z, -factor(pull.lar, square_sum(&self.z), n), &self.z);
    }

    /// Adds to the gradient of X.
    pub fn add_to_inputs(&self, d_x: &mut [f32], x: &[f32]) {
        if self.inputs != 0.0 {
            add(d_x, self.inputs, x);
        }
    }

    /// Adds to the gradient of W, (V, n).
    fn add_to_weight(&mut self, pull: Pull, products: &mut Products, d_w: &mut [f32], w: &[f32], n: usize) {
        let squares = square_sum(w);
        let lar = if square_sum(&self.z) > 0.0 { pull.lar } else { 0.0 };
        add(d_w, factor(lar + pull.norm + 2.0 * pull.sigma_p, squares, n), w);
        if pull.sigma_p != 0.0 && squares > 0.0 {
            self.gram.resize(n * n, 0.0);
            self.product.resize(w.len(), 0.0);
            products.outer(w, w, &mut self.gram, [n, w.len() / n, n], false);
            let mut packed = products.packed();
            products.pack(&mut packed, &self.gram, n, false);
            products.rows(w, &packed, &mut self.product, &Finish::default());
            add(d_w, -factor(2.0 * pull.sigma_p, square_sum(&self.gram), n), &self.product);
        }
    }
}

impl FactoredEngine {
    pub(super) fn begin_pull(&mut self, pull: Option<Pull>) {
        let Some(pull) = pull else { return self.alignment.none() };
        let (b, v) = (self.rows.batch(), self.params.n_symbols);
        let x = head_input(&self.params, b, &self.blocks, &self.head);
        self.alignment.begin(pull, &self.head.logits[..b * v], x, self.params.d_model);
    }

    pub(super) fn pull_logits(&mut self, pull: Option<Pull>, rows: usize) {
        let Some(pull) = pull else { return };
        let d_z = &mut self.head.logits[..rows * self.params.n_symbols];
        self.alignment.add_to_logits(pull, d_z, self.params.d_model);
    }

    pub(super) fn pull_weight(&mut self, pull: Option<Pull>, params: &[f32], grads: &mut [f32]) {
        let Some(pull) = pull else { return };
        let (range, n) = (self.params.unembed.weight.clone(), self.params.d_model);
        let (d_w, w) = (&mut grads[range.clone()], &params[range]);
        self.alignment.add_to_weight(pull, &mut self.products, d_w, w, n);
    }
}

/// strength / (‖a‖² ln n); 0 for a matrix of zeros.
fn factor(strength: f64, square_sum: f64, n: usize) -> f32 {
    if square_sum > 0.0 { (strength / (square_sum * (n as f64).ln())) as f32 } else { 0.0 }
}

fn square_sum(a: &[f32]) -> f64 {
    a.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}

fn add(to: &mut [f32], by: f32, a: &[f32]) {
    to.iter_mut().zip(a).for_each(|(to, a)| *to += by * a);
}
