//! Whether a plan fits into memory: said before anything is written, because an allocation that fails later
//! ends the whole process.

mod groups;

use crate::run::Planned;
use std::{fs, num::NonZeroUsize, path::Path, sync::Arc};

/// A plan that this machine has no memory for.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the run {run} needs {needed:.1} GiB of memory at least{together}; {available:.1} GiB can be had")]
#[diagnostic(help("make the model or the batches smaller, or run fewer at a time with --jobs"))]
pub struct TooLittleMemory {
    run: String,
    needed: f64,
    together: String,
    available: f64,
}

/// Refuses a plan whose largest runs, `jobs` at a time (by default one a core), cannot be in memory together.
pub fn check(plan: &[Arc<dyn Planned>], jobs: Option<NonZeroUsize>) -> Result<(), TooLittleMemory> {
    match available() {
        Some(available) => fits(plan, jobs, available),
        None => Ok(()),
    }
}

fn fits(
    plan: &[Arc<dyn Planned>],
    jobs: Option<NonZeroUsize>,
    available: u64,
) -> Result<(), TooLittleMemory> {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let jobs = jobs.map_or_else(cores, NonZeroUsize::get);
    let mut sizes: Vec<_> = plan.iter().map(|run| (run.footprint(), run.id())).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes.truncate(jobs);
    let together: u64 = sizes.iter().map(|(size, _)| size).sum();
    let Some((largest, run)) = sizes.first().filter(|_| together > available) else {
        return Ok(());
    };
    let gib = |bytes: u64| bytes as f64 / (1_u64 << 30) as f64;
    let together = match sizes.len() {
        1 => String::new(),
        n => format!(", {n} at a time {:.1} GiB", gib(together)),
    };
    Err(TooLittleMemory {
        run: (*run).to_owned(),
        needed: gib(*largest),
        together,
        available: gib(available),
    })
}

/// Bytes that can still be had: the least of what the kernel calls available, what the control groups leave, and what the
/// limit on address space leaves. None where the system does not say (not Linux).
pub fn available() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let kib =
        |path: &str, name: &str| read(path).and_then(|text| number_after(&text, name)).map(|kib| kib << 10);
    let free = kib("/proc/meminfo", "MemAvailable:");
    let address_space = read("/proc/self/limits").and_then(|text| number_after(&text, "Max address space"));
    let mapped = kib("/proc/self/status", "VmSize:").unwrap_or(0);
    let address_space = address_space.map(|limit| limit.saturating_sub(mapped));
    [free, address_space, groups::left(Path::new("/"))].into_iter().flatten().min()
}

/// The number right after `name`, if there is one.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::operations::{
        config::{PlannedRun, Preset},
        task::Task,
    };

    #[test]
    fn the_largest_runs_must_fit_together() {
        let task = std::sync::Arc::new(Task::find("add").unwrap());
        let run = |seed| -> Arc<dyn Planned> {
            Arc::new(PlannedRun::new(Preset::Paper.config("add", 0.5, seed), task.clone()))
        };
        let plan = [run(0), run(1), run(2)];
        let one = plan[0].footprint();
        let jobs = NonZeroUsize::new;
        assert!(fits(&plan, jobs(1), one).is_ok());
        assert!(fits(&plan, jobs(1), one - 1).is_err());
        assert!(fits(&plan, jobs(2), 2 * one).is_ok());
        assert!(fits(&plan, jobs(2), 2 * one - 1).unwrap_err().to_string().contains("2 at a time"));
        assert!(fits(&plan, jobs(64), 3 * one).is_ok(), "no more runs at a time than there are");
    }

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        let meminfo =
            "MemTotal:       24627236 kB\nMemFree:         9000000 kB\nMemAvailable:   20000000 kB\n";
        assert_eq!(number_after(meminfo, "MemAvailable:"), Some(20_000_000));
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max address space         unlimited            unlimited            bytes     \n";
        assert_eq!(number_after(limits, "Max address space"), None);
        let limited = limits.replacen("unlimited ", "4294967296", 1);
        assert_eq!(number_after(&limited, "Max address space"), Some(4_294_967_296));
    }
}
