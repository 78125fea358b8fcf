//! Any text as a task file: a task that keeps its promises, or an error, soon.
#![no_main]

use groklab::task::Task;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    let _ = Task::from_str("fuzz", text, Path::new("fuzz.toml"));
});
