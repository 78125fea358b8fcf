//! groklab: a laboratory for grokking and training-time diagnostics.
//!
//! The way data takes:
//! ```text
//! experiment file → experiment: a plan of runs → kinds: the data, the model, the steps, the numbers of an evaluation
//!   → sweep: lock, begin or resume, train (run), settle → store: metrics.csv, spectra.csv, parameters
//!   → analysis: numbers with intervals → crates/groklab-cli: table, figure, report, and the commands
//! ```
//! One direction, and each step is a room of its own. The first group knows no kind of run:
//!
//! | module | |
//! |---|---|
//! | [`run`] | what a run is: kind, plan, columns, milestones, state, identity, and the training loop |
//! | [`store`] | the only place that knows files |
//! | [`sweep`] | many runs: over a pool of threads, or side by side on one device |
//! | [`experiment`] | experiment files: a named study as a grid of runs |
//! | [`kinds`] | the list of kinds, a folder each |
//! | [`kinds::operations`] | binary operations: task, split, transformer, engines (CPU, CUDA), optimisers, diagnostics |
//! | [`probe`] | LAR, spectra, k95, …: pure functions of matrices, for anyone's training loop; the crate `groklab-probe` |
//! | [`analysis`] | from results of any kind to numbers with intervals; reads, never trains |
//! | [`program`] | which build this is |
//! | [`tensors`] | tensors in other people's files, read block by block; in the crate `groklab-probe` |
//!
//! What people see (figures, tables, reports, studies, commands) is the crate `groklab-cli`, which is built upon this one:
//! a change in a figure builds no trainer.
//!
//! `docs/add-a-kind.md` says how to add a kind of your own.
//!
//! # A run in memory
//! ```
//! use groklab::kinds::operations::{columns::COLUMNS, config::{PlannedRun, Preset}, engine::{self, EngineChoice, Precision}, task::Task, train::Trainer};
//!
//! let mut config = Preset::Paper.config("add", 0.05, 0);
//! (config.model.d_model, config.model.d_mlp) = (16, 32);
//! let run = PlannedRun::new(config, Task::find("add")?.into());
//! let device = candle_core::Device::Cpu;
//! let (mut engine, _) = engine::build(EngineChoice::Auto, Precision::F32, &run.config.model, run.task.n_symbols, &device)?;
//! let mut trainer = Trainer::new(&run)?;
//! let (row, _) = trainer.measure(engine.as_mut())?;
//! let get = |name: &str| row[COLUMNS.iter().position(|column| column.name == name).unwrap()];
//! assert!((get("lar") - get("lar_spectra")).abs() < 1e-5 && get("train_accuracy") < 0.2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod analysis;
#[doc(hidden)]
pub mod excerpt;
pub mod experiment;
pub mod kinds;
pub mod probe;
pub mod program;
pub mod run;
pub mod store;
pub mod sweep;

pub use groklab_probe::tensors;
