//! Progress of a sweep: a bar and one line per live run on a terminal, plain lines elsewhere.

use super::{
    spark::{History, short, watched},
    tell,
};
use crate::{
    excerpt::clipped,
    run::{Kind, Planned},
    store::Manifest,
    sweep::{Live, Reporter, Settled},
};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    collections::BTreeMap,
    io::IsTerminal,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Plain lines of one run are at least this far apart.
const QUIET: Duration = Duration::from_secs(10);

/// Shows a sweep on standard error.
pub struct Progress {
    runs: usize,
    bars: Option<(MultiProgress, ProgressBar)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    settled: usize,
    /// Rounds that each run goes at most, as far as known; and those that are done.
    rounds: BTreeMap<String, (u64, u64)>,
    bars: BTreeMap<String, RunBar>,
    last_line: BTreeMap<String, Instant>,
}

/// The line of a run on its way.
struct RunBar {
    bar: ProgressBar,
    /// What is followed, and how it went.
    followed: Vec<(&'static str, usize, History)>,
}

impl Progress {
    /// For a plan.
    pub fn new(plan: &[Arc<dyn Planned>]) -> Self {
        let rounds: BTreeMap<_, _> =
            plan.iter().map(|run| (run.id().to_owned(), (run.budget().max_epochs, 0))).collect();
        let bars = std::io::stderr().is_terminal().then(|| {
            let all = MultiProgress::new();
            let bar = all.add(ProgressBar::new(rounds.values().map(|(most, _)| most).sum()));
            bar.set_style(style("{bar:24.cyan/dim} {msg}, {elapsed}, {eta} left at most"));
            bar.set_message(format!("0/{} runs", plan.len()));
            bar.enable_steady_tick(Duration::from_secs(1)); // the clock runs on between events
            (all, bar)
        });
        let state = State { rounds, ..State::default() };
        Self { runs: plan.len(), bars, state: Mutex::new(state) }
    }

    /// Clears the bars.
    pub fn finish(&self) {
        if let Some((all, bar)) = &self.bars {
            bar.finish_and_clear();
            let _ = all.clear(); // a terminal that went away is no reason to fail
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, line: &str) {
        match &self.bars {
            Some((all, _)) => drop(all.println(line)),
            None => tell(line),
        }
    }
}

impl Reporter for Progress {
    fn live(&self, run: &dyn Planned, live: &Live) {
        let Some(row) = live.row else { return };
        let mut state = self.state();
        match &self.bars {
            Some((all, _)) => {
                let line = state.bars.entry(run.id().to_owned()).or_insert_with(|| {
                    let bar = all.add(ProgressBar::new(live.max_epochs));
                    bar.set_style(style("{msg} {bar:8.green/dim} {prefix}"));
                    let watched = watched(run.kind()).into_iter();
                    let followed = watched.map(|(name, place)| (name, place, History::default()));
                    RunBar { bar, followed: followed.collect() }
                });
                if live.is_new {
                    for (_, place, history) in &mut line.followed {
                        history.push(row.get(*place).copied().unwrap_or(f64::NAN));
                    }
                }
                if live.is_new || live.epoch.is_multiple_of(5) {
                    line.bar.set_length(live.expected_end);
                    line.bar.set_position(live.epoch);
                    line.bar.set_message(format!("{:<18}", clipped(name(run), 18)));
                    line.bar.set_prefix(line.describe(live, row));
                    state.rounds.insert(run.id().to_owned(), (live.expected_end, live.epoch));
                    self.count(&state);
                }
            }
            None => {
                let due = state.last_line.get(run.id()).is_none_or(|t| t.elapsed() >= QUIET);
                if live.is_new && due {
                    state.last_line.insert(run.id().to_owned(), Instant::now());
                    self.say(&describe(run, live, row));
                }
            }
        }
    }

    fn note(&self, run: &dyn Planned, text: &str) {
        self.say(&format!("{}  {text}", run.id()));
    }

    fn settled(&self, run: &dyn Planned, settled: &Settled) {
        let mut state = self.state();
        state.settled += 1;
        if let Some(line) = state.bars.remove(run.id()) {
            line.bar.finish_and_clear();
        }
        if let Some((most, _)) = state.rounds.get(run.id()).copied() {
            state.rounds.insert(run.id().to_owned(), (most, most));
        }
        self.count(&state);
        let line = match settled {
            Settled::Finished(m) => format!("{}  {}", run.id(), history(m)),
            Settled::Already(m) => format!("{}  {} (had got there before)", run.id(), history(m)),
            Settled::Elsewhere => format!("{}  left to another process that runs it", run.id()),
            Settled::Stopped => format!("{}  stopped; the same command resumes it", run.id()),
            Settled::Failed(reason) => format!("{}  FAILED: {reason}", run.id()),
        };
        self.say(&format!("[{}/{}] {line}", state.settled, self.runs));
    }
}

impl Progress {
    /// The bar of the whole: rounds done of those that may be.
    fn count(&self, state: &State) {
        let Some((_, bar)) = &self.bars else { return };
        bar.set_length(state.rounds.values().map(|(most, _)| most).sum());
        bar.set_position(state.rounds.values().map(|(_, done)| done).sum());
        bar.set_message(format!("{}/{} runs", state.settled, self.runs));
    }
}

impl RunBar {
    /// Round, what is followed, and the time left, in 52 characters at most.
    fn describe(&self, live: &Live, row: &[f64]) -> String {
        let mut text = format!("{:>6}", live.epoch);
        for (name, place, history) in &self.followed {
            let value = short(row.get(*place).copied().unwrap_or(f64::NAN));
            text.push_str(&format!(" {name}{value} {}", history.sparkline()));
        }
        format!("{text} {}", time_left(live))
    }
}

/// In a few characters: `8m39`, `2h05`.
fn time_left(live: &Live) -> String {
    let rate = live.done_here as f64 / live.elapsed.as_secs_f64().max(1e-9);
    if rate <= 0.0 {
        return "?".to_owned();
    }
    let seconds = (live.expected_end.saturating_sub(live.epoch) as f64 / rate) as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}", seconds / 3600, seconds % 3600 / 60),
    }
}

/// One line on a live run, for a log.
fn describe(run: &dyn Planned, live: &Live, row: &[f64]) -> String {
    let rate = live.done_here as f64 / live.elapsed.as_secs_f64().max(1e-9);
    let left = match rate > 0.0 {
        true => {
            duration(Duration::from_secs_f64((live.expected_end.saturating_sub(live.epoch)) as f64 / rate))
        }
        false => "?".to_owned(),
    };
    let round = run.kind().round();
    let shown = headline(run.kind(), row);
    let epoch = live.epoch;
    format!("{}  {round} {epoch:>5}  {shown}  {rate:.1} {round}s/s  {left} left", name(run))
}

/// The numbers that a kind shows of an evaluation: `loss 0.0150 / 0.0162  LAR 0.721`.
fn headline(kind: &dyn Kind, row: &[f64]) -> String {
    let columns = kind.columns();
    let show = |name: &str| {
        let at = columns.iter().position(|column| column.name == name)?;
        Some(columns[at].unit.show(*row.get(at)?))
    };
    let parts = kind.headline().iter().map(|headline| {
        let values: Vec<_> = headline.columns.iter().filter_map(|name| show(name)).collect();
        format!("{} {}", headline.name, values.join(" / "))
    });
    parts.collect::<Vec<_>>().join("  ")
}

/// The run id without its hash.
fn name(run: &dyn Planned) -> &str {
    run.id().rsplit_once('-').map_or(run.id(), |(name, _)| name)
}

fn history(m: &Manifest) -> String {
    let round = &m.round;
    let seen = m.latest_milestones();
    let mut marks: Vec<_> = seen.iter().collect();
    marks.sort_by_key(|(_, mark)| mark.epoch);
    let mut parts: Vec<String> =
        marks.into_iter().map(|(name, mark)| format!("{name} at {round} {}", mark.epoch)).collect();
    parts.push(format!("ended at {round} {}", m.epochs));
    format!("{} in {}", parts.join(", "), duration(Duration::from_secs_f64(m.wall_seconds.max(0.0))))
}

fn duration(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
