//! Runs with a Jacobian term, a frozen embedding or an output scale.

use super::*;
use crate::{
    kinds::operations::{
        config::{Frozen, OptimizerName, Preset, RunConfig},
        engine::{EngineChoice, build_for},
        task::Task,
    },
    probe::Spectra,
    run::{Mark, Part, Record, train},
};
use candle_core::Device;
use groklab_vectors::mlp::Penalty;
use std::{cell::Cell, path::Path};

/// x + y mod 7, a block of width 4; 24 training rows, 3 steps an epoch.
fn planned(change: impl FnOnce(&mut RunConfig)) -> PlannedRun {
    let text = "title = 't'\nmodulus = 7\nexpression = 'x + y'";
    let task = Task::from_str("tiny", text, Path::new("tiny.toml")).unwrap();
    let mut config = Preset::Paper.config("tiny", 0.5, 1);
    let m = &mut config.model;
    (m.n_layers, m.d_model, m.n_heads, m.d_mlp) = (1, 4, 1, 4);
    config.data.batch_size = 8;
    (config.train.max_epochs, config.probe.every) = (5, 2);
    change(&mut config);
    PlannedRun::new(config, task.into())
}

fn solo(run: &PlannedRun) -> Solo<'_> {
    let (engine, _) = build_for(run, EngineChoice::Auto, &Device::Cpu).unwrap();
    Solo::new(Trainer::new(run).unwrap(), engine)
}

/// The bits of all that is recorded, and steps that are left before it asks to stop.
#[derive(Default)]
struct Notebook {
    lines: Vec<(u64, Vec<u64>)>,
    left: Option<Cell<u32>>,
}

impl Record for Notebook {
    fn row(&mut self, _: Part, mark: Mark, values: &[f64]) -> Result<(), Failure> {
        self.lines.push((mark.step, values.iter().map(|value| value.to_bits()).collect()));
        Ok(())
    }
    fn spectra(&mut self, _: Part, _: &str, _: u64, _: &Spectra) -> Result<(), Failure> {
        Ok(())
    }
    fn diagnostics(&mut self, _: Part, epoch: u64, _: &[String], values: &[f64]) -> Result<(), Failure> {
        self.lines.push((epoch, values.iter().map(|value| value.to_bits()).collect()));
        Ok(())
    }
    fn is_stopping(&self) -> bool {
        let Some(left) = &self.left else { return false };
        let now = left.get();
        left.set(now.saturating_sub(1));
        now == 0
    }
    fn round(&mut self, _: &dyn State) -> Result<(), Failure> {
        Ok(())
    }
}

#[test]
fn a_run_with_a_term_that_is_cut_after_every_step_records_the_same_bits() {
    let run = planned(|config| {
        (config.jacobian.strength, config.jacobian.level) = (0.1, 0.7);
        (config.optim.frozen, config.model.output_scale) = (Frozen::Embedding, 0.5);
        config.probe.diagnostics = vec!["jacobian".into()];
    });
    let (mut whole, mut learner) = (Notebook::default(), solo(&run));
    train(&mut learner, &mut whole).unwrap();
    let mut pieces = Notebook::default();
    let mut saved: Option<Snapshot> = None;
    let mut lives = 0;
    loop {
        let mut piece = solo(&run);
        if let Some(snapshot) = saved.take() {
            piece.restore(snapshot).unwrap();
        }
        pieces.left = Some(Cell::new(1));
        lives += 1;
        if train(&mut piece, &mut pieces).unwrap().is_some() {
            assert_eq!(piece.parameters(), learner.parameters());
            break;
        }
        saved = piece.snapshot();
    }
    assert!(lives >= 15 && whole.lines.len() > 5, "{lives} lives");
    assert_eq!(pieces.lines, whole.lines);
}

/// The parameters of a run after its budget.
fn trained(run: &PlannedRun) -> Vec<f32> {
    let mut learner = solo(run);
    train(&mut learner, &mut Notebook::default()).unwrap();
    learner.parameters().to_vec()
}

#[test]
fn the_term_changes_what_is_learned_and_so_does_its_strength_and_its_level() {
    let runs = [(0.0, 0.0), (0.1, 0.0), (0.2, 0.0), (0.1, 100.0)]
        .map(|(strength, level)| planned(|c| (c.jacobian.strength, c.jacobian.level) = (strength, level)));
    let ends = runs.each_ref().map(trained);
    for (i, a) in ends.iter().enumerate() {
        assert!(ends[i + 1..].iter().all(|b| a != b));
    }
    assert_eq!(ends[1], trained(&runs[1]));
}

/// Far below its level the term pulls R up as hard as without one it pushes it down.
#[test]
fn a_level_draws_from_both_sides() {
    let run = planned(|c| c.jacobian.strength = 0.5);
    let trainer = Trainer::new(&run).unwrap();
    let (mut engine, _) = build_for(&run, EngineChoice::Auto, &Device::Cpu).unwrap();
    let (batch, mut v) = (&trainer.split.train[..8], vec![0.0; 8 * 7]);
    groklab_vectors::mlp::directions(3, 1, 7, &mut v);
    let mut with = |level: Option<f64>| {
        let (term, mut grads) = (Penalty { strength: 0.5, level }, vec![f32::NAN; trainer.layout.len()]);
        let loss = engine.penalised(&trainer.params, batch, (&term, &v), &mut grads).unwrap();
        (f64::from(loss), grads)
    };
    let ((down, push), (up, pull)) = (with(None), with(Some(100.0)));
    let mut plain = vec![f32::NAN; trainer.layout.len()];
    let loss = f64::from(engine.loss_and_gradients(&trainer.params, batch, &mut plain).unwrap());
    // loss + ½R and loss + ½(100 − R)
    assert!(down > loss && (down + up - 2.0 * loss - 50.0).abs() < 1e-4, "{down} {up} {loss}");
    let largest = plain.iter().fold(0f32, |a, g| a.max(g.abs()));
    for ((push, pull), plain) in push.iter().zip(&pull).zip(&plain) {
        assert!((push + pull - 2.0 * plain).abs() < 1e-5 * largest, "{push} {pull} {plain}");
    }
    assert_ne!(push, pull);
}

#[test]
fn a_frozen_embedding_stays_as_it_began_whatever_the_optimiser() {
    for name in [OptimizerName::AdamW, OptimizerName::Sgd, OptimizerName::RMSprop] {
        let of = |frozen| planned(|c| (c.optim.frozen, c.optim.name) = (frozen, name));
        let (free, frozen) = (of(Frozen::None), of(Frozen::Embedding));
        let layout = ParamLayout::new(&frozen.config.model, 7);
        let start = initial_parameters(&frozen.config.model, &layout, 1);
        let (free, end) = (trained(&free), trained(&frozen));
        for param in layout.iter() {
            let at = param.range.clone();
            let is_frozen = param.name == "embed.token.weight";
            assert_eq!(end[at.clone()] == start[at.clone()], is_frozen, "{name:?}: {}", param.name);
            assert_ne!(free[at.clone()], start[at], "{name:?}: {}", param.name);
        }
    }
}

#[test]
fn the_term_goes_to_the_plain_engine_and_no_other() {
    let run = planned(|c| c.jacobian.strength = 0.1);
    let name = |run, choice| build_for(run, choice, &Device::Cpu).map(|(_, name)| name);
    assert_eq!(name(&run, EngineChoice::Auto).unwrap(), "plain (candle, cpu)");
    let refused = name(&run, EngineChoice::Factored).unwrap_err().to_string();
    assert!(refused.contains("jacobian.strength") && refused.contains("--engine plain"), "{refused}");
    let without = planned(|_| ());
    assert!(name(&without, EngineChoice::Auto).unwrap().starts_with("factored"));
    // an engine that is handed the term all the same does not leave it out
    let (mut engine, _) = build_for(&without, EngineChoice::Factored, &Device::Cpu).unwrap();
    let mut trainer = Trainer::new(&run).unwrap();
    assert!(trainer.epoch(engine.as_mut(), &|| true).is_err());
}
