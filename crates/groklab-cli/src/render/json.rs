//! What `table` and `claims` print, as JSON for another program: keys are those of the tables, floats read back exactly, what
//! never happened or is not a number is null.

use crate::analysis::claims::Answers;
use serde::Serialize;

/// What the claims of one pool of an experiment's runs were answered.
#[derive(Serialize)]
pub struct Answered<'a> {
    /// Experiment.
    pub experiment: &'a str,
    /// The answers.
    #[serde(flatten)]
    pub answers: &'a Answers,
}

/// A list with an object for each experiment and setting, on several lines.
pub fn claims_json(answers: &[Answered<'_>]) -> Result<String, serde_json::Error> {
    lines(&answers)
}

/// `value` on several lines.
///
/// # Errors
/// If it is not to be written as JSON.
pub fn lines(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(value).map(|text| text + "\n")
}
