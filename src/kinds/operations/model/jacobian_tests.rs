//! The Jacobian term against its definition, finite differences and PyTorch's double backward.

use super::{
    ParamKind, ParamLayout, PlainModel,
    dual::Dual,
    initial_parameters,
    plain::tests::{SYMBOLS, model, rows, variants, vars},
};
use crate::kinds::operations::{
    config::{ModelConfig, Norm, Preset},
    task::Equation,
};
use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use std::f64::consts::TAU;

/// Numbers from −1 to 1; `tests/oracle/diagnostics.py` has the same.
fn wave(i: usize) -> f64 {
    2.0 * ((i * i % 1009 * 31 + 17 * i) % 1009) as f64 / 1009.0 - 1.0
}

/// Directions on the unit sphere, (rows, outputs).
fn directions(rows: usize, outputs: usize) -> Tensor {
    let v: Vec<f64> = (0..rows * outputs).map(wave).collect();
    let v = Tensor::from_vec(v, (rows, outputs), &Device::Cpu).unwrap();
    v.broadcast_div(&v.sqr().unwrap().sum_keepdim(1).unwrap().sqrt().unwrap()).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The logits of embedded tokens `x`.
fn logits(model: &PlainModel, x: &Tensor) -> Vec<f64> {
    numbers(&model.logits_of(&Dual { value: x.clone(), tangent: None }).unwrap().value)
}

#[test]
fn dual_values_are_those_of_the_plain_model() {
    for (name, config) in variants() {
        let layout = ParamLayout::new(&config, SYMBOLS);
        let vars = vars(&layout, &initial_parameters(&config, &layout, 4), DType::F64);
        let model = model(&config, &layout, &vars);
        let plain = numbers(&model.forward(&rows()).unwrap().logits);
        let dual = logits(&model, &model.embed(&rows()).unwrap());
        assert!(plain.iter().zip(&dual).all(|(a, b)| (a - b).abs() < 1e-12 * a.abs().max(1.0)), "{name}");
    }
}

/// By differences of the logits, input by input.
#[test]
fn the_norm_is_that_of_its_definition() {
    for (name, config) in variants() {
        let layout = ParamLayout::new(&config, SYMBOLS);
        let vars = vars(&layout, &initial_parameters(&config, &layout, 4), DType::F64);
        let model = model(&config, &layout, &vars);
        let (rows, v) = (rows(), directions(6, SYMBOLS));
        let x = model.embed(&rows).unwrap();
        let (shape, start, v) = (x.shape().clone(), numbers(&x), numbers(&v));
        let inputs = start.len() / rows.len();
        let mut squares = vec![0.0; rows.len()];
        for i in 0..inputs {
            let at = |delta: f64| {
                // rows do not see each other: one input of each moves
                let mut moved = start.clone();
                moved.iter_mut().skip(i).step_by(inputs).for_each(|x| *x += delta);
                logits(&model, &Tensor::from_vec(moved, &shape, &Device::Cpu).unwrap())
            };
            let (h, up, down) = (1e-5, at(1e-5), at(-1e-5));
            for (row, square) in squares.iter_mut().enumerate() {
                let slope = |c: usize| (up[row * SYMBOLS + c] - down[row * SYMBOLS + c]) / (2.0 * h);
                let along: f64 = (0..SYMBOLS).map(|c| v[row * SYMBOLS + c] * slope(c)).sum();
                *square += SYMBOLS as f64 * along * along;
            }
        }
        let expected = squares.iter().map(|s| s.max(1e-8).sqrt()).sum::<f64>() / rows.len() as f64;
        let found = model.with_term(&rows, &directions(6, SYMBOLS)).unwrap();
        assert!((found.mean_norm / expected - 1.0).abs() < 1e-8, "{name}: {} {expected}", found.mean_norm);
        let value = found.alongside.to_scalar::<f64>().unwrap();
        assert!((value / found.mean_norm - 1.0).abs() < 1e-12, "{name}: {value}");
    }
}

/// Through softmax, masks of ReLU, LayerNorm and the embedding, whose part is the one that is lost where x is no longer made
/// of it.
#[test]
fn the_gradient_is_the_difference_quotient_of_the_norm() {
    for (name, config) in variants() {
        let layout = ParamLayout::new(&config, SYMBOLS);
        let vars = vars(&layout, &initial_parameters(&config, &layout, 2), DType::F64);
        let model = model(&config, &layout, &vars);
        let (rows, v) = (rows(), directions(6, SYMBOLS));
        let grads = model.with_term(&rows, &v).unwrap().alongside.backward().unwrap();
        for (param, var) in layout.iter().zip(&vars) {
            let start = numbers(var);
            let grad = grads.get(var).map_or_else(|| vec![0.0; start.len()], numbers);
            let largest = grad.iter().fold(0f64, |a, g| a.max(g.abs())).max(1e-2);
            let moves = !param.name.ends_with("down.bias") && !param.name.ends_with("attn.k.bias");
            if param.kind != ParamKind::Shift && moves && config.norm == Norm::Pre {
                assert!(grad.iter().any(|g| g.abs() > 1e-6), "{name}: no gradient for {}", param.name);
            }
            for i in (0..start.len()).step_by(start.len().div_ceil(6)) {
                let at = |delta: f64| {
                    let mut moved = start.clone();
                    moved[i] += delta;
                    var.set(&Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap()).unwrap();
                    model.with_term(&rows, &v).unwrap().mean_norm
                };
                let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
                at(0.0);
                let error = (numeric - grad[i]).abs() / largest;
                assert!(error < 1e-6, "{name}: {}[{i}] {numeric} {} ({error:e})", param.name, grad[i]);
            }
        }
    }
}

#[test]
fn a_model_without_outputs_has_the_floor_and_no_gradient() {
    let (name, config) = variants().swap_remove(0);
    let layout = ParamLayout::new(&config, SYMBOLS);
    let mut flat = initial_parameters(&config, &layout, 2);
    flat[layout.unembedding(SYMBOLS, config.d_model)].fill(0.0);
    let vars = vars(&layout, &flat, DType::F64);
    let found = model(&config, &layout, &vars).with_term(&rows(), &directions(6, SYMBOLS)).unwrap();
    assert!((found.mean_norm - 1e-4).abs() < 1e-15, "{name}: {}", found.mean_norm);
    let grads = found.alongside.backward().unwrap();
    for grad in vars.iter().filter_map(|var| grads.get(var)) {
        assert!(numbers(grad).iter().all(|g| *g == 0.0));
    }
}

#[test]
fn three_models_agree_with_double_backward_in_pytorch() {
    const SYMBOLS: usize = 13;
    let oracle: Value = serde_json::from_str(include_str!("../../../../tests/oracle/jacobian.json")).unwrap();
    let small = |preset: Preset| {
        let model = preset.config("add", 0.5, 0).model;
        ModelConfig { d_model: 8, n_heads: 2, d_mlp: 12, ..model }
    };
    let power = small(Preset::Power);
    let models = [
        ("paper", small(Preset::Paper)),
        ("power, biases, tied", ModelConfig { bias: true, tied: true, ..power.clone() }),
        (
            "one layer, no norm",
            ModelConfig {
                n_layers: 1,
                norm: Norm::None,
                bias: true,
                output_scale: 0.5,
                positions: small(Preset::Paper).positions,
                ..power
            },
        ),
    ];
    let all = (0..SYMBOLS * SYMBOLS).map(|i| (i / SYMBOLS, i % SYMBOLS));
    let train = all.filter(|(x, y)| (3 * x + 5 * y) % 7 < 4);
    let rows: Vec<_> = train
        .map(|(x, y)| Equation { x: x as u16, y: y as u16, answer: ((x + y) % SYMBOLS) as u16 })
        .collect();
    for (name, config) in models {
        let expected = &oracle[name];
        assert_eq!(expected["scale"], config.output_scale);
        let layout = ParamLayout::new(&config, SYMBOLS);
        let flat: Vec<f32> = layout
            .iter()
            .flat_map(|param| {
                param.range.clone().map(|at| {
                    let (row, column) = (
                        (at - param.range.start) / param.shape[param.shape.len() - 1],
                        at - param.range.start,
                    );
                    let column = column % param.shape[param.shape.len() - 1];
                    let value = match param.name.as_str() {
                        "unembed.weight" | "embed.token.weight" => {
                            let k = if column % 2 == 0 { 2 } else { 5 };
                            let angle = TAU * (k * row % SYMBOLS) as f64 / SYMBOLS as f64 + column as f64;
                            0.25 * wave(at) + angle.cos()
                        }
                        _ if param.kind == ParamKind::Gain => 1.0 + 0.5 * wave(at),
                        _ => wave(at),
                    };
                    value as f32
                })
            })
            .collect();
        let vars = vars(&layout, &flat, DType::F64);
        let model =
            PlainModel::new(&config, &layout, SYMBOLS, vars.iter().map(|v| v.as_tensor().clone()).collect());
        let found = model.with_term(&rows, &directions(rows.len(), SYMBOLS)).unwrap();
        let close = |found: f64, expected: &Value, size: f64| {
            (found - expected.as_f64().unwrap()).abs() < 1e-11 * size.max(1.0)
        };
        assert!(
            close(found.mean_norm, &expected["mean_norm"], found.mean_norm),
            "{name}: {}",
            found.mean_norm
        );
        let grads = found.alongside.backward().unwrap();
        for (param, var) in layout.iter().zip(&vars) {
            let grad = grads.get(var).map_or_else(|| vec![0.0; param.range.len()], numbers);
            let norm = grad.iter().map(|g| g * g).sum::<f64>().sqrt();
            let product = grad.iter().enumerate().map(|(i, g)| g * wave(i)).sum::<f64>();
            let recorded = &expected["gradient"][&param.name];
            let agrees = close(norm, &recorded[0], norm) && close(product, &recorded[1], norm);
            assert!(agrees, "{name}: {} {norm} {product}, PyTorch has {recorded}", param.name);
        }
    }
}
