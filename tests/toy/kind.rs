//! A kind of run in one file: y = Xw + noise, learned by gradient descent. `docs/add-a-kind.md` walks through it.

use groklab::run::{
    Budget, Cadence, Column, ConfigError, Counters, Course, Data, Document, Failure, Headline, Kind, Label,
    Layout, Learner, Milestone, Pass, Place, PlanError, Planned, Planner, Preset, Record, Snapshot, Started,
    State, Stop, Unit, identity,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use toml::Table;
/// Everything that determines the numbers of a run, and as `train` how far it is followed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    seed: u64,
    width: usize,
    rows: usize,
    rate: f64,
    momentum: f64,
    probe: Cadence,
    train: Budget,
}

const PRESET: &str = "seed = 0\nwidth = 4\nrows = 20\nrate = 0.05\nmomentum = 0.5\n\
    [probe]\nevery = 2\ndense_until = 0\n[train]\nmax_epochs = 40\npatience = 6\n";

static COLUMNS: [Column; 3] = [
    Column { name: "train_loss", unit: Unit::Number, about: "mean (Xw − y)² / 2 over the rows" },
    Column { name: "error", unit: Unit::Number, about: "‖w − w*‖, w* the weights that made the data" },
    Column { name: "nonzero", unit: Unit::Count, about: "weights above 0.1" },
];

static MILESTONES: [Milestone; 1] =
    [Milestone { name: "learnt", about: "error < 0.1", has_spectra: false, stop: Stop::AfterPatience }];

/// The kind.
#[derive(Debug)]
pub struct Toy;

impl Kind for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }
    fn about(&self) -> &'static str {
        "linear regression"
    }
    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }
    fn milestones(&self) -> &'static [Milestone] {
        &MILESTONES
    }
    fn headline(&self) -> &'static [Headline] {
        &[
            Headline { name: "loss", columns: &["train_loss"] },
            Headline { name: "error", columns: &["error"] },
        ]
    }
    fn presets(&self) -> &'static [Preset] {
        &[Preset { name: "small", about: "four weights, twenty rows", toml: PRESET }]
    }
    fn types(&self, config: &Table) -> Result<(), String> {
        config.clone().try_into::<Config>().map(drop).map_err(|e| e.message().to_owned())
    }
    fn check(&self, config: &Table) -> Result<(), ConfigError> {
        let Config { rate, .. } = typed(config)?;
        let error =
            || ConfigError::OutOfRange { key: "rate", value: rate.to_string(), rule: "0 < rate ≤ 1" };
        if rate > 0.0 && rate <= 1.0 { Ok(()) } else { Err(error()) }
    }
    fn planner(&self) -> Box<dyn Planner + '_> {
        Box::new(Toys)
    }
}

fn typed(config: &Table) -> Result<Config, ConfigError> {
    config.clone().try_into().map_err(|e: toml::de::Error| ConfigError::unusable("toy", e.message()))
}

struct Toys;
impl Planner for Toys {
    fn plan(&mut self, config: &Table) -> Result<Arc<dyn Planned>, PlanError> {
        let config = typed(config)?;
        Ok(Arc::new(ToyRun { id: id(&config), config }))
    }
}

fn recipe(config: &Config) -> Table {
    let mut table = Table::try_from(config).unwrap_or_default();
    table.remove("train");
    table
}

fn id(config: &Config) -> String {
    let canonical = identity::canonical(&recipe(config), &[], &[("kind", "toy")]);
    identity::id(&format!("toy-w{}-s{}", config.width, config.seed), &canonical)
}

/// A run as it is planned.
#[derive(Clone, Debug)]
struct ToyRun {
    id: String,
    config: Config,
}

impl Planned for ToyRun {
    fn id(&self) -> &str {
        &self.id
    }
    fn kind(&self) -> &'static dyn Kind {
        &Toy
    }
    fn labels(&self) -> Vec<(&'static str, Label)> {
        vec![("width", Label::Whole(self.config.width as u64)), ("seed", Label::Whole(self.config.seed))]
    }
    fn recipe(&self) -> Table {
        recipe(&self.config)
    }
    fn budget(&self) -> Budget {
        self.config.train
    }
    fn with_budget(&self, train: Budget) -> Arc<dyn Planned> {
        Arc::new(Self { config: Config { train, ..self.config.clone() }, ..self.clone() })
    }
    fn cadence(&self) -> Cadence {
        self.config.probe
    }
    fn data(&self) -> Data {
        let sizes = vec![("train_rows", self.config.rows)];
        Data { name: "made-up".into(), digest: format!("{:064}", self.config.width), sizes }
    }
    fn has_diagnostics(&self) -> bool {
        false
    }
    fn documents(&self) -> Vec<Document> {
        Vec::new()
    }
    fn footprint(&self) -> u64 {
        8 * (self.config.rows * self.config.width) as u64
    }
    fn start<'a>(&'a self, _: &Place) -> Result<Started<'a>, Failure> {
        Ok((Box::new(ToyLearner::new(self)), "plain".to_owned()))
    }
}

/// In memory.
struct ToyLearner<'a> {
    config: &'a Config,
    course: Course,
    layout: Layout,
    w: Vec<f32>,
    velocity: Vec<f32>,
}

/// The x of a row, and its y: draws of SplitMix64 that depend on seed, row and place alone.
fn row(config: &Config, i: usize) -> (Vec<f32>, f32) {
    let draw = |j: usize| {
        let mut z = (config.seed << 32 | (i as u64) << 16 | j as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let x: Vec<f32> = (0..config.width).map(draw).collect();
    let y = x.iter().enumerate().map(|(j, x)| x * truth(j)).sum();
    (x, y)
}

fn truth(j: usize) -> f32 {
    if j.is_multiple_of(2) { 1.0 } else { -0.5 }
}

impl<'a> ToyLearner<'a> {
    fn new(run: &'a ToyRun) -> Self {
        let config = &run.config;
        Self {
            config,
            course: Course::new(config.train, config.probe, &MILESTONES),
            layout: Layout::new([("w".to_owned(), vec![config.width])]),
            w: vec![0.0; config.width],
            velocity: vec![0.0; config.width],
        }
    }

    fn off(&self, x: &[f32], y: f32) -> f32 {
        x.iter().zip(&self.w).map(|(x, w)| x * w).sum::<f32>() - y
    }
}

impl State for ToyLearner<'_> {
    fn course(&self) -> &Course {
        &self.course
    }
    fn layout(&self) -> &Layout {
        &self.layout
    }
    fn parameters(&self) -> &[f32] {
        &self.w
    }
    fn snapshot(&self) -> Option<Snapshot> {
        let Course { next_epoch, step, ref milestones, .. } = self.course;
        let counters = Counters { next_epoch, step, milestones: milestones.clone(), ..Counters::default() };
        let slots = vec![("velocity".to_owned(), self.velocity.clone())];
        Some(Snapshot { counters, params: self.w.clone(), slots })
    }
    fn restore(&mut self, snapshot: Snapshot) -> Result<(), Failure> {
        let [(_, velocity)] = &snapshot.slots[..] else { return Err("no velocity".into()) };
        (self.w, self.velocity) = (snapshot.params, velocity.clone());
        let Counters { next_epoch, step, milestones, .. } = snapshot.counters;
        (self.course.next_epoch, self.course.step, self.course.milestones) = (next_epoch, step, milestones);
        Ok(())
    }
}

impl Learner for ToyLearner<'_> {
    fn course_mut(&mut self) -> &mut Course {
        &mut self.course
    }
    /// A step a row.
    fn round(&mut self, go_on: &dyn Fn() -> bool) -> Result<Pass, Failure> {
        let before = (self.course.next_epoch - 1) * self.config.rows as u64;
        for i in (self.course.step - before) as usize..self.config.rows {
            if !go_on() {
                return Ok(Pass::Cut);
            }
            let (x, y) = row(self.config, i);
            let off = self.off(&x, y);
            if !off.is_finite() {
                return Ok(Pass::NotFinite);
            }
            for ((w, v), x) in self.w.iter_mut().zip(&mut self.velocity).zip(&x) {
                *v = self.config.momentum as f32 * *v - self.config.rate as f32 * off * x;
                *w += *v;
            }
            self.course.step += 1;
        }
        Ok(Pass::Complete)
    }
    fn observe(&mut self, pass: Pass, record: &mut dyn Record) -> Result<(), Failure> {
        let rows = (0..self.config.rows).map(|i| row(self.config, i));
        let loss = rows.map(|(x, y)| f64::from(self.off(&x, y)).powi(2) / 2.0).sum::<f64>();
        let loss = loss / self.config.rows as f64;
        let error =
            self.w.iter().enumerate().map(|(j, w)| f64::from(w - truth(j)).powi(2)).sum::<f64>().sqrt();
        let nonzero = self.w.iter().filter(|w| w.abs() > 0.1).count() as f64;
        let seen: &[&'static str] = if error < 0.1 { &["learnt"] } else { &[] };
        let noted = self.course.note(pass, loss.is_finite(), seen);
        record.row(noted.part, noted.mark, &[loss, error, nonzero])
    }
}
