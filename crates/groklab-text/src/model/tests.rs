//! The model against NumPy and finite differences, its symmetries, and what holds before the first step.

use super::*;
use candle_core::{DType, Device, Tensor};
use groklab_corpus::stream;
use rand::Rng;
use rand_distr::StandardNormal;
use serde_json::Value;

pub(super) const DEVICE: Device = Device::Cpu;

fn tiny(tied: bool) -> TextConfig {
    TextConfig {
        vocabulary: 11,
        sequence: 6,
        d_model: 8,
        layers: 2,
        heads: 2,
        d_ff: 12,
        tied,
        ..TextConfig::LM_SMALL
    }
}

pub(super) fn ignore(_: &str, _: &Tensor) -> candle_core::Result<()> {
    Ok(())
}

pub(super) fn random(count: usize, scale: f64, index: u64) -> Vec<f64> {
    let mut rng = stream(1, "model test", index);
    (0..count).map(|_| scale * rng.sample::<f64, _>(StandardNormal)).collect()
}

pub(super) fn ids(count: usize, vocabulary: u32, index: u64) -> Vec<u32> {
    let mut rng = stream(2, "model test", index);
    (0..count).map(|_| rng.random_range(0..vocabulary)).collect()
}

pub(super) fn host(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// Forward pass with loops over heads and positions, rotation by complex numbers: `tests/oracle/gemma.py`.
#[test]
fn logits_and_loss_agree_with_numpy() {
    let oracle: Value = serde_json::from_str(include_str!("../../tests/oracle/gemma.json")).unwrap();
    let list = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    };
    let ids = |key: &str| -> Vec<u32> {
        oracle[key].as_array().unwrap().iter().flat_map(&list).map(|v| v as u32).collect()
    };
    let (inputs, targets) = (ids("inputs"), ids("targets"));
    for case in oracle["cases"].as_array().unwrap() {
        let config = tiny(case["tied"].as_bool().unwrap());
        let params: Vec<f64> =
            (0..config.layout().len()).map(|i| 0.4 * (1.7 * i as f64 + 0.3).sin()).collect();
        // f32: some hundred roundings of 6e-8 on logits of size 1
        for (dtype, tolerance) in [(DType::F64, 1e-10), (DType::F32, 2e-5)] {
            let model = Transformer::new(config.clone(), dtype, &DEVICE).unwrap();
            model.set(&params).unwrap();
            let logits = host(&model.logits(&inputs, 6, &mut ignore).unwrap());
            let expected = list(&case["logits"]);
            assert_eq!(logits.len(), expected.len());
            let worst = logits.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < tolerance, "{dtype:?}: {worst}");
            let loss = host(&model.loss(&inputs, &targets, 6, &mut ignore).unwrap())[0];
            assert!((loss - case["loss"].as_f64().unwrap()).abs() < tolerance, "{dtype:?}: {loss}");
        }
    }
}

/// Every one of the parameters, central differences in f64. candle's backward pass of GELU has constants of six digits.
#[test]
fn gradients_are_finite_differences() {
    for tied in [false, true] {
        let config = tiny(tied);
        let model = Transformer::new(config.clone(), DType::F64, &DEVICE).unwrap();
        let mut params = random(config.layout().len(), 0.4, 0);
        let (inputs, targets) = (ids(12, 11, 0), ids(12, 11, 1));
        let loss = |params: &[f64]| {
            model.set(params).unwrap();
            host(&model.loss(&inputs, &targets, 6, &mut ignore).unwrap())[0]
        };
        loss(&params);
        let mut grads = vec![0.0f64; params.len()];
        model.gradients(&model.loss(&inputs, &targets, 6, &mut ignore).unwrap(), &mut grads).unwrap();
        let norm = grads.iter().map(|g| g * g).sum::<f64>().sqrt();
        let step = 1e-5;
        for i in 0..params.len() {
            let value = params[i];
            params[i] = value + step;
            let above = loss(&params);
            params[i] = value - step;
            let below = loss(&params);
            params[i] = value;
            let difference = (above - below) / (2.0 * step);
            assert!(
                (grads[i] - difference).abs() < 1e-5 * norm + 1e-4 * difference.abs(),
                "{i}: {} {difference}",
                grads[i]
            );
        }
    }
}

/// LAR by norms of what an observer sees, and the gradient of loss − λ·LAR by differences, every ninth parameter.
#[test]
fn lar_is_that_of_its_norms_and_its_gradient_is_a_finite_difference() {
    for tied in [false, true] {
        let config = tiny(tied);
        let model = Transformer::new(config.clone(), DType::F64, &DEVICE).unwrap();
        let mut params = random(config.layout().len(), 0.4, 0);
        let (inputs, targets) = (ids(12, 11, 0), ids(12, 11, 1));
        let norm = |a: &[f64]| a.iter().map(|a| a * a).sum::<f64>().sqrt();
        let defined = |params: &[f64]| {
            model.set(params).unwrap();
            let mut x = Vec::new();
            let mut see = |name: &str, input: &Tensor| {
                if name == config.unembedding() {
                    x = host(input);
                }
                Ok(())
            };
            let logits = model.logits(&inputs, 6, &mut see).unwrap();
            let loss = host(&model.mean_loss(&logits, &targets).unwrap())[0];
            let w = host(model.var(config.unembedding()).unwrap());
            let width = w.len() / 11;
            let share = norm(&host(&logits)) / (norm(&x) * norm(&w));
            (loss, 1.0 + share.ln() / (width as f64).ln())
        };
        let (loss, lar) = model.set(&params).and_then(|()| model.loss_and_lar(&inputs, &targets, 6)).unwrap();
        let (expected_loss, expected_lar) = defined(&params);
        assert!((host(&loss)[0] - expected_loss).abs() < 1e-12);
        assert!((host(&lar)[0] - expected_lar).abs() < 1e-12, "{lar} {expected_lar}");
        let strength = 2.5;
        let mut grads = vec![0.0f64; params.len()];
        model.gradients(&(&loss - (lar * strength).unwrap()).unwrap(), &mut grads).unwrap();
        let (size, step) = (norm(&grads), 1e-5);
        for i in (0..params.len()).step_by(9) {
            let value = params[i];
            let mut at = |delta: f64| {
                params[i] = value + delta;
                let (loss, lar) = defined(&params);
                loss - strength * lar
            };
            let difference = (at(step) - at(-step)) / (2.0 * step);
            params[i] = value;
            assert!(
                (grads[i] - difference).abs() < 1e-5 * size + 1e-4 * difference.abs(),
                "{i}: {} {difference}",
                grads[i]
            );
        }
    }
}

#[test]
fn every_parameter_gets_a_gradient_that_is_not_zero() {
    for tied in [false, true] {
        let config = TextConfig { tied, ..TextConfig::LM_SMALL };
        let model = Transformer::new(config.clone(), DType::F32, &DEVICE).unwrap();
        model.set(&initial_parameters(&config, 0)).unwrap();
        let (inputs, targets) = (ids(128, 512, 0), ids(128, 512, 1));
        let mut grads = vec![0.0f32; config.layout().len()];
        model.gradients(&model.loss(&inputs, &targets, 64, &mut ignore).unwrap(), &mut grads).unwrap();
        for param in config.layout().iter() {
            let norm: f32 = grads[param.range.clone()].iter().map(|g| g * g).sum();
            assert!(norm > 0.0 && norm.is_finite(), "{}: {norm}", param.name);
        }
    }
}

/// Logits of unit-RMS states are N(0, 1) before the first step, so the loss is ln V + ½; and no direction is aligned.
#[test]
fn untied_losses_begin_at_ln_v_and_a_half_and_lar_at_a_half() {
    let config = TextConfig::LM_SMALL;
    for seed in 0..3 {
        let model = Transformer::new(config.clone(), DType::F32, &DEVICE).unwrap();
        model.set(&initial_parameters(&config, seed)).unwrap();
        let (inputs, targets) = (ids(2_048, 512, 2 * seed), ids(2_048, 512, 2 * seed + 1));
        let mut moments = groklab_probe::Moments::new(64, 0);
        let mut pool = |name: &str, x: &Tensor| {
            if name == "unembed.weight" {
                moments.add_tensor(x).unwrap();
            }
            Ok(())
        };
        let loss = host(&model.loss(&inputs, &targets, 64, &mut pool).unwrap())[0];
        assert!((loss - (512f64.ln() + 0.5)).abs() < 0.05, "seed {seed}: {loss}");
        let weight = model.var("unembed.weight").unwrap();
        let (probe, _) = groklab_probe::from_tensor_and_moments(weight, &moments).unwrap();
        assert!((probe.lar - 0.5).abs() < 0.01, "seed {seed}: {}", probe.lar);
    }
}

#[test]
fn no_logit_depends_on_what_comes_later_and_sequences_do_not_meet() {
    let config = tiny(false);
    let model = Transformer::new(config.clone(), DType::F64, &DEVICE).unwrap();
    model.set(&random(config.layout().len(), 0.4, 3)).unwrap();
    let inputs = ids(12, 11, 4);
    let base = host(&model.logits(&inputs, 6, &mut ignore).unwrap());
    for changed in 0..12 {
        let mut other = inputs.clone();
        other[changed] = (other[changed] + 1) % 11;
        let logits = host(&model.logits(&other, 6, &mut ignore).unwrap());
        for position in 0..12 {
            let at = position * 11..(position + 1) * 11;
            let sees = position / 6 == changed / 6 && position >= changed;
            assert_eq!(logits[at.clone()] != base[at], sees, "{position} after a change at {changed}");
        }
    }
    // a shorter sequence has the logits of the longer one's beginning
    let short = host(&model.logits(&inputs[..4], 4, &mut ignore).unwrap());
    assert!(short.iter().zip(&base).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn rotary_scores_depend_on_the_difference_of_positions_alone() {
    let rope = Rope::new(20, 8, 10_000.0, DType::F64, &DEVICE).unwrap();
    // the same vector at every position
    let repeated = |index| {
        let x = Tensor::from_vec(random(8, 1.0, index), (1, 8), &DEVICE).unwrap();
        rope.apply(&x.broadcast_as((20, 8)).unwrap().contiguous().unwrap()).unwrap()
    };
    let (q, k) = (repeated(5), repeated(6));
    let scores = q.matmul(&k.t().unwrap()).unwrap().to_vec2::<f64>().unwrap();
    for t in 0..19 {
        for s in 0..19 {
            assert!((scores[t][s] - scores[t + 1][s + 1]).abs() < 1e-12, "{t} {s}");
        }
    }
    assert!((scores[0][0] - scores[7][0]).abs() > 1e-3);
    // channels (0, 4) turn by one radian a position: (1, 0) becomes (cos t, sin t)
    let unit = Tensor::new(&[[1f64, 0., 0., 0., 0., 0., 0., 0.]; 3], &DEVICE).unwrap();
    let turned = rope.apply(&unit).unwrap().to_vec2::<f64>().unwrap();
    assert!((turned[2][0] - 2f64.cos()).abs() < 1e-15 && (turned[2][4] - 2f64.sin()).abs() < 1e-15);
}

#[test]
fn the_inputs_of_every_matrix_are_shown_once() {
    let config = tiny(false);
    let model = Transformer::new(config.clone(), DType::F32, &DEVICE).unwrap();
    model.set(&initial_parameters(&config, 0)).unwrap();
    let mut seen = Vec::new();
    let mut note = |name: &str, x: &Tensor| {
        seen.push((name.to_string(), x.dims().to_vec()));
        Ok(())
    };
    model.logits(&ids(12, 11, 7), 6, &mut note).unwrap();
    let expected: Vec<_> = config
        .layout()
        .iter()
        .filter(|param| param.shape.len() == 2 && param.role != crate::Role::Embedding)
        .map(|param| (param.name.clone(), vec![12, param.shape[1]]))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn what_does_not_fit_is_named() {
    let model = Transformer::new(tiny(false), DType::F32, &DEVICE).unwrap();
    let message = |inputs: &[u32], length| model.logits(inputs, length, &mut ignore).unwrap_err().to_string();
    assert_eq!(message(&[11], 1), "input id: 11, expected 0 to 10");
    assert!(message(&[1; 7], 7).starts_with("sequence length: 7, expected 1 to 6"));
    assert!(message(&[1; 7], 2).starts_with("sequence length: 2"));
    assert!(
        model
            .loss(&[1, 2], &[1], 2, &mut ignore)
            .unwrap_err()
            .to_string()
            .starts_with("number of targets: 1")
    );
    assert!(model.set(&[0f32; 3]).unwrap_err().to_string().starts_with("number of parameters: 3"));
    // all parameters zero: RMSNorm of 0 is 0, logits are 0, and a loss of another graph has no gradients
    let mut grads = vec![0f32; model.layout().len()];
    let foreign = Tensor::new(1f32, &DEVICE).unwrap();
    let message = model.gradients(&foreign, &mut grads).unwrap_err().to_string();
    assert!(message.starts_with("embed.weight has no gradient"), "{message}");
}
