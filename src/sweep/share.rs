//! How much of the time of runs goes into their files, in this process: short runs may spend more there than in training.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

/// Nanoseconds, over all threads.
static FILES: AtomicU64 = AtomicU64::new(0);
static RUNS: AtomicU64 = AtomicU64::new(0);

/// Counts the time until it is dropped.
pub(crate) struct Timer {
    total: &'static AtomicU64,
    start: Instant,
}

impl Timer {
    /// Of work on files: locking, reading, writing, renaming.
    pub(crate) fn files() -> Self {
        Self { total: &FILES, start: Instant::now() }
    }

    /// Of a run that goes alone, its files included.
    pub(crate) fn run() -> Self {
        Self { total: &RUNS, start: Instant::now() }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let nanoseconds = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.total.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

/// Share of the wall time of all runs so far that went into their files; none where none went alone.
pub fn file_share() -> Option<f64> {
    let [files, runs] = [&FILES, &RUNS].map(|total| total.load(Ordering::Relaxed) as f64);
    (runs > 0.0).then(|| files / runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{thread::sleep, time::Duration};

    #[test]
    fn a_timer_counts_until_it_is_dropped() {
        static TOTAL: AtomicU64 = AtomicU64::new(0);
        let timer = Timer { total: &TOTAL, start: Instant::now() };
        sleep(Duration::from_millis(5));
        assert_eq!(TOTAL.load(Ordering::Relaxed), 0);
        drop(timer);
        assert!(TOTAL.load(Ordering::Relaxed) >= 5_000_000);
    }
}
