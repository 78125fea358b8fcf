//! The toy of Spectral Lens against PyTorch and finite differences, what holds before its first step, and per-sample gradients
//! of both models.

use super::{
    tests::{DEVICE, host, ids, ignore, random},
    *,
};
use crate::Role;
use candle_core::{DType, Tensor};
use groklab_corpus::{Periodic, split};
use groklab_probe::{GradientFactors, gradient_spectrum};
use serde_json::Value;

fn tiny() -> LensConfig {
    LensConfig { vocabulary: 11, sequence: 6, d_model: 8, layers: 2, heads: 2, d_ff: 12, ..LensConfig::SMALL }
}

/// All there are: rotary or not, and the changes of the last stage in every way that is possible.
fn variants(sizes: &LensConfig) -> Vec<LensConfig> {
    let switches = (0..16).map(|bits| LensConfig {
        rotary: bits & 1 > 0,
        own_head: bits & 2 > 0,
        zero_head: bits & 4 > 0,
        normalised_embedding: bits & 8 > 0,
        ..sizes.clone()
    });
    switches.filter(|config| config.check().is_ok()).collect()
}

fn model<A: Architecture>(config: A, dtype: DType, params: &[f64]) -> Decoder<A> {
    let model = Decoder::new(config, dtype, &DEVICE).unwrap();
    model.set(params).unwrap();
    model
}

fn initial<A: Architecture>(config: &A) -> Vec<f64> {
    config.initial_parameters(3).into_iter().map(f64::from).collect()
}

fn gradients<A: Architecture>(
    model: &Decoder<A>,
    inputs: &[u32],
    targets: &[u32],
    length: usize,
) -> Vec<f64> {
    let mut grads = vec![0.0; model.layout().len()];
    model.gradients(&model.loss(inputs, targets, length, &mut ignore).unwrap(), &mut grads).unwrap();
    grads
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Modules of torch.nn with its own attention, autograd, NumPy's SVD: `tests/oracle/lens.py`.
#[test]
fn logits_loss_gradients_and_their_spectra_agree_with_pytorch() {
    let oracle: Value = serde_json::from_str(include_str!("../../tests/oracle/lens.json")).unwrap();
    let ids = |key: &str| -> Vec<u32> {
        oracle[key].as_array().unwrap().iter().flat_map(list).map(|v| v as u32).collect()
    };
    let (inputs, targets) = (ids("inputs"), ids("targets"));
    let cases = oracle["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let is = |key: &str| case[key].as_bool().unwrap();
        let (rotary, own_head) = (is("rotary"), is("own_head"));
        let config =
            LensConfig { rotary, own_head, normalised_embedding: is("normalised_embedding"), ..tiny() };
        let params: Vec<f64> =
            (0..config.layout().len()).map(|i| 0.4 * (1.7 * i as f64 + 0.3).sin()).collect();
        for (dtype, tolerance) in [(DType::F64, 1e-10), (DType::F32, 2e-5)] {
            let model = model(config.clone(), dtype, &params);
            let logits = host(&model.logits(&inputs, 6, &mut ignore).unwrap());
            let expected = list(&case["logits"]);
            assert_eq!(logits.len(), expected.len());
            let worst = logits.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < tolerance, "{config:?}, {dtype:?}: {worst}");
            let loss = host(&model.loss(&inputs, &targets, 6, &mut ignore).unwrap())[0];
            assert!((loss - case["loss"].as_f64().unwrap()).abs() < tolerance, "{dtype:?}: {loss}");
        }
        let model = model(config, DType::F64, &params);
        let grads = gradients(&model, &inputs, &targets, 6);
        let sums = case["gradient_sums"].as_array().unwrap();
        assert_eq!(sums.len(), model.layout().as_slice().len());
        for (param, expected) in model.layout().iter().zip(sums) {
            let gradient = &grads[param.range.clone()];
            let wave = gradient.iter().enumerate().map(|(i, g)| g * (0.9 * i as f64).cos()).sum::<f64>();
            let found = [gradient.iter().sum::<f64>(), wave];
            for (found, expected) in found.into_iter().zip(list(expected)) {
                assert!((found - expected).abs() < 1e-10, "{}: {found} {expected}", param.name);
            }
        }
        for (name, expected) in case["singular_values"].as_object().unwrap() {
            let name = match name.as_str() {
                "embed" | "unembed" => format!("{name}.weight"),
                map if map.ends_with(".o") => format!("blocks.{}", map.replace(".o", ".attn.o.weight")),
                map => format!("blocks.{}", map.replace(".down", ".mlp.down.weight")),
            };
            let found = sample_gradients(&model, &inputs, &targets, 6, &[&name]).unwrap();
            let spectrum = gradient_spectrum(&found[0].stack, found[0].samples, found[0].parameters).unwrap();
            for (found, expected) in spectrum.singular_values.iter().zip(list(expected)) {
                assert!((found - expected).abs() < 1e-10, "{name}: {found} {expected}");
            }
        }
    }
}

/// Every one of the parameters of every variant, central differences in f64.
#[test]
fn gradients_are_finite_differences() {
    // where a head begins is no matter here
    for config in variants(&tiny()).into_iter().filter(|config| !config.zero_head) {
        let mut params = random(config.layout().len(), 0.4, 0);
        let (inputs, targets) = (ids(12, 11, 0), ids(12, 11, 1));
        let model = model(config, DType::F64, &params);
        let grads = gradients(&model, &inputs, &targets, 6);
        let scale = norm(&grads);
        let loss = |params: &[f64]| {
            model.set(params).unwrap();
            host(&model.loss(&inputs, &targets, 6, &mut ignore).unwrap())[0]
        };
        let step = 1e-5;
        for i in 0..params.len() {
            let value = params[i];
            params[i] = value + step;
            let above = loss(&params);
            params[i] = value - step;
            let below = loss(&params);
            params[i] = value;
            let difference = (above - below) / (2.0 * step);
            assert!((grads[i] - difference).abs() < 1e-6 * scale, "{i}: {} {difference}", grads[i]);
        }
        for param in model.layout().iter() {
            assert!(norm(&grads[param.range.clone()]) > 0.0, "{} has no gradient", param.name);
        }
    }
}

/// A head of zeros makes logits of zero, and equal logits a loss of ln V.
#[test]
fn a_head_at_zero_begins_at_ln_v_exactly() {
    for config in variants(&LensConfig::SMALL).into_iter().filter(|config| config.zero_head) {
        let model = model(config.clone(), DType::F64, &initial(&config));
        let (inputs, targets) = (ids(128, 256, 0), ids(128, 256, 1));
        assert!(host(&model.logits(&inputs, 32, &mut ignore).unwrap()).iter().all(|&l| l == 0.0));
        let loss = host(&model.loss(&inputs, &targets, 32, &mut ignore).unwrap())[0];
        assert!((loss - 256f64.ln()).abs() < 1e-14, "{loss}");
    }
}

/// Tied to an embedding N(0, 1), an input's own logit is ‖e‖√d ≈ d = 64 and the others N(0, d); measured elsewhere: 63.2.
#[test]
fn tied_stages_begin_at_the_scale_of_the_embedding() {
    let periodic = Periodic::new(256, 303).unwrap();
    let rows: Vec<Vec<u32>> = (0..128).map(|i| periodic.sequence(i, 33)).collect();
    let (inputs, targets) = split(rows.iter().map(Vec::as_slice));
    for stage in [Stage::Baseline, Stage::Rope] {
        let config = LensConfig::SMALL.at(stage);
        let model = model(config.clone(), DType::F32, &initial(&config));
        let loss = host(&model.loss(&inputs, &targets, 32, &mut ignore).unwrap())[0];
        assert!((loss - 63.2).abs() < 4.0, "{stage:?}: {loss}");
    }
}

/// Output projections at zero hide what is before them; a head at zero hides everything but itself.
#[test]
fn before_the_first_step_gradients_are_zero_where_zeros_stand_behind_and_nowhere_else() {
    for config in variants(&tiny()) {
        let model = model(config.clone(), DType::F64, &initial(&config));
        let (inputs, targets) = (ids(18, 11, 0), ids(18, 11, 1));
        let grads = gradients(&model, &inputs, &targets, 6);
        for param in model.layout().iter() {
            let name = param.name.as_str();
            let is_hidden = if config.zero_head {
                name != "unembed.weight"
            } else {
                param.role == Role::Matrix && !name.contains("attn.o") && !name.contains("mlp.down")
            };
            let norm = norm(&grads[param.range.clone()]);
            assert!(norm.is_finite() && (norm == 0.0) == is_hidden, "{config:?}, {name}: {norm}");
        }
        // and what has no gradient has no spectrum
        let names: Vec<_> = model.layout().iter().map(|param| param.name.clone()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        for found in sample_gradients(&model, &inputs, &targets, 6, &names).unwrap() {
            let range = model.layout().get(&found.name).unwrap().range.clone();
            let spectrum = gradient_spectrum(&found.stack, found.samples, found.parameters).unwrap();
            let is_undefined = spectrum.singular_values.iter().all(|s| s.is_nan());
            assert_eq!(is_undefined, norm(&grads[range]) == 0.0, "{}", found.name);
        }
    }
}

/// Σ_s ∇loss_s = N ∇(mean loss); factors multiply out to the rows; by Gram as by stack to 1e-6 of s₁.
fn check_samples<A: Architecture + Clone>(config: A) {
    let params = random(config.layout().len(), 0.4, 8);
    let (inputs, targets) = (ids(30, 11, 5), ids(30, 11, 6));
    let model = model(config, DType::F64, &params);
    let grads = gradients(&model, &inputs, &targets, 6);
    let all: Vec<&str> = model.layout().iter().map(|param| param.name.as_str()).collect();
    let found = sample_gradients(&model, &inputs, &targets, 6, &all).unwrap();
    let maps: Vec<&str> = model
        .layout()
        .iter()
        .filter(|param| matches!(param.role, Role::Matrix | Role::Unembedding))
        .map(|param| param.name.as_str())
        .collect();
    let factors = sample_factors(&model, &inputs, &targets, 6, &maps).unwrap();
    assert_eq!(factors.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), maps);
    for (param, samples) in model.layout().iter().zip(&found) {
        assert_eq!((samples.samples, samples.parameters), (5, param.range.len()));
        let batch = &grads[param.range.clone()];
        let mut sum = vec![0.0; batch.len()];
        for row in samples.stack.chunks_exact(batch.len()) {
            sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
        }
        let rest: Vec<f64> = sum.iter().zip(batch).map(|(sum, g)| sum - 5.0 * g).collect();
        assert!(norm(batch) > 0.0 && norm(&rest) < 1e-12 * norm(&sum), "{}", param.name);

        let Some(f) = factors.iter().find(|f| f.name == param.name) else { continue };
        let Factors { shape, samples: n, positions, .. } = *f;
        assert_eq!(shape.as_slice(), param.shape);
        let factors = GradientFactors {
            inputs: &f.inputs,
            output_gradients: &f.output_gradients,
            samples: n,
            positions,
            shape,
        };
        let stack = factors.stack().unwrap();
        let rest: Vec<f64> = stack.iter().zip(&samples.stack).map(|(a, b)| a - b).collect();
        assert!(norm(&rest) < 1e-12 * norm(&stack), "{}: {}", param.name, norm(&rest));
        let expected = gradient_spectrum(&samples.stack, 5, batch.len()).unwrap().singular_values;
        for spectrum in [factors.by_stack().unwrap(), factors.by_gram().unwrap()] {
            for (found, expected_value) in spectrum.singular_values.iter().zip(&expected) {
                assert!((found - expected_value).abs() < 1e-6 * expected[0], "{}", param.name);
            }
        }
    }
}

#[test]
fn gradients_of_samples_sum_to_that_of_the_batch_and_have_one_spectrum_by_every_way() {
    variants(&tiny()).into_iter().for_each(check_samples);
    for tied in [false, true] {
        check_samples(TextConfig {
            vocabulary: 11,
            sequence: 6,
            d_model: 8,
            layers: 2,
            heads: 2,
            d_ff: 12,
            tied,
            ..TextConfig::LM_SMALL
        });
    }
}

#[test]
fn no_logit_depends_on_what_comes_later_and_sequences_do_not_meet() {
    for config in variants(&tiny()) {
        let model = model(config.clone(), DType::F64, &random(config.layout().len(), 0.4, 3));
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
        let short = host(&model.logits(&inputs[..4], 4, &mut ignore).unwrap());
        assert!(short.iter().zip(&base).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

/// What the head reads is RMSNorm of the last block's output, of Gemma-2 times its gain of 1 at the start.
#[test]
fn the_residual_stream_behind_the_last_block_is_what_the_head_reads_before_its_norm() {
    fn check<A: Architecture>(config: A, layers: usize, params: &[f64]) {
        let head = config.unembedding();
        let model = model(config, DType::F64, params);
        let inputs = ids(12, 11, 9);
        let states = model.block_outputs(&inputs, 6).unwrap();
        assert_eq!(states.len(), layers);
        let mut read = Vec::new();
        let mut keep = |name: &str, x: &Tensor| {
            if name == head {
                read = host(x);
            }
            Ok(())
        };
        model.logits(&inputs, 6, &mut keep).unwrap();
        let normed = groklab_probe::unit_rms(&host(&states[layers - 1]), 8, 1e-6).unwrap();
        assert_eq!((read.len(), normed.len()), (96, 96));
        assert!(normed.iter().zip(&read).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!(states.windows(2).all(|pair| host(&pair[0]) != host(&pair[1])));
    }
    for config in variants(&tiny()) {
        check(config.clone(), 2, &random(config.layout().len(), 0.4, 2));
    }
    let gemma = TextConfig {
        vocabulary: 11,
        sequence: 6,
        d_model: 8,
        layers: 3,
        heads: 2,
        d_ff: 12,
        ..TextConfig::LM_SMALL
    };
    check(gemma.clone(), 3, &initial(&gemma));
}

#[test]
fn stages_have_the_parameters_of_their_tables() {
    let count = |stage| LensConfig::preset("lens-full", stage).unwrap().layout().len();
    // embedding, two blocks of q, k, v, o and an MLP of 2d
    let rope = 1024 * 128 + 2 * (4 * 128 * 128 + 2 * 128 * 256);
    assert_eq!(Stage::ALL.map(count), [rope + 64 * 128, rope, rope, rope + 1024 * 128]);
    assert_eq!(LensConfig::SMALL.at(Stage::Muon), LensConfig::SMALL.at(Stage::Rope));
    let untied = LensConfig::preset("lens-small", Stage::Untied).unwrap();
    assert!(untied.own_head && untied.zero_head && untied.normalised_embedding && untied.rotary);
    assert_eq!(variants(&tiny()).len(), 12);
    let dead = LensConfig { zero_head: true, ..tiny() };
    assert!(dead.check().unwrap_err().to_string().starts_with("a head that begins at zero must"));
    let message = LensConfig::preset("lens-medium", Stage::Rope).unwrap_err().to_string();
    assert_eq!(message, "no preset \"lens-medium\"; there are lens-small, lens-full");

    let config = LensConfig::SMALL.at(Stage::Baseline);
    let params = initial(&config);
    let rms = |name: &str| {
        let values = &params[config.layout().get(name).unwrap().range.clone()];
        norm(values) / (values.len() as f64).sqrt()
    };
    assert!((rms("embed.weight") - 1.0).abs() < 0.03 && (rms("positions.weight") - 0.02).abs() < 0.002);
    // uniform in ±1/8
    assert!((rms("blocks.0.attn.qkv.weight") - 0.125 / 3f64.sqrt()).abs() < 0.002);
    assert_eq!(rms("blocks.1.attn.o.weight") + rms("blocks.1.mlp.down.weight"), 0.0);
}

#[test]
fn a_model_that_is_chosen_at_run_time_has_the_same_numbers() {
    let lens = LensConfig { rotary: true, ..tiny() };
    let any = AnyConfig::Lens(lens.clone());
    let (inputs, params) = (ids(12, 11, 0), random(lens.layout().len(), 0.4, 0));
    let one = model(lens.clone(), DType::F32, &params).logits(&inputs, 6, &mut ignore).unwrap();
    let other = model(any.clone(), DType::F32, &params).logits(&inputs, 6, &mut ignore).unwrap();
    assert_eq!(host(&one), host(&other));
    assert_eq!(any.initial_parameters(4), lens.initial_parameters(4));
    assert_eq!((any.unembedding(), any.width(), any.vocabulary()), ("embed.weight", 8, 11));
}

#[test]
fn maps_that_have_no_factors_are_named() {
    let config = tiny();
    let model = model(config.clone(), DType::F32, &initial(&config));
    let message =
        |names: &[&str]| sample_factors(&model, &[1; 6], &[2; 6], 6, names).unwrap_err().to_string();
    for name in ["embed.weight", "unembed.weight", "blocks.0.attn.q.weight"] {
        assert_eq!(message(&[name]), format!("{name}: no linear map with a weight of its own has that name"));
    }
    let message = sample_gradients(&model, &[1; 6], &[2; 6], 6, &["none"]).unwrap_err().to_string();
    assert_eq!(message, "none: the model has no such parameter");
    assert!(sample_gradients(&model, &[1; 6], &[2; 5], 6, &[]).is_err());
    assert!(sample_factors(&model, &[1; 7], &[2; 7], 6, &[]).is_err());
}
