//! For tests: makes the n-th file operation below a directory fail, stop half-way, panic, or kill the process.

use super::disk::Op;
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The operation fails once, before it did anything.
    Error,
    /// Half of the bytes are written, then the disk is full; other operations just fail.
    Short,
    /// From here on the disk is full: nothing can be created or written.
    Full,
    /// A bug.
    Panic,
    /// The process is gone, as after `kill -9`; a write has got half-way.
    Kill,
}

struct Plan {
    below: PathBuf,
    fault: Fault,
    /// The operation that goes wrong, counted from 1.
    at: u64,
    seen: u64,
    log: Vec<(Op, PathBuf)>,
}

/// One plan a test, told apart by the directory; run threads look theirs up by the path.
static PLANS: Mutex<Vec<Plan>> = Mutex::new(Vec::new());

fn plans() -> MutexGuard<'static, Vec<Plan>> {
    PLANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the `at`-th operation below `dir` go wrong; 0 only counts.
pub(crate) fn plan(dir: &Path, fault: Fault, at: u64) {
    clear(dir);
    plans().push(Plan { below: dir.to_owned(), fault, at, seen: 0, log: Vec::new() });
}

/// Ends the plan for `dir`; returns the operations it saw.
pub(crate) fn clear(dir: &Path) -> Vec<(Op, PathBuf)> {
    let mut plans = plans();
    match plans.iter().position(|p| p.below == dir) {
        Some(i) => plans.swap_remove(i).log,
        None => Vec::new(),
    }
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "no space left on device (injected)")
}

/// Called before each operation.
pub(crate) fn step(op: Op, path: &Path) -> io::Result<()> {
    let fault = {
        let mut plans = plans();
        let Some(plan) = plans.iter_mut().find(|p| path.starts_with(&p.below)) else { return Ok(()) };
        plan.seen += 1;
        plan.log.push((op, path.to_owned()));
        match plan.fault {
            _ if plan.at == 0 || plan.seen < plan.at => return Ok(()),
            Fault::Full if op.allocates() => Fault::Full,
            _ if plan.seen > plan.at => return Ok(()),
            Fault::Full => return Ok(()),
            fault => fault,
        }
    };
    match fault {
        Fault::Error => Err(io::Error::other("input/output error (injected)")),
        Fault::Short | Fault::Full => Err(full()),
        Fault::Panic => panic!("injected panic at {op:?} {}", path.display()),
        Fault::Kill => {
            let _ = signal_hook::low_level::raise(signal_hook::consts::SIGKILL);
            unreachable!("killed")
        }
    }
}

/// How many of `len` bytes get through if the coming write is the one that goes wrong half-way.
pub(crate) fn short_write(path: &Path, len: usize) -> Option<usize> {
    let plans = plans();
    let plan = plans.iter().find(|p| path.starts_with(&p.below))?;
    let halfway = matches!(plan.fault, Fault::Short | Fault::Kill) && plan.seen + 1 == plan.at;
    halfway.then_some(len / 2)
}
