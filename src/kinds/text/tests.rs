//! Runs of this kind: resumed after every step, followed further, ended by a divergence; what holds before the first step;
//! numbers against other ways to them; texts that are not as they should be.

use super::{TEXT, config::Config, diagnostics, feed::Feed, plan, source::Corpus};
use crate::run::{
    self, Budget, EngineChoice, Failure, Kind, Learner, Mark, Part, Place, PlanError, Planned, Record,
    Snapshot, State, StopReason, parse_override,
};
use candle_core::{DType, Device, Tensor};
use groklab_corpus::{Bpe, Text};
use groklab_probe::{Spectra, from_tensors};
use groklab_text::model::{AnyConfig, Architecture, Decoder, LensConfig, Stage, TextConfig};
use std::{cell::Cell, fs, sync::Arc};
use toml::Table;

/// The preset lm-small with keys set.
pub fn config(keys: &[&str]) -> Config {
    plan::typed(&table(keys)).unwrap()
}

pub fn table(keys: &[&str]) -> Table {
    let settings: Vec<_> = keys.iter().map(|key| parse_override(key).unwrap()).collect();
    run::set(&TEXT, &toml::from_str(TEXT.presets()[0].toml).unwrap(), &settings).unwrap()
}

pub const TINY: [&str; 16] = [
    "data.vocabulary=169",
    "data.batch_size=2",
    "data.held_out=3",
    "model.n_layers=2",
    "model.d_model=8",
    "model.n_heads=2",
    "model.d_mlp=12",
    "model.n_ctx=6",
    "optim.schedule_steps=10",
    "optim.warmup_steps=2",
    "train.max_epochs=11",
    "probe.every=3",
    "probe.dense_until=2",
    "probe.tokens=40",
    "probe.diagnostics=[\"matrix_lar\", \"weight_norms\", \"matrix_ranks\"]",
    "data.tokens=48",
];

pub fn tiny(keys: &[&str]) -> Arc<dyn Planned> {
    let all: Vec<&str> = TINY.iter().chain(keys).copied().collect();
    TEXT.planner().plan(&table(&all)).unwrap()
}

pub fn place() -> Place {
    Place { engine: EngineChoice::Auto, device: Device::Cpu }
}

/// What was recorded, with the bits of all numbers; stops after so many rounds.
#[derive(Default)]
pub struct Notebook {
    pub entries: Vec<(Part, String, u64, Vec<u64>)>,
    milestones: Option<String>,
    rounds: Cell<u64>,
    most: Option<u64>,
}

impl Notebook {
    fn note(&mut self, part: Part, what: String, round: u64, values: &[f64]) {
        self.entries.push((part, what, round, values.iter().map(|v| v.to_bits()).collect()));
    }

    pub fn column(&self, name: &str) -> Vec<(u64, f64)> {
        let at = TEXT.columns().iter().position(|column| column.name == name).unwrap();
        let rows = self.entries.iter().filter(|entry| entry.1 == "row");
        rows.map(|(_, _, round, values)| (*round, f64::from_bits(values[at]))).collect()
    }
}

impl Record for Notebook {
    fn row(&mut self, part: Part, mark: Mark, values: &[f64]) -> Result<(), Failure> {
        assert_eq!(values.len(), TEXT.columns().len());
        self.note(part, "row".into(), mark.epoch, values);
        Ok(())
    }

    fn spectra(
        &mut self,
        part: Part,
        checkpoint: &str,
        epoch: u64,
        spectra: &Spectra,
    ) -> Result<(), Failure> {
        let all = [&spectra.singular_values, &spectra.p, &spectra.q, &spectra.covariance_eigenvalues];
        self.note(part, checkpoint.into(), epoch, &all.map(|v| v.as_slice()).concat());
        Ok(())
    }

    fn diagnostics(
        &mut self,
        part: Part,
        epoch: u64,
        columns: &[String],
        values: &[f64],
    ) -> Result<(), Failure> {
        assert_eq!(columns.len(), values.len());
        self.note(part, columns.join(","), epoch, values);
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        self.most.is_some_and(|most| self.rounds.get() >= most)
    }

    fn round(&mut self, state: &dyn State) -> Result<(), Failure> {
        self.rounds.set(self.rounds.get() + 1);
        self.milestones = Some(serde_json::to_string(&state.course().milestones)?);
        Ok(())
    }
}

/// A snapshot as a file would give it back.
fn saved(learner: &dyn Learner) -> Snapshot {
    let snapshot = learner.snapshot().unwrap();
    assert!(snapshot.slots.iter().all(|(_, values)| values.len() == snapshot.params.len()));
    let text = serde_json::to_string(&snapshot.counters).unwrap();
    Snapshot { counters: serde_json::from_str(&text).unwrap(), ..snapshot }
}

pub fn whole(run: &dyn Planned) -> (Notebook, Snapshot, StopReason) {
    let (mut learner, _) = run.start(&place()).unwrap();
    let mut notebook = Notebook::default();
    let reason = run::train(learner.as_mut(), &mut notebook).unwrap().unwrap();
    (notebook, saved(learner.as_ref()), reason)
}

#[test]
fn a_run_that_is_killed_after_every_step_is_the_same_to_the_bit() {
    let lens = "model.architecture=lens";
    let spectra = "probe.diagnostics=[\"activation_spectrum\", \"gradient_singular_values\"]";
    let few = ["probe.activations.sequences=6", "probe.gradients.sequences=3"];
    let optimizers: [&[&str]; 7] = [
        &[lens, "data.source=periodic", "data.draw=replacement", spectra, few[0], few[1], "optim.clip=0"],
        &[
            lens,
            "optim.name=muon",
            "optim.muon.matrix_decay=false",
            "optim.weight_decay=0.1",
            "model.zero_head=true",
        ],
        &["optim.name=adam"],
        &["optim.name=adamw", "optim.weight_decay=0.1"],
        &["optim.name=muon", "data.tokens=0"],
        &["optim.name=muon", "optim.muon.scaling=original", "optim.weight_decay=0.1"],
        &["model.tied=true", "optim.schedule=constant"],
    ];
    for keys in optimizers {
        let run = tiny(keys);
        let (expected, end, reason) = whole(run.as_ref());
        assert_eq!(reason, StopReason::BUDGET);
        let mut notebook = Notebook { most: Some(0), ..Notebook::default() };
        let mut snapshot = None;
        loop {
            let (mut learner, _) = run.start(&place()).unwrap();
            if let Some(snapshot) = snapshot.take() {
                learner.restore(snapshot).unwrap();
            }
            notebook.rounds.set(0);
            notebook.most = Some(1);
            let stopped = run::train(learner.as_mut(), &mut notebook).unwrap();
            snapshot = Some(saved(learner.as_ref()));
            if stopped.is_some() {
                break;
            }
        }
        assert_eq!(notebook.entries, expected.entries, "{keys:?}");
        assert_eq!(snapshot.unwrap(), end, "{keys:?}");
    }
}

#[test]
fn a_budget_that_ends_between_evaluations_changes_nothing_after_it() {
    let run = tiny(&["optim.learning_rate=0.05"]);
    let (expected, end, _) = whole(run.as_ref());
    for stop in 0..11 {
        let short = run.with_budget(Budget { max_epochs: stop, patience: 0 });
        assert_eq!(short.id(), run.id());
        let (first, snapshot, _) = whole(short.as_ref());
        let (mut learner, _) = run.start(&place()).unwrap();
        learner.restore(snapshot).unwrap();
        let mut rest = Notebook::default();
        run::train(learner.as_mut(), &mut rest).unwrap();
        let trajectory = |notebooks: &[&Notebook]| -> Vec<_> {
            let all = notebooks.iter().flat_map(|notebook| notebook.entries.iter());
            all.filter(|entry| entry.0 == Part::Trajectory).cloned().collect()
        };
        assert_eq!(trajectory(&[&first, &rest]), trajectory(&[&expected]), "after {stop} steps");
        assert_eq!(saved(learner.as_ref()), end);
        // a row of its own only where the cadence has none
        let own = first.entries.iter().filter(|entry| entry.1 == "row" && entry.0 == Part::End).count();
        assert_eq!(own, usize::from(stop > 2 && stop % 3 != 0), "after {stop} steps");
    }
}

#[test]
fn evaluations_and_spectra_are_at_their_steps() {
    let (notebook, _, _) = whole(tiny(&[]).as_ref());
    let rounds: Vec<u64> = notebook.column("lar").into_iter().map(|(round, _)| round).collect();
    assert_eq!(rounds, [0, 1, 2, 3, 6, 9, 11]);
    let spectra: Vec<_> = notebook
        .entries
        .iter()
        .filter(|entry| entry.1 != "row" && !entry.1.contains('.'))
        .map(|(_, name, round, _)| (name.as_str(), *round))
        .collect();
    let fixed: Vec<_> = spectra.iter().filter(|(name, _)| name.starts_with("at_")).collect();
    // of 10 steps: 1, 2, 4, 7 and 10, the last of which no evaluation of the trajectory follows in 11 steps
    assert_eq!(fixed, [&("at_10", 1), &("at_20", 2), &("at_40", 6), &("at_70", 9)]);
    assert!(spectra.contains(&("initial", 0)) && spectra.contains(&("final", 11)));
}

#[test]
fn threads_change_no_number() {
    let run = tiny(&["model.d_model=64", "model.d_mlp=256", "model.n_ctx=32", "data.tokens=0"]);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| whole(run.as_ref()).0.entries)
    };
    assert_eq!(with(1), with(3));
}

/// Logits of unit-RMS states are N(0, 1) before the first step: the loss is ln V + ½ then, and no direction is aligned.
#[test]
fn lm_small_begins_at_ln_v_and_a_half_and_lar_at_a_half() {
    for seed in ["seed=0", "seed=1"] {
        let run = TEXT.planner().plan(&table(&[seed, "train.max_epochs=0"])).unwrap();
        let (notebook, _, _) = whole(run.as_ref());
        let first = |name: &str| notebook.column(name)[0].1;
        for name in ["train_loss", "val_loss"] {
            assert!((first(name) - (512f64.ln() + 0.5)).abs() < 0.05, "{name} {}", first(name));
        }
        for name in ["lar", "lar_val", "lar_spectra"] {
            assert!((first(name) - 0.5).abs() < 0.01, "{name} {}", first(name));
        }
        assert!((first("activation_rms") - 1.0).abs() < 1e-3);
        assert!((first("lar") - first("lar_spectra")).abs() < 1e-6);
    }
}

/// LAR of each map, from its inputs as the model shows them, by another way through the probe.
#[test]
fn lar_of_every_matrix_is_that_of_its_inputs() {
    for tied in ["model.tied=false", "model.tied=true"] {
        let run = tiny(&["train.max_epochs=0", "data.tokens=0", tied]);
        let (notebook, _, _) = whole(run.as_ref());
        let config = config(&[&TINY[..], &["data.tokens=0", tied]].concat());
        let model = Decoder::new(config.architecture(), DType::F32, &Device::Cpu).unwrap();
        model.set(&config.architecture().initial_parameters(0)).unwrap();
        // 40 tokens need four batches of 12
        let corpus = Corpus::load(&config).unwrap();
        let mut feed = Feed::new(&config, &corpus).unwrap();
        let inputs: Vec<u32> = (0..4).flat_map(|step| feed.batch(step).0).collect();
        let mut expected = Vec::new();
        let mut observe = |name: &str, x: &Tensor| {
            let (probe, _) = from_tensors(model.var(name).unwrap(), x).unwrap();
            expected.push(probe.lar);
            Ok(())
        };
        model.logits(&inputs, config.model.n_ctx, &mut observe).unwrap();
        let (_, names, _, values) = notebook.entries.iter().find(|entry| entry.1.contains("lar.")).unwrap();
        let names: Vec<&str> = names.split(',').collect();
        assert_eq!((names[0], names[14], names.len()), ("lar.blocks.0.attn.q", "lar.unembed", 4 * 15));
        for ((name, bits), expected) in names.iter().zip(values).zip(&expected) {
            assert!((f64::from_bits(*bits) - expected).abs() < 1e-6, "{name}: {expected}");
        }
        assert!((notebook.column("lar")[0].1 - expected[14]).abs() < 1e-6);
    }
}

#[test]
fn train_loss_is_the_mean_of_the_batches_since_the_last_evaluation() {
    let (sparse, _, _) = whole(tiny(&[]).as_ref());
    let (dense, _, _) = whole(tiny(&["probe.dense_until=100"]).as_ref());
    for name in ["train_loss", "grad_norm"] {
        let (sparse, dense) = (sparse.column(name), dense.column(name));
        for (rows, of) in [(4..=6, 6), (7..=9, 9), (10..=11, 11)] {
            let expected = rows.clone().map(|step| dense[step as usize].1).sum::<f64>() / rows.count() as f64;
            let (_, found) = sparse.iter().find(|(step, _)| *step == of).unwrap();
            assert!((found - expected).abs() < 1e-12, "{name} at {of}: {found}, {expected}");
        }
    }
    assert!(dense.column("grad_norm")[0].1.is_nan());
}

#[test]
fn small_sets_are_the_beginning_of_what_is_fresh() {
    let fresh = config(&[&TINY[..], &["data.tokens=0"]].concat());
    let small = config(&TINY);
    let corpus = Corpus::load(&fresh).unwrap();
    let rows = |config: &Config, steps: std::ops::Range<u64>| -> Vec<Vec<u32>> {
        let mut feed = Feed::new(config, &corpus).unwrap();
        steps.flat_map(|step| feed.batch(step).0.chunks(6).map(<[u32]>::to_vec).collect::<Vec<_>>()).collect()
    };
    // 48 tokens are 8 sequences, four batches of two
    let (mut once, mut again, mut first) = (rows(&small, 0..4), rows(&small, 4..8), rows(&fresh, 0..4));
    assert_ne!(once, again);
    [&mut once, &mut again, &mut first].into_iter().for_each(|rows| rows.sort());
    assert_eq!((&once, &again), (&first, &first));
    assert!(rows(&fresh, 4..8).iter().all(|row| !first.contains(row)));
    let held_out = Feed::new(&small, &corpus).unwrap().held_out().to_vec();
    assert_eq!(held_out.iter().map(|batch| batch.0.len()).collect::<Vec<_>>(), [12, 6]);
}

#[test]
fn a_run_that_diverges_ends_and_says_so() {
    let run = tiny(&["optim.learning_rate=1e38", "optim.warmup_steps=0", "optim.schedule=constant"]);
    let (notebook, snapshot, reason) = whole(run.as_ref());
    assert!(reason.is_divergence());
    let (_, last) = *notebook.column("lar").last().unwrap();
    assert!(last.is_nan());
    let (mut learner, _) = run.start(&place()).unwrap();
    learner.restore(snapshot).unwrap();
}

#[test]
fn what_cannot_be_done_is_refused() {
    let refused = |keys: &[&str]| TEXT.check(&table(keys)).unwrap_err().to_string();
    for (key, message) in [
        (
            "data.source=web",
            "data.source = web is out of range: it is language, periodic, text:PATH or bytes:PATH",
        ),
        ("data.tokens=100", "data.tokens = 100 is out of range: it is 0, or a multiple of model.n_ctx"),
        ("data.tokens=64", "data.tokens = 64 is out of range"),
        ("data.vocabulary=168", "data.vocabulary = 168 is out of range"),
        ("data.source=bytes:a", "data.vocabulary = 512 is out of range"),
        ("data.digest=abc", "data.digest = abc is out of range"),
        ("model.n_heads=3", "model.d_model = 64 is out of range: each of model.n_heads heads"),
        ("model.n_layers=0", "model.n_layers = 0 is out of range"),
        ("optim.weight_decay=0.1", "optim.weight_decay = 0.1 is out of range: it is 0 with adam"),
        ("optim.weight_decay=-1", "optim.weight_decay = -1.0 is out of range"),
        ("optim.clip=-1", "optim.clip = -1.0 is out of range"),
        ("data.draw=replacement", "data.draw = replacement is out of range: new sequences in each step"),
        ("model.rotary=false", "model.rotary = false is out of range: positions of gemma are rotary"),
        ("model.zero_head=true", "model.zero_head = true is out of range: it is a switch of lens"),
        ("model.normalised_embedding=true", "model.normalised_embedding = true is out of range"),
        ("target.val_loss=-1", "target.val_loss = -1.0 is out of range"),
        ("probe.activations.layer=3", "probe.activations.layer = 3 is out of range"),
        ("probe.activations.sequences=1", "probe.activations.sequences = 1 is out of range"),
        ("probe.gradients.sequences=0", "probe.gradients.sequences = 0 is out of range"),
        ("probe.gradients.matrices=[\"mlp.down\"]", "probe.gradients.matrices = mlp.down is out of range"),
        ("optim.beta1=1", "optim.beta1 = 1.0 is out of range"),
        ("optim.warmup_steps=801", "optim.warmup_steps = 801 is out of range"),
        ("probe.every=0", "probe.every = 0 is out of range"),
        ("probe.diagnostics=[\"rankme\"]", "probe.diagnostics = rankme is out of range"),
    ] {
        assert!(refused(&[key]).starts_with(message), "{key}: {}", refused(&[key]));
    }
    let factored = Place { engine: EngineChoice::Factored, ..place() };
    let error = tiny(&[]).start(&factored).err().unwrap().to_string();
    assert!(error.starts_with("language models have no factored engine"), "{error}");
    let muon = tiny(&["optim.name=muon"]);
    let (mut learner, _) = muon.start(&place()).unwrap();
    let (_, other, _) = whole(tiny(&[]).as_ref());
    assert!(learner.restore(other.clone()).unwrap_err().to_string().contains("slots"));
    let mut ahead = other;
    ahead.counters.step += 2;
    assert!(learner.restore(ahead).unwrap_err().to_string().contains("is not one of this run"));
}

#[test]
fn presets_are_complete_and_their_diagnostics_known() {
    for preset in TEXT.presets() {
        let table: Table = toml::from_str(preset.toml).unwrap();
        TEXT.check(&table).unwrap();
        let run = TEXT.planner().plan(&table).unwrap();
        assert!(run.footprint() > 1 << 20 && run.has_diagnostics());
    }
    let found = TEXT
        .presets()
        .iter()
        .map(|preset| plan::typed(&toml::from_str(preset.toml).unwrap()).unwrap().architecture());
    let expected = [
        AnyConfig::Gemma(TextConfig::LM_SMALL),
        AnyConfig::Gemma(TextConfig::LM_MEDIUM),
        AnyConfig::Lens(LensConfig::SMALL.at(Stage::Untied)),
        AnyConfig::Lens(LensConfig::FULL.at(Stage::Untied)),
    ];
    assert!(found.eq(expected));
    let names: Vec<_> = TEXT.columns().iter().map(|column| column.name).collect();
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    for column in TEXT.headline().iter().flat_map(|headline| headline.columns) {
        assert!(names.contains(column));
    }
    assert!(diagnostics::choose(&[]).unwrap().is_empty());
}

#[test]
fn a_text_is_known_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["the ", "cat ", "sat ", "on ", "a ", "mat\n", "and ", "slept\n"];
    let text: String = (0..4_000usize).map(|i| words[(i * i + i / 3) % 8]).collect();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("a.txt"), &text).unwrap();
    fs::write(path("b.txt"), &text).unwrap();
    let plan = |source: String, keys: &[&str]| -> Result<Arc<dyn Planned>, PlanError> {
        let source = format!("data.source={source}");
        let all: Vec<&str> = TINY.iter().chain(keys).copied().chain([source.as_str()]).collect();
        TEXT.planner().plan(&table(&all))
    };
    let bytes = |name: &str, keys: &[&str]| {
        plan(format!("bytes:{}", path(name)), &[&["data.vocabulary=256"], keys].concat())
    };
    let (a, b) = (bytes("a.txt", &[]).unwrap(), bytes("b.txt", &[]).unwrap());
    assert_eq!((a.id().replacen('a', "b", 1), a.data().digest), (b.id().to_owned(), b.data().digest));
    let train = whole(a.as_ref()).0;
    assert_eq!(train.entries, whole(b.as_ref()).0.entries);
    assert!(train.column("val_excess")[0].1.is_nan());
    // as its directory has it
    let again = TEXT.planner().plan(&{
        let mut table = a.recipe();
        let train: Table = toml::from_str("max_epochs = 11\npatience = 0").unwrap();
        table.insert("train".into(), train.into());
        table
    });
    assert_eq!(again.unwrap().id(), a.id());
    assert!(a.documents()[0].text.contains(&a.data().digest));
    let pairs = plan(format!("text:{}", path("a.txt")), &["data.vocabulary=260"]).unwrap();
    assert_ne!(pairs.id(), a.id());
    // the byte pairs, for use elsewhere: those that the same text always makes
    let [_, tokenizer] = &pairs.documents()[..] else { panic!("a listing and a tokenizer") };
    fs::write(path(tokenizer.name), &tokenizer.text).unwrap();
    let read = Bpe::read(&folder.path().join("tokenizer.json")).unwrap();
    let (first, _) = Text::read(&folder.path().join("a.txt"))
        .unwrap()
        .hold_out(0.1)
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert_eq!(read.vocabulary(), 260);
    assert_eq!(read.decode(&read.encode(&first).unwrap()).unwrap(), first);
    assert_eq!(
        read.encode(&first).unwrap(),
        Bpe::train("a", &first, 260, None).unwrap().encode(&first).unwrap()
    );
    whole(pairs.as_ref());

    let digest = format!("data.digest={}", a.data().digest);
    let message = |plan: Result<Arc<dyn Planned>, PlanError>| plan.err().unwrap().to_string();
    assert!(message(bytes("c.txt", &[])).contains("c.txt: failed to read: No such file"));
    let vocabulary = plan(format!("text:{}", path("a.txt")), &["data.vocabulary=5000"]);
    assert!(message(vocabulary).contains("ask for"));
    assert!(message(bytes("a.txt", &["data.tokens=60000"])).starts_with("a (training): "));
    assert!(message(bytes("a.txt", &["data.held_out=5000"])).starts_with("a (held out): "));
    fs::write(path("a.txt"), &text[1..]).unwrap();
    let changed = bytes("a.txt", &[&digest]);
    assert!(message(changed).contains("a.txt: its SHA-256 is "));
}
