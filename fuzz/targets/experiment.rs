//! Any text as an experiment file: a plan of different runs whose configs pass their checks, or an error.
#![no_main]

use groklab::{
    experiment::Experiment,
    kinds::operations::{config::check_split, lockstep::operations},
};
use libfuzzer_sys::fuzz_target;
use std::{collections::BTreeSet, path::Path};

fuzz_target!(|text: &str| {
    // tasks by path would be looked for on this machine's disk
    if text.contains(['/', '\\']) || text.contains(".toml") {
        return;
    }
    let plan = Experiment::from_str("fuzz", text, Path::new("fuzz.toml")).and_then(|e| e.plan(&[]));
    match plan {
        Ok(plan) => {
            let ids: BTreeSet<_> = plan.iter().map(|run| run.id().to_owned()).collect();
            assert!(ids.len() == plan.len() && !plan.is_empty());
            for run in &plan {
                let Some(run) = operations(run.as_ref()) else { continue };
                run.config.check().unwrap();
                check_split(run.task.equations.len(), run.config.train_fraction).unwrap();
                // it becomes the name of a directory
                assert!(run.id.len() < 200 && !run.id.starts_with(['.', '-']), "{}", run.id);
                assert!(!run.id.contains(|c: char| c == '/' || c.is_control()), "{:?}", run.id);
            }
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() < 2000 && !message.chars().any(char::is_control), "{message:?}");
        }
    }
});
