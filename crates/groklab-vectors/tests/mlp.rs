//! The network against an independent f64 one: its loss, the Jacobian term by forming J entry by entry, and central
//! differences of both by every parameter.
#![allow(missing_docs, clippy::unwrap_used)] // a test may

use groklab_vectors::mlp::{Engine, Init, Loss, Mlp, ModelError, Penalty, directions};
use groklab_vectors::optim::{Optimizer, Sgd};

/// f(x) of one row, and J(x) by forward differentiation of each input.
fn reference(mlp: &Mlp, params: &[f64], x: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut values = x.to_vec();
    // derivatives[j] is that of the values by input j
    let mut derivatives: Vec<Vec<f64>> =
        (0..x.len()).map(|j| (0..x.len()).map(|i| f64::from(u8::from(i == j))).collect()).collect();
    for l in 0..mlp.layers() {
        let w: Vec<&[f64]> = params[mlp.weight(l)].chunks(mlp.widths()[l]).collect();
        let b = mlp.bias(l).map(|range| &params[range]);
        let apply = |v: &[f64]| -> Vec<f64> {
            w.iter().map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum()).collect()
        };
        let mut next = apply(&values);
        if let Some(b) = b {
            next.iter_mut().zip(b).for_each(|(n, b)| *n += b);
        }
        derivatives = derivatives.iter().map(|d| apply(d)).collect();
        if l + 1 < mlp.layers() {
            for (i, n) in next.iter_mut().enumerate().filter(|(_, n)| **n <= 0.0) {
                *n = 0.0;
                derivatives.iter_mut().for_each(|d| d[i] = 0.0);
            }
        }
        values = next;
    }
    let c = f64::from(mlp.output_scale());
    values.iter_mut().for_each(|v| *v *= c);
    derivatives.iter_mut().flatten().for_each(|d| *d *= c);
    (values, derivatives)
}

struct Case {
    mlp: Mlp,
    params: Vec<f32>,
    inputs: Vec<f32>,
    labels: Vec<u32>,
    v: Vec<f32>,
}

impl Case {
    fn new(widths: &[usize], biases: bool, scale: f32) -> Self {
        let mlp = Mlp::new(widths, biases, scale).unwrap();
        let params = Init::Uniform { scale: 2.0 }.draw(&mlp, 5).unwrap();
        let rows = 7;
        let inputs = (0..rows * widths[0]).map(|i| ((i * i * 7 + 3 * i) % 31) as f32 / 10.0 - 1.4).collect();
        let labels = (0..rows).map(|i| (i * 5 % mlp.outputs().max(2)) as u32).collect();
        let mut v = vec![0.0; rows * mlp.outputs()];
        directions(3, 1, mlp.outputs(), &mut v);
        Self { mlp, params, inputs, labels, v }
    }

    /// Loss and R in f64.
    fn reference(&self, params: &[f64], loss: Loss) -> (f64, f64) {
        let (d, outputs, rows) = (self.mlp.inputs(), self.mlp.outputs(), self.labels.len() as f64);
        let (mut total, mut norm) = (0.0, 0.0);
        for (i, (x, &label)) in self.inputs.chunks(d).zip(&self.labels).enumerate() {
            let x: Vec<f64> = x.iter().map(|&x| x.into()).collect();
            let (f, jacobian) = reference(&self.mlp, params, &x);
            let y = if label == 1 { 1.0 } else { -1.0 };
            total += match loss {
                Loss::CrossEntropy => f.iter().map(|f| f.exp()).sum::<f64>().ln() - f[label as usize],
                Loss::Logistic => (1.0 + (-y * f[0]).exp()).ln(),
                Loss::Mse if outputs == 1 => (f[0] - y).powi(2),
                Loss::Mse => {
                    let target = |c| f64::from(u8::from(c == label as usize));
                    f.iter().enumerate().map(|(c, f)| (f - target(c)).powi(2)).sum::<f64>() / outputs as f64
                }
            };
            let v = &self.v[i * outputs..][..outputs];
            let pulled: f64 = jacobian
                .iter()
                .map(|by_input| by_input.iter().zip(v).map(|(j, v)| j * f64::from(*v)).sum::<f64>().powi(2))
                .sum();
            norm += (outputs as f64 * pulled).max(1e-8).sqrt();
        }
        (total / rows, norm / rows)
    }

    /// Central differences of `f`(loss, R) by every parameter.
    fn differences(&self, loss: Loss, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        const H: f64 = 1e-6;
        let params: Vec<f64> = self.params.iter().map(|&p| p.into()).collect();
        (0..params.len())
            .map(|k| {
                let at = |h: f64| {
                    let mut moved = params.clone();
                    moved[k] += h;
                    let (loss, norm) = self.reference(&moved, loss);
                    f(loss, norm)
                };
                (at(H) - at(-H)) / (2.0 * H)
            })
            .collect()
    }

    fn gradient(&self, loss: Loss, penalty: Option<&Penalty>) -> (f64, Option<f64>, Vec<f32>) {
        let mut grads = vec![f32::NAN; self.params.len()];
        let value = Engine::new(&self.mlp)
            .gradient(
                &self.params,
                &self.inputs,
                &self.labels,
                loss,
                penalty.map(|p| (p, &self.v[..])),
                &mut grads,
            )
            .unwrap();
        (value.loss, value.mean_norm, grads)
    }
}

/// Largest difference over the largest entry.
fn distance(found: &[f32], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let most = wanted.iter().fold(0f64, |m, w| m.max(w.abs()));
    // NaN is kept: f64::max would drop it
    let off = found.iter().zip(wanted).map(|(f, w)| (f64::from(*f) - w).abs());
    off.fold(0.0, |m: f64, d| if d > m || d.is_nan() { d } else { m }) / most
}

const CASES: [(&[usize], bool, f32, Loss); 6] = [
    (&[6, 9, 8, 4], false, 1.0, Loss::CrossEntropy),
    (&[6, 9, 8, 4], true, 0.25, Loss::CrossEntropy),
    (&[5, 7, 7, 7, 3], true, 1.0, Loss::Mse),
    (&[5, 12, 1], false, 3.0, Loss::Mse),
    (&[5, 12, 1], true, 1.0, Loss::Logistic),
    (&[5, 3], true, 2.0, Loss::CrossEntropy),
];

#[test]
fn every_gradient_is_that_of_the_reference() {
    for (widths, biases, scale, loss) in CASES {
        let case = Case::new(widths, biases, scale);
        let (value, norm, grads) = case.gradient(loss, None);
        let params: Vec<f64> = case.params.iter().map(|&p| p.into()).collect();
        let (wanted, _) = case.reference(&params, loss);
        assert!((value / wanted - 1.0).abs() < 1e-5 && norm.is_none(), "{widths:?}: {value} {wanted}");
        let off = distance(&grads, &case.differences(loss, |loss, _| loss));
        assert!(off < 1e-5, "{widths:?} {loss:?}: {off:e}");
    }
}

#[test]
fn the_jacobian_term_changes_the_gradient_by_exactly_its_own() {
    for (widths, biases, scale, loss) in CASES {
        let case = Case::new(widths, biases, scale);
        let (_, _, plain) = case.gradient(loss, None);
        let params: Vec<f64> = case.params.iter().map(|&p| p.into()).collect();
        let (_, wanted_norm) = case.reference(&params, loss);
        for level in [None, Some(0.5 * wanted_norm), Some(2.0 * wanted_norm)] {
            let penalty = Penalty { strength: 0.7, level };
            let (_, norm, grads) = case.gradient(loss, Some(&penalty));
            assert!((norm.unwrap() / wanted_norm - 1.0).abs() < 1e-5, "{widths:?}: {norm:?} {wanted_norm}");
            let wanted = case.differences(loss, |loss, norm| loss + penalty.value(norm));
            let off = distance(&grads, &wanted);
            assert!(off < 1e-5, "{widths:?} {level:?}: {off:e}");
            assert!(
                grads.iter().zip(&plain).any(|(a, b)| (a - b).abs() > 1e-3),
                "{widths:?}: λ does nothing"
            );
        }
        let none = Penalty { strength: 0.0, level: None };
        assert_eq!(case.gradient(loss, Some(&none)).2, plain);
    }
}

#[test]
fn a_network_without_a_slope_has_a_constant_term() {
    let mut case = Case::new(&[4, 5, 3], false, 1.0);
    let weight = case.mlp.weight(1);
    case.params[weight].fill(0.0);
    let (_, _, plain) = case.gradient(Loss::CrossEntropy, None);
    let (_, norm, grads) = case.gradient(Loss::CrossEntropy, Some(&Penalty { strength: 1.0, level: None }));
    assert!((norm.unwrap() - 1e-4).abs() < 1e-12, "{norm:?}");
    assert_eq!(grads, plain);
}

#[test]
fn a_vector_through_the_jacobian_is_the_references() {
    let case = Case::new(&[6, 9, 8, 4], true, 0.5);
    let mut engine = Engine::new(&case.mlp);
    engine.forward(&case.params, &case.inputs).unwrap();
    let pulled = engine.pull_back(&case.params, &case.v).unwrap();
    let params: Vec<f64> = case.params.iter().map(|&p| p.into()).collect();
    let mut wanted = Vec::new();
    for (x, v) in case.inputs.chunks(6).zip(case.v.chunks(4)) {
        let x: Vec<f64> = x.iter().map(|&x| x.into()).collect();
        let (_, jacobian) = reference(&case.mlp, &params, &x);
        wanted
            .extend(jacobian.iter().map(|by| by.iter().zip(v).map(|(j, v)| j * f64::from(*v)).sum::<f64>()));
    }
    assert!(distance(pulled, &wanted) < 1e-5);
}

#[test]
fn without_biases_the_centroid_says_the_sum_of_the_outputs() {
    for (widths, biases, scale, _) in CASES.into_iter().filter(|case| !case.1) {
        let case = Case::new(widths, biases, scale);
        let mut engine = Engine::new(&case.mlp);
        let outputs = case.mlp.outputs();
        let f = engine.forward(&case.params, &case.inputs).unwrap().to_vec();
        let centroids = engine.pull_back(&case.params, &vec![1.0; f.len()]).unwrap();
        for ((mu, x), f) in
            centroids.chunks(widths[0]).zip(case.inputs.chunks(widths[0])).zip(f.chunks(outputs))
        {
            let terms = || mu.iter().zip(x).map(|(m, x)| f64::from(*m) * f64::from(*x));
            let (found, wanted) = (terms().sum::<f64>(), f.iter().map(|&f| f64::from(f)).sum::<f64>());
            // relative to what the sums are made of: they may cancel
            let size =
                terms().map(f64::abs).sum::<f64>() + f.iter().map(|&f| f64::from(f.abs())).sum::<f64>();
            assert!((found - wanted).abs() < 1e-5 * size, "{widths:?}: {found} {wanted}");
        }
    }
}

/// θ ↦ c^(1/L) θ multiplies a bias-free network of L layers by c. Descent on c·f with lr η/c then stays in step with
/// descent on f from there with lr η·c^(2/L − 1): with L = 2 the rate is η itself.
#[test]
fn scaling_the_output_is_scaling_the_start() {
    for (widths, c) in [(&[6, 10, 3][..], 0.25f32), (&[6, 10, 3], 4.0), (&[6, 10, 10, 3], 0.125)] {
        let case = Case::new(widths, false, 1.0);
        let layers = case.mlp.layers() as f64;
        let root = f64::from(c).powf(1.0 / layers) as f32;
        let eta = 0.05;
        let run = |scale: f32, mut params: Vec<f32>, lr: f64| {
            let mlp = Mlp::new(widths, false, scale).unwrap();
            let (mut engine, mut sgd) = (Engine::new(&mlp), Sgd::new(0.0, 0.0, params.len()));
            let mut grads = vec![0.0; params.len()];
            let mut losses = Vec::new();
            for _ in 0..40 {
                let value = engine
                    .gradient(&params, &case.inputs, &case.labels, Loss::CrossEntropy, None, &mut grads)
                    .unwrap();
                losses.push(value.loss);
                sgd.step(&mut params, &grads, lr).unwrap();
            }
            (losses, params)
        };
        let (a, scaled) = run(c, case.params.clone(), eta / f64::from(c));
        let start: Vec<f32> = case.params.iter().map(|p| p * root).collect();
        let (b, started) = run(1.0, start, eta * f64::from(c).powf(2.0 / layers - 1.0));
        assert!(a.iter().zip(&b).all(|(a, b)| (a / b - 1.0).abs() < 1e-5), "{widths:?}: {a:?} {b:?}");
        assert!(a[39] < 0.99 * a[0], "{widths:?}: nothing was learned: {a:?}");
        let wanted: Vec<f64> = scaled.iter().map(|p| f64::from(p * root)).collect();
        assert!(distance(&started, &wanted) < 1e-5);
    }
}

#[test]
fn what_a_layer_hands_on_is_what_the_next_one_reads() {
    let case = Case::new(&[5, 6, 4, 3], true, 0.5);
    let mut engine = Engine::new(&case.mlp);
    let logits = engine.forward(&case.params, &case.inputs).unwrap().to_vec();
    assert_eq!(engine.activations(2), logits);
    assert!(engine.activations(0).len() == 7 * 6 && engine.activations(1).iter().all(|&a| a >= 0.0));
    // the last layer alone, on what the one before it handed on
    let last = Mlp::new(&[4, 3], true, 0.5).unwrap();
    let params = &case.params[case.mlp.weight(2).start..];
    let again = Engine::new(&last).forward(params, engine.activations(1)).unwrap().to_vec();
    assert_eq!(again, logits);

    let norm = engine.mean_norm(&case.params, &case.v).unwrap();
    let (_, wanted, _) = case.gradient(Loss::Mse, Some(&Penalty { strength: 1.0, level: None }));
    assert_eq!(Some(norm), wanted);
}

#[test]
fn a_gradient_is_the_same_after_a_larger_batch_and_in_another_engine() {
    let case = Case::new(&[6, 9, 8, 4], true, 0.25);
    let penalty = Penalty { strength: 0.3, level: None };
    let first = case.gradient(Loss::CrossEntropy, Some(&penalty));
    let mut engine = Engine::new(&case.mlp);
    engine.forward(&case.params, &case.inputs.repeat(9)).unwrap();
    let mut grads = vec![0.0; case.params.len()];
    let value = engine
        .gradient(
            &case.params,
            &case.inputs,
            &case.labels,
            Loss::CrossEntropy,
            Some((&penalty, &case.v)),
            &mut grads,
        )
        .unwrap();
    assert_eq!((value.loss, value.mean_norm, grads), first);
}

#[test]
fn what_does_not_fit_is_refused() {
    let case = Case::new(&[6, 9, 4], false, 1.0);
    let mut engine = Engine::new(&case.mlp);
    let mut grads = vec![0.0; case.params.len()];
    let length = |r: Result<_, ModelError>| assert!(matches!(r, Err(ModelError::Length { .. })));
    length(engine.forward(&case.params[1..], &case.inputs).map(drop));
    length(engine.forward(&case.params, &case.inputs[1..]).map(drop));
    length(engine.pull_back(&case.params, &case.v).map(drop));
    let mut gradient = |labels: &[u32], penalty: Penalty, v: &[f32]| {
        engine.gradient(&case.params, &case.inputs, labels, Loss::Mse, Some((&penalty, v)), &mut grads)
    };
    let plain = Penalty { strength: 1.0, level: None };
    length(gradient(&case.labels[1..], plain, &case.v).map(drop));
    length(gradient(&case.labels, plain, &case.v[1..]).map(drop));
    assert!(matches!(gradient(&[9; 7], plain, &case.v), Err(ModelError::Label { row: 0, label: 9, .. })));
    for strength in [-1.0, f64::NAN] {
        assert!(gradient(&case.labels, Penalty { strength, level: None }, &case.v).is_err());
    }
    for (widths, scale) in [(&[3][..], 1.0), (&[3, 0, 2], 1.0), (&[3, 2], 0.0), (&[3, 2], f32::NAN)] {
        assert!(Mlp::new(widths, false, scale).is_err());
    }
    assert!(Mlp::new(&[usize::MAX, usize::MAX], false, 1.0).is_err());
    assert!(Init::Balanced { scale: 1.0 }.draw(&case.mlp, 0).is_err());
}
