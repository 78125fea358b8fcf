//! `groklab tasks`: what can be learned, and whether a task file says what its author means.

use super::{deliver, print, report};
use crate::excerpt::clipped;
use crate::kinds::operations::task::{Symbols, Task, available, hides_built_in};
use crate::kinds::operations::{config::check_split, data::Split};
use clap::Subcommand;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

const ASKED_FOR: &str = "\
What an expression knows: + - * / ^, if … then … else …, == != < <= > >=, odd, even, unit (y unit: gcd(y, m) = 1), units
(both operands), and, or. Groups: S2 to S6, A3 to A6, D3 to D512, Z2 to Z1024, powers and products (Z5^2, S3 x Z5) of at
most 1,024 elements. Wrong answers on purpose: --set data.label_noise=0.1. Sparse parity: train --kind vectors --set
data.source=parity:3.

What a task cannot be, and the way around it:
  three operands         put two into one symbol, as a·m + b, and list the rows: table = \"FILE.csv\"
  several operations     expressions = [\"x + y\", \"x - y\"]: the left operand's symbol says which
  a condition as answer  if x <= y then 1 else 0
  more than 2^20 rows    list those wanted in a table; the modulus stays below 2^16 there
  a split of one's own   a fourth column `split` in the table, train or val; `groklab tasks split` writes one";

/// `groklab tasks …`
#[derive(Clone, Debug, Subcommand)]
#[command(after_help = ASKED_FOR)]
pub enum TasksCommand {
    /// List the tasks: the built-in ones and those in ./tasks
    List,
    /// Show a task: its definition, its size and a corner of its table
    Show {
        /// Name of a task, or path of a task file
        name: String,
    },
    /// Check a task file
    Check {
        /// Path of a task file
        file: PathBuf,
    },
    /// Write a task's table with the split that a run has, as CSV with the columns x, y, z and split: the table of a task
    Split {
        /// Name of a task, or path of a task file
        name: String,
        /// Share of the rows for training
        #[arg(long, default_value_t = 0.5)]
        fraction: f64,
        /// The run's split_seed, which is its seed unless it is set
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// File to write; without it the table goes to standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write a task's table as CSV with the columns x, y and z
    Export {
        /// Name of a task, or path of a task file
        name: String,
        /// File to write; without it the table goes to standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Carries out one of the commands.
///
/// # Errors
/// A task that cannot be had, or output that cannot be written; a reader that closes the pipe is content.
pub fn run(command: TasksCommand) -> miette::Result<()> {
    match command {
        TasksCommand::List => print(&list(&available()?)),
        TasksCommand::Show { name } => print(&show(&Task::find(&name)?)),
        TasksCommand::Check { file } => {
            let task = Task::load(&file)?;
            let hides = match is_hiding(&task) {
                true => format!(
                    "as tasks/{}.toml it hides the built-in task of that name, which is another\n",
                    task.name
                ),
                false => String::new(),
            };
            let (rows, symbols) = (task.equations.len(), task.n_symbols);
            print(&format!("ok: {} — {}, {rows} rows, {symbols} symbols\n{hides}", task.name, task.title))
        }
        TasksCommand::Export { name, out } => write(&Task::find(&name)?.csv(), out),
        TasksCommand::Split { name, fraction, seed, out } => {
            write(&split(Task::find(&name)?, fraction, seed)?.csv(), out)
        }
    }
}

fn write(table: &str, out: Option<PathBuf>) -> miette::Result<()> {
    match out {
        None => print(table),
        Some(path) => deliver(&path, table.as_bytes()),
    }
}

/// The task with the rows marked that a run of this fraction and seed trains on.
fn split(task: Task, fraction: f64, seed: u64) -> miette::Result<Task> {
    check_split(task.equations.len(), fraction)?;
    let split = Split::of(&task, fraction, seed).map_err(report)?;
    let train: BTreeSet<(u16, u16)> = split.train.iter().map(|row| (row.x, row.y)).collect();
    let marks = task.equations.iter().map(|row| train.contains(&(row.x, row.y))).collect();
    Ok(Task { train: Some(marks), ..task })
}

/// What is said of the numbers of a group's elements.
const NUMBERED: &str = "0 is the neutral element; of a dihedral group r2s reflects, then turns by 2; in x * y the right\n\
                        \u{20}             factor acts first";

/// One line a task; one that does not load says so and does not hide the others.
fn list(names: &[String]) -> String {
    let mut rows = vec![["name", "rows", "symbols", "title"].map(str::to_owned)];
    for name in names {
        rows.push(match Task::find(name) {
            Ok(task) => {
                let hides = if is_hiding(&task) { ", in place of the built-in task" } else { "" };
                let (rows, symbols) = (task.equations.len().to_string(), task.n_symbols.to_string());
                [task.name, rows, symbols, format!("{}{hides}", task.title)]
            }
            Err(error) => [clipped(name, 64), "-".into(), "-".into(), format!("error: {error}")],
        });
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [name, count, symbols] = [width(0), width(1), width(2)];
    rows.iter().fold(String::new(), |mut text, row| {
        let _ = writeln!(text, "{:name$}  {:>count$}  {:>symbols$}  {}", row[0], row[1], row[2], row[3]);
        text
    })
}

fn is_hiding(task: &Task) -> bool {
    hides_built_in(&task.name, &task.digest())
}

fn show(task: &Task) -> String {
    /// Operands shown in either direction.
    const CORNER: u16 = 6;
    let (symbols, convention) = match &task.symbols {
        Symbols::Residues { modulus } => (format!("the integers modulo {modulus}"), None),
        Symbols::Permutations(group) => {
            let n = group.degree();
            let identity = task.label(0);
            let convention = format!(
                "i1…i{n} sends 1 to i1, …, {n} to i{n}; numbered in lexicographic order from {identity}, symbol 0;\n\
                 {:14}in x * y the right factor acts first",
                ""
            );
            (format!("the permutations of 1 … {n}"), Some(convention))
        }
        Symbols::Elements(group) => (format!("the elements of {}", group.name()), Some(NUMBERED.to_owned())),
        Symbols::Several { order, expressions, .. } => {
            let count = expressions.len();
            let convention =
                format!("symbol i·{order} + x on the left is the operand x of operation i, from 0");
            (format!("{count} times {order}: the left one says which operation"), Some(convention))
        }
        Symbols::Listed { table } => {
            (format!("numbered in {}", clipped(&table.to_string_lossy(), 240)), None)
        }
    };
    let answers: BTreeSet<u16> = task.equations.iter().map(|equation| equation.answer).collect();
    let pairs = match &task.symbols {
        Symbols::Several { order, .. } => task.n_symbols * order,
        _ => task.n_symbols * task.n_symbols,
    };

    let mut lines = vec![("symbols", format!("{}, {symbols}", task.n_symbols))];
    match &task.symbols {
        Symbols::Several { expressions, .. } => {
            lines.extend(
                expressions.iter().enumerate().map(|(i, text)| ("operation", format!("{i}: {text}"))),
            );
        }
        _ => lines.push(("expression", task.expression.clone().unwrap_or_else(|| "none, a table".into()))),
    }
    match &task.domain {
        Some(domain) => lines.push(("domain", domain.clone())),
        None if task.equations.len() == pairs => lines.push(("domain", "all x, y".into())),
        None => {}
    }
    lines.push(("rows", format!("{} of {pairs} pairs", task.equations.len())));
    if let Some(marked) = task.marked() {
        lines.push(("split", format!("{marked} rows for training, marked in the table")));
    }
    lines.push(("answers", format!("{} of {} symbols occur", answers.len(), task.n_symbols)));
    lines.push(("digest", task.digest()));
    if is_hiding(task) {
        lines.push(("hides", "the built-in task of this name, which is another".into()));
    }
    lines.extend(convention.map(|convention| ("convention", convention)));

    let mut text = format!("{}: {}\n\n", task.name, task.title);
    for (key, value) in lines {
        let _ = writeln!(text, "  {key:<10}  {value}");
    }
    let shown = CORNER.min(task.n_symbols.try_into().unwrap_or(CORNER));
    let width = (0..task.n_symbols.min(1 << 16)).map(|s| task.label(s as u16).len()).max().unwrap_or(1);
    let _ = write!(text, "\n  {:>width$} |", "x\\y");
    for y in 0..shown {
        let _ = write!(text, " {:>width$}", task.label(y));
    }
    let _ =
        write!(text, "\n  {}-+{}", "-".repeat(width.max(3)), "-".repeat(usize::from(shown) * (width + 1)));
    for x in 0..shown {
        let _ = write!(text, "\n  {:>1$} |", task.label(x), width.max(3));
        for y in 0..shown {
            let place = task.equations.binary_search_by_key(&(x, y), |equation| (equation.x, equation.y));
            let answer = place.map_or_else(|_| "-".into(), |row| task.label(task.equations[row].answer));
            let _ = write!(text, " {answer:>width$}");
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn an_exported_table_is_a_table_that_gives_the_same_task() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["div_or_sub", "s5_conj"] {
            let task = Task::find(name).unwrap();
            std::fs::write(directory.path().join("rows.csv"), task.csv()).unwrap();
            let text = format!("title = 't'\ntable = 'rows.csv'\nsymbols = {}", task.n_symbols);
            let again = Task::from_str("again", &text, &directory.path().join("again.toml")).unwrap();
            assert_eq!(again.equations, task.equations, "{name}");
            assert_eq!(again.digest(), task.digest(), "{name}");
        }
    }

    #[test]
    fn a_split_that_was_written_is_the_split_of_the_run() {
        let directory = tempfile::tempdir().unwrap();
        let task = Task::find("sub").unwrap();
        let drawn = Split::new(&task.equations, 0.3, 7).unwrap();
        let marked = split(task.clone(), 0.3, 7).unwrap();
        std::fs::write(directory.path().join("rows.csv"), marked.csv()).unwrap();
        let text = "title = 't'\ntable = 'rows.csv'\nsymbols = 97";
        let again = Task::from_str("again", text, &directory.path().join("again.toml")).unwrap();
        assert_eq!((&again.equations, again.marked()), (&task.equations, Some(2822)));
        assert_ne!(again.digest(), task.digest(), "the split is a part of what is learned");
        // whatever seed such a task is given
        let read = Split::of(&again, 0.5, 1234).unwrap();
        let sorted = |mut rows: Vec<groklab::kinds::operations::task::Equation>| {
            rows.sort_by_key(|row| (row.x, row.y));
            rows
        };
        assert_eq!((sorted(read.train), sorted(read.val)), (sorted(drawn.train), sorted(drawn.val)));
        assert!(split(task, 1.5, 7).is_err());
    }

    #[test]
    fn show_tells_definition_counts_and_a_corner() {
        let text = "title = 'a quotient'\nmodulus = 3\nexpression = 'x/y'\ndomain = 'y != 0'";
        let task = Task::from_str("quotient", text, Path::new("quotient.toml")).unwrap();
        let shown = show(&task);
        let digest = task.digest();
        // 1/2 = 2 and 2/2 = 1 modulo 3
        let expected = format!(
            "quotient: a quotient\n\n  symbols     3, the integers modulo 3\n  expression  x/y\n  domain      y != 0\n  \
             rows        6 of 9 pairs\n  answers     3 of 3 symbols occur\n  digest      {digest}\n\n  \
             x\\y | 0 1 2\n  ----+------\n    0 | - 0 0\n    1 | - 1 2\n    2 | - 2 1\n"
        );
        assert_eq!(shown, expected);
    }

    #[test]
    fn list_aligns_and_survives_a_name_that_does_not_load() {
        let listed = list(&["add".into(), "no_such_task".into()]);
        let lines: Vec<&str> = listed.lines().collect();
        assert_eq!(lines[1], "add           9409       97  x + y (mod 97)");
        assert_eq!(lines[2], "no_such_task     -        -  error: there is no task `no_such_task`");
    }
}
