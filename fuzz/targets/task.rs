//! Any text as a task file: a task that keeps its promises, or an error with a place and a remedy.
#![no_main]

use groklab::kinds::operations::task::{MAX_ROWS, Task, TaskError};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    // a table would be looked for on this machine's disk
    if text.contains("table") {
        return;
    }
    match Task::from_str("fuzz", text, Path::new("fuzz.toml")) {
        Ok(task) => {
            assert!((1..=MAX_ROWS).contains(&task.equations.len()) && task.n_symbols >= 2);
            let pairs = task.equations.windows(2).all(|e| (e[0].x, e[0].y) < (e[1].x, e[1].y));
            let known = |symbol: u16| usize::from(symbol) < task.n_symbols;
            let symbols = task.equations.iter().all(|e| known(e.x) && known(e.y) && known(e.answer));
            assert!(pairs && symbols && !task.title.chars().any(char::is_control));
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() < 2000 && !message.chars().any(char::is_control), "{message:?}");
            if let TaskError::At(place) = &error {
                let remedy = miette::Diagnostic::help(&error).map(|help| help.to_string());
                assert!(place.line() >= 1 && place.column() >= 1 && remedy.is_some_and(|r| !r.is_empty()));
            }
        }
    }
});
