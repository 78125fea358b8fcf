//! Progress of a sweep: a bar and one line per live run on a terminal, the same lines now and then elsewhere.

pub(super) mod line;
mod name;
pub(super) mod spark;

use super::tell;
use crate::{
    run::Planned,
    store::Manifest,
    sweep::{Live, Reporter, Settled},
};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use line::{BAR, Followed, NAME, WIDTH, brief, left, line};
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
    names: BTreeMap<String, String>,
    bars: Option<(MultiProgress, ProgressBar)>,
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    settled: usize,
    rounds: BTreeMap<String, Rounds>,
    shown: BTreeMap<String, Shown>,
    last_line: BTreeMap<String, Instant>,
}

/// Rounds of a run.
#[derive(Clone, Copy, Default)]
struct Rounds {
    /// At most, as far as known.
    most: u64,
    done: u64,
    /// Those that this process did.
    here: u64,
}

/// A run on its way.
struct Shown {
    bar: Option<ProgressBar>,
    followed: Followed,
}

impl Progress {
    /// For a plan.
    pub fn new(plan: &[Arc<dyn Planned>]) -> Self {
        let rounds = plan
            .iter()
            .map(|run| (run.id().to_owned(), Rounds { most: run.budget().max_epochs, ..Rounds::default() }));
        let state = State { rounds: rounds.collect(), ..State::default() };
        let bars = std::io::stderr().is_terminal().then(|| {
            let all = MultiProgress::new();
            let bar = all.add(ProgressBar::new(state.rounds.values().map(|rounds| rounds.most).sum()));
            bar.set_style(style("{bar:24.cyan/dim} {msg}"));
            bar.set_message(format!("0/{} runs", plan.len()));
            (all, bar)
        });
        let names = name::names(plan);
        Self { runs: plan.len(), names, bars, begun: Instant::now(), state: Mutex::new(state) }
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

    fn say(&self, text: &str) {
        match &self.bars {
            Some((all, _)) => wrapped(text, WIDTH).iter().for_each(|line| drop(all.println(line))),
            None => tell(text),
        }
    }

    fn name<'a>(&'a self, run: &'a dyn Planned) -> &'a str {
        self.names.get(run.id()).map_or(run.id(), String::as_str)
    }

    /// Runs done, and the time gone and left for all.
    fn whole(&self, state: &State) -> String {
        let rounds = || state.rounds.values();
        let to_do = rounds().map(|rounds| rounds.most.saturating_sub(rounds.done)).sum();
        let elapsed = self.begun.elapsed();
        let left = left(to_do, rounds().map(|rounds| rounds.here).sum(), elapsed);
        format!("{}/{} runs, {} gone, {left} left at most", state.settled, self.runs, brief(elapsed))
    }

    /// The bar of the whole: rounds done of those that may be.
    fn count(&self, state: &State) {
        let Some((_, bar)) = &self.bars else { return };
        bar.set_length(state.rounds.values().map(|rounds| rounds.most).sum());
        bar.set_position(state.rounds.values().map(|rounds| rounds.done).sum());
        bar.set_message(self.whole(state));
    }
}

impl Reporter for Progress {
    fn live(&self, run: &dyn Planned, live: &Live) {
        let Some(row) = live.row else { return };
        let mut state = self.state();
        let rounds = Rounds { most: live.expected_end, done: live.epoch, here: live.done_here };
        state.rounds.insert(run.id().to_owned(), rounds);
        let shown = state.shown.entry(run.id().to_owned()).or_insert_with(|| {
            let bar = self.bars.as_ref().map(|(all, _)| {
                let bar = all.add(ProgressBar::new(live.max_epochs));
                bar.set_style(style(&format!("{{msg}} {{bar:{BAR}.green/dim}} {{prefix}}")));
                bar.set_message(format!("{:<NAME$}", self.name(run)));
                bar
            });
            Shown { bar, followed: Followed::new(run.kind()) }
        });
        if live.is_new {
            shown.followed.push(row);
        }
        match &shown.bar {
            Some(bar) if live.is_new || live.epoch.is_multiple_of(5) => {
                bar.set_length(live.expected_end);
                bar.set_position(live.epoch);
                bar.set_prefix(shown.followed.describe(live, row));
                self.count(&state);
            }
            Some(_) => {}
            None => {
                let line = line(self.name(run), live, &shown.followed.describe(live, row));
                let due = state.last_line.get(run.id()).is_none_or(|t| t.elapsed() >= QUIET);
                if live.is_new && due {
                    state.last_line.insert(run.id().to_owned(), Instant::now());
                    self.say(&line);
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
        if let Some(bar) = state.shown.remove(run.id()).and_then(|shown| shown.bar) {
            bar.finish_and_clear();
        }
        if let Some(rounds) = state.rounds.get_mut(run.id()) {
            rounds.most = rounds.done;
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
        // on a terminal the bar says it
        let is_new = matches!(settled, Settled::Finished(_));
        if self.bars.is_none() && is_new && state.settled < self.runs {
            self.say(&self.whole(&state));
        }
    }
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

/// Words in lines of at most `width` characters, those after the first indented; a longer word stays whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    const INDENT: &str = "      ";
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.trim().is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, INDENT.to_owned()));
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_on_a_terminal_is_wrapped_at_words() {
        let said = "[12/60] x2_xy_y2_x-f0.5-s0-41206a68647f  memorized at epoch 40, grokked at epoch 140, ended at epoch 2140";
        let lines = wrapped(said, 80);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:?}");
        assert_eq!(lines.len(), 2);
        assert!(lines[1].starts_with("      ") && lines[1].ends_with("2140"), "{lines:?}");
        let joined = lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(joined, said.split_whitespace().collect::<Vec<_>>().join(" "));
        assert_eq!(wrapped(&"x".repeat(100), 80), ["x".repeat(100)]);
    }
}
