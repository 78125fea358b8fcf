//! groklab: a laboratory for grokking and training-time diagnostics.
//!
//! The way data takes:
//! ```text
//! tasks/add.toml → task: a table of equations → data: split, batches of epoch e → engine or model: loss, gradients
//!   → optim: new parameters; every 20 epochs: probe: W, moments of X → a row of numbers
//!   → store: metrics.csv, spectra.csv, parameters → analysis: runs.csv, rmse.csv → render: table, figure
//! ```
//! One direction, and each step is a room of its own:
//!
//! | module | |
//! |---|---|
//! | [`task`](kinds::operations::task) | what is learned: definition files, expressions over ℤ/p and Sₙ, the table |
//! | [`config`](kinds::operations::config) | what a run is: every choice, presets, experiment files, identity |
//! | [`data`](kinds::operations::data) | train/validation split, batch order, seeded streams |
//! | [`model`](kinds::operations::model) | ordered parameters, initial values, the transformer in plain candle operations |
//! | [`engine`](kinds::operations::engine) | who computes a step; its products are those of the crate `groklab-kernels` |
//! | [`optim`](kinds::operations::optim) | AdamW and SGD with their state in the open; candle-optimisers by name |
//! | [`probe`] | LAR, spectra, k95, …: pure functions of matrices, for anyone's training loop; the crate `groklab-probe` |
//! | [`train`](kinds::operations::train) | the loop, evaluation, milestones, stopping |
//! | [`store`] | the only place that knows files |
//! | [`sweep`] | many runs: over a pool of threads, or side by side on one device |
//! | [`analysis`] | reads results, never trains: summaries, RMSE with bootstrap, the paper beside them |
//! | [`render`] | summaries to tables and figures, as bytes |
//! | [`mod@bench`] | how fast a step is on this machine |
//! | [`program`] | which build this is |
//! | [`tensors`] | tensors in other people's files, read block by block; in the crate `groklab-probe` |
//! | [`cli`] | one file a command; the only place that prints |
//!
//! # A run in memory
//! ```
//! use groklab::{kinds::operations::config::{PlannedRun, Preset}, kinds::operations::engine::{self, EngineChoice, Precision}, kinds::operations::task::Task, kinds::operations::train::Trainer};
//!
//! let mut config = Preset::Paper.config("add", 0.05, 0);
//! (config.model.d_model, config.model.d_mlp) = (16, 32);
//! let run = PlannedRun::new(config, Task::find("add")?.into());
//! let device = candle_core::Device::Cpu;
//! let (mut engine, _) = engine::build(EngineChoice::Auto, Precision::F32, &run.config.model, run.task.n_symbols, &device)?;
//! let mut trainer = Trainer::new(&run)?;
//! let (row, _) = trainer.measure(engine.as_mut(), 0)?;
//! assert!((row.lar - row.lar_spectra).abs() < 1e-5 && row.train_accuracy < 0.2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod analysis;
pub mod bench;
pub mod cli;
mod excerpt;
pub mod experiment;
pub mod kinds;
pub mod probe;
pub mod program;
pub mod render;
pub mod run;
pub mod store;
pub mod sweep;

pub use groklab_probe::tensors;
