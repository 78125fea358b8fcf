//! The toy of Spectral Lens as a recipe: how it begins, its target, and its spectra by other ways to them.

use super::{
    TEXT, feed, plan,
    source::Corpus,
    tests::{Notebook, TINY, config, table, tiny, whole},
};
use crate::run::{Kind, Planned, parse_override, set};
use candle_core::{DType, Device, Tensor};
use groklab_text::model::{Architecture, Decoder};
use std::sync::Arc;

const LENS: [&str; 7] = [
    "model.architecture=lens",
    "data.source=periodic",
    "data.draw=replacement",
    "optim.name=muon",
    "optim.clip=0",
    "probe.activations.sequences=40",
    "probe.gradients.sequences=12",
];

fn lens(keys: &[&str]) -> Arc<dyn Planned> {
    tiny(&[&LENS[..], keys].concat())
}

/// The diagnostics whose names begin with `prefix`, at a step.
fn family(notebook: &Notebook, step: u64, prefix: &str) -> Vec<(String, f64)> {
    let is_there = |entry: &&(_, String, u64, Vec<u64>)| entry.2 == step && entry.1.contains('.');
    let (_, names, _, bits) = notebook.entries.iter().find(is_there).unwrap();
    let named = names.split(',').zip(bits).filter(|(name, _)| name.starts_with(prefix));
    named.map(|(name, bits)| (name.to_owned(), f64::from_bits(*bits))).collect()
}

fn numbers(notebook: &Notebook, step: u64, prefix: &str) -> Vec<f64> {
    family(notebook, step, prefix).into_iter().map(|(_, value)| value).collect()
}

#[test]
fn a_head_of_zeros_begins_at_ln_v_and_alone_has_a_gradient() {
    let preset: toml::Table = toml::from_str(TEXT.presets()[2].toml).unwrap();
    let keys = ["train.max_epochs=1", "probe.activations.sequences=128", "probe.gradients.sequences=16"];
    let config = set(&TEXT, &preset, &keys.map(|key| parse_override(key).unwrap())).unwrap();
    let (notebook, _, _) = whole(TEXT.planner().plan(&config).unwrap().as_ref());
    // equal logits: ln V but for an f32 sum of 4,096 equal terms one after the other, which loses up to 2⁻²⁵ of itself at
    // each; the model's own tests have it to rounding, in f64
    for name in ["val_loss", "train_loss"] {
        let loss = notebook.column(name)[0].1;
        assert!((loss / 256f64.ln() - 1.0).abs() < 4096.0 * 2f64.powi(-25), "{name}: {loss}");
    }
    assert!(notebook.column("lar")[0].1.is_nan() && notebook.column("lar")[1].1.is_finite());
    for (name, value) in family(&notebook, 0, "gradient.") {
        assert_eq!(value.is_finite(), name.contains("unembed"), "{name}: {value}");
    }
    // after one step of the head every matrix behind it is reached, but for what lies behind zeros itself
    assert!(family(&notebook, 1, "gradient.s1.").iter().all(|(_, value)| *value > 0.0));
    let spectrum = numbers(&notebook, 0, "activation.eigenvalue.");
    assert!(spectrum.len() == 64 && spectrum.iter().all(|value| *value >= 0.0));
    assert_eq!(numbers(&notebook, 0, "activation.n"), [128.0]);
    assert!(numbers(&notebook, 0, "activation.js_floor")[0] > 0.0);
}

#[test]
fn a_run_ends_at_the_first_evaluation_at_its_target_and_one_that_misses_it_at_its_budget() {
    let plain = lens(&["optim.muon.learning_rate=0.03"]);
    let losses = whole(plain.as_ref()).0.column("val_loss");
    let least = losses.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert!(least.0 > 2, "{losses:?}");
    let target = format!("target.val_loss={}", least.1);
    let run = lens(&["optim.muon.learning_rate=0.03", &target]);
    assert_ne!(run.id(), plain.id());
    let (notebook, _, reason) = whole(run.as_ref());
    let first = losses.iter().find(|(_, loss)| *loss <= least.1).unwrap().0;
    assert_eq!((reason.name(), notebook.column("val_loss").last().unwrap().0), ("target", first));
    let missed = lens(&["optim.muon.learning_rate=0.03", "target.val_loss=0.001"]);
    assert_eq!(whole(missed.as_ref()).2.name(), "budget");
}

#[test]
fn the_fixed_sequences_are_those_of_the_data_set_whatever_the_seed() {
    for source in ["data.source=language", "data.source=periodic"] {
        let fixed = |keys: &[&str]| {
            let config = config(&[&TINY[..], &[source], keys].concat());
            feed::fixed(&config, &Corpus::load(&config).unwrap(), 2, 5, 3)
        };
        let here = fixed(&[]);
        assert_eq!(here.iter().map(|batch| batch.0.len()).collect::<Vec<_>>(), [18, 12]);
        assert_eq!(here, fixed(&["seed=1"]));
        assert_ne!(here, fixed(&["data.language_seed=1"]));
    }
}

/// What the head reads is the RMS-normed output of the last block; its covariance by another way.
#[test]
fn eigenvalues_are_those_of_what_the_head_reads() {
    let spectra = "probe.diagnostics=[\"activation_spectrum\", \"activation_eigenvalues\"]";
    for pooling in ["last", "mean", "token"] {
        let keys = [spectra, "train.max_epochs=0", &format!("probe.activations.pooling={pooling}")];
        let of = |layer: &str| {
            let (notebook, _, _) = whole(lens(&[&keys[..], &[layer]].concat()).as_ref());
            (numbers(&notebook, 0, "activation.eigenvalue."), numbers(&notebook, 0, "activation.n")[0])
        };
        let (own, n) = of("probe.activations.layer=0");
        for (a, b) in own.iter().zip(&of("probe.activations.layer=2").0) {
            assert!((a - b).abs() < 1e-5 * own[0], "{pooling}: {own:?}");
        }
        assert_ne!(own, of("probe.activations.layer=1").0);

        let config = config(&[&TINY[..], &LENS, &keys[..]].concat());
        let model = Decoder::new(config.architecture(), DType::F32, &Device::Cpu).unwrap();
        model.set(&config.architecture().initial_parameters(0)).unwrap();
        let ids: Vec<u32> = feed::fixed(&config, &Corpus::load(&config).unwrap(), 0, 40, 40).remove(0).0;
        let mut read = Vec::new();
        let mut observe = |name: &str, x: &Tensor| {
            if name == "unembed.weight" {
                read = x.to_vec2::<f32>()?;
            }
            Ok(())
        };
        model.logits(&ids, 6, &mut observe).unwrap();
        let samples: Vec<Vec<f64>> = match pooling {
            "last" => read
                .iter()
                .skip(5)
                .step_by(6)
                .map(|row| row.iter().map(|v| f64::from(*v)).collect())
                .collect(),
            "token" => read.iter().map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect(),
            _ => read
                .chunks(6)
                .map(|rows| {
                    (0..8).map(|i| rows.iter().map(|row| f64::from(row[i])).sum::<f64>() / 6.0).collect()
                })
                .collect(),
        };
        assert_eq!(samples.len() as f64, n);
        // traces of C and of C², which eight eigenvalues have in common with it
        let mean: Vec<f64> = (0..8).map(|i| samples.iter().map(|row| row[i]).sum::<f64>() / n).collect();
        let entry = |i: usize, j: usize| {
            samples.iter().map(|row| (row[i] - mean[i]) * (row[j] - mean[j])).sum::<f64>() / (n - 1.0)
        };
        let trace: f64 = (0..8).map(|i| entry(i, i)).sum();
        let square: f64 =
            (0..8).flat_map(|i| (0..8).map(move |j| (i, j))).map(|(i, j)| entry(i, j).powi(2)).sum();
        assert!((own.iter().sum::<f64>() / trace - 1.0).abs() < 1e-9);
        assert!((own.iter().map(|v| v * v).sum::<f64>() / square - 1.0).abs() < 1e-9);
    }
}

/// The embedding asks for a pass a sequence, others alone for one in all: both ways give the same.
#[test]
fn gradients_by_single_passes_and_by_factors_agree() {
    let both = "probe.diagnostics=[\"gradient_spectrum\", \"gradient_singular_values\"]";
    let named = |names: &str| {
        let (notebook, _, _) = whole(lens(&[both, &format!("probe.gradients.matrices=[{names}]")]).as_ref());
        let of = |name: &str| numbers(&notebook, 9, &format!("gradient.s.{name}."));
        (of("blocks.0.attn.q"), of("blocks.1.mlp.down"), of("unembed"))
    };
    let factors = named("\"unembed\", \"blocks.0.attn.q\", \"blocks.1.mlp.down\"");
    let passes = named("\"embed\", \"blocks.0.attn.q\", \"blocks.1.mlp.down\", \"unembed\"");
    for (a, b) in [(&factors.0, &passes.0), (&factors.1, &passes.1), (&factors.2, &passes.2)] {
        assert_eq!((a.len(), b.len()), (12, 12));
        assert!(a[0] > 0.0 && a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-6 * a[0]), "{a:?} {b:?}");
    }
}

#[test]
fn tied_and_gemma_models_have_the_matrices_of_the_paper() {
    let columns = |keys: &[&str]| plan::typed(&table(keys)).unwrap().gradient_matrices();
    assert_eq!(
        columns(&["model.architecture=lens"]),
        ["blocks.0.attn.o", "blocks.0.mlp.down", "blocks.1.attn.o", "blocks.1.mlp.down", "embed", "unembed"]
    );
    assert_eq!(
        columns(&["model.tied=true", "model.n_layers=1"]),
        ["blocks.0.attn.o", "blocks.0.mlp.down", "embed"]
    );
    // of gemma as well, at every evaluation a number
    let all = "probe.diagnostics=[\"activation_spectrum\", \"gradient_spectrum\"]";
    let keys = [all, "model.tied=true", "probe.activations.sequences=40", "probe.gradients.sequences=12"];
    let (notebook, _, _) = whole(tiny(&keys).as_ref());
    for prefix in ["activation.rankme", "gradient.s1."] {
        assert!(numbers(&notebook, 9, prefix).iter().all(|value| value.is_finite()), "{prefix}");
    }
}

/// Ids of runs that were published before these keys were there: docs/language-models/core-runs.csv.
#[test]
fn runs_of_before_have_their_ids() {
    for (id, keys) in [
        ("language-all-adam-s0-0dfeb355637e", ["seed=0", "data.tokens=0"]),
        ("language-all-adam-s1-f771cf4a3df7", ["seed=1", "data.tokens=0"]),
    ] {
        assert_eq!(TEXT.planner().plan(&table(&keys)).unwrap().id(), id);
    }
}
