//! What a run is to the rooms that know no kind of run: its plan, clock, columns, milestones, state, and the training loop.
//!
//! A *kind* of run says what is learned, by which model, and which numbers are looked at: binary operations, classifiers of
//! vectors, language models. It gives a list of [`Column`]s and of [`Milestone`]s, makes [`Planned`] runs of configs, and
//! from each a [`Learner`]. Everything else (identity, resume, sweeps, tables, figures) is made of these.

mod column;
mod config;
mod course;
pub mod identity;
mod keys;
mod kind;
mod layout;
mod learner;
mod milestone;

pub use column::{Column, Unit};
pub use config::{ConfigError, Rule, Settings, leaf, nearest, parse_override, require, set};
pub use course::{Cadence, Clock, Course, Noted, Part, Pass};
pub use keys::{KeyDoc, meanings};
pub use kind::{
    Data, Document, EngineChoice, Headline, Kind, Label, Place, PlanError, Planned, Planner, Preset, Started,
};
pub use layout::{Layout, Tensor};
pub use learner::{Counters, Failure, Learner, Record, Snapshot, State, train};
pub use milestone::{
    BUDGET_SOURCE, Budget, DIVERGED, End, Mark, Milestone, Milestones, Rules, Stop, StopReason,
};
