//! One run of a plan: a config and the table it is about.

use super::RunConfig;
use crate::kinds::operations::task::Task;
use std::sync::Arc;

/// One run of a plan.
#[derive(Clone, Debug)]
pub struct PlannedRun {
    /// Name of its directory.
    pub id: String,
    /// All its choices.
    pub config: RunConfig,
    /// What it learns.
    pub task: Arc<Task>,
}

impl PlannedRun {
    /// The run of `config` on `task`.
    pub fn new(config: RunConfig, task: Arc<Task>) -> Self {
        Self { id: config.run_id(&task.name, &task.digest()), config, task }
    }
}
