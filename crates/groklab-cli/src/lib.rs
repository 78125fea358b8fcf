//! What people see of [`groklab`]: figures, tables, reports, and the commands of the program.
//!
//! | module | |
//! |---|---|
//! | [`render`] | tables and figures of any runs, as bytes |
//! | [`studies`] | what a paper asks of runs: claims, figures, reference numbers; a folder or a file each |
//! | [`report`] | all of it as one HTML file |
//! | [`mod@bench`] | how fast a step is on this machine |
//! | [`cli`] | one file a command; the only place that prints |
//!
//! A program with kinds of its own adds them and hands over: `groklab::kinds::add(&[&MINE]); groklab_cli::cli::main()`.

pub mod bench;
pub mod cli;
pub mod render;
pub mod report;
pub mod studies;

// the rooms below are written alike here and there
use groklab::{analysis, excerpt, experiment, kinds, probe, program, run, store, sweep, tensors};
