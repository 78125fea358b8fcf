//! The pull at LAR against its definition by the probes, whose gradient is taken by differences.

use super::{
    ParamLayout, PlainModel, initial_parameters,
    plain::tests::{SYMBOLS, model, rows, variants, vars},
};
use crate::{
    kinds::operations::config::Pull,
    probe::{Moments, Spectra, lar_from_norms, square_sum},
};
use candle_core::{DType, Device, Tensor};

const PULLS: [Pull; 4] = [
    Pull { lar: 0.7, sigma_p: 0.0, norm: 0.0 },
    Pull { lar: 0.0, sigma_p: -0.4, norm: 0.0 },
    Pull { lar: 0.0, sigma_p: 0.0, norm: 0.3 },
    Pull { lar: -1.3, sigma_p: 0.6, norm: -0.2 },
];

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Cross-entropy and the terms, by singular values and norms: nothing of it is the code under test.
fn defined(model: &PlainModel, pull: Pull) -> f64 {
    let output = model.forward(&rows()).unwrap();
    let (x, z) = (numbers(&output.x), numbers(&output.products));
    let w = numbers(&model.unembedding().unwrap());
    let n = w.len() / SYMBOLS;
    let mut moments = Moments::new(n, SYMBOLS);
    let narrow = |a: &[f64]| a.iter().map(|&a| a as f32).collect::<Vec<_>>();
    // p is of W alone
    moments.add(&narrow(&x), &narrow(&z)).unwrap();
    let p = Spectra::new(&w, SYMBOLS, &moments).unwrap().p;
    let spread = 1.0 + 0.5 * p.iter().map(|p| p * p).sum::<f64>().log(n as f64);
    let lar = lar_from_norms(square_sum(&z), square_sum(&w), square_sum(&x), n);
    let norm = square_sum(&w).sqrt().log(n as f64);
    let loss = model.loss(&rows()).unwrap().to_scalar::<f64>().unwrap();
    loss - pull.lar * lar - pull.sigma_p * spread + pull.norm * norm
}

#[test]
fn the_gradient_is_the_difference_quotient_of_loss_and_terms() {
    for (name, config) in variants() {
        let layout = ParamLayout::new(&config, SYMBOLS);
        for pull in PULLS {
            let vars = vars(&layout, &initial_parameters(&config, &layout, 2), DType::F64);
            let model = model(&config, &layout, &vars);
            let output = model.forward(&rows()).unwrap();
            let loss = model.loss_of(&output, &rows()).unwrap();
            let whole = (loss + model.pull(&output, pull).unwrap()).unwrap();
            let value = whole.to_scalar::<f64>().unwrap();
            assert!((value - defined(&model, pull)).abs() < 1e-12, "{name} {pull:?}: {value}");
            let grads = whole.backward().unwrap();
            for (param, var) in layout.iter().zip(&vars) {
                let (start, grad) = (numbers(var), numbers(grads.get(var).unwrap()));
                let largest = grad.iter().fold(0f64, |a, g| a.max(g.abs())).max(1e-3);
                for i in (0..start.len()).step_by(start.len().div_ceil(4)) {
                    let at = |delta: f64| {
                        let mut moved = start.clone();
                        moved[i] += delta;
                        var.set(&Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap()).unwrap();
                        defined(&model, pull)
                    };
                    let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
                    at(0.0);
                    let error = (numeric - grad[i]).abs() / largest;
                    assert!(
                        error < 2e-6,
                        "{name} {pull:?}: {}[{i}] {numeric} {} ({error:e})",
                        param.name,
                        grad[i]
                    );
                }
            }
        }
    }
}

/// A zero unembedding has no LAR: no NaN comes of it.
#[test]
fn nothing_pulls_at_a_matrix_of_zeros() {
    let (_, config) = variants().swap_remove(0);
    let layout = ParamLayout::new(&config, SYMBOLS);
    let mut flat = initial_parameters(&config, &layout, 2);
    flat[layout.unembedding(SYMBOLS, config.d_model)].fill(0.0);
    let vars = vars(&layout, &flat, DType::F64);
    let model = model(&config, &layout, &vars);
    let output = model.forward(&rows()).unwrap();
    assert_eq!(model.pull(&output, PULLS[3]).unwrap().to_scalar::<f64>().unwrap(), 0.0);
}
