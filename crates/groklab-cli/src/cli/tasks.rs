//! `groklab tasks`: what can be learned, and whether a task file says what its author means.

use super::{deliver, print};
use crate::excerpt::clipped;
use crate::kinds::operations::task::{Symbols, Task, available, hides_built_in};
use clap::Subcommand;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

/// `groklab tasks …`
#[derive(Clone, Debug, Subcommand)]
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
        TasksCommand::Export { name, out } => {
            let table = Task::find(&name)?.csv();
            match out {
                None => print(&table),
                Some(path) => deliver(&path, table.as_bytes()),
            }
        }
    }
}

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
        Symbols::Listed { table } => {
            (format!("numbered in {}", clipped(&table.to_string_lossy(), 240)), None)
        }
    };
    let answers: BTreeSet<u16> = task.equations.iter().map(|equation| equation.answer).collect();
    let pairs = task.n_symbols * task.n_symbols;

    let mut lines = vec![
        ("symbols", format!("{}, {symbols}", task.n_symbols)),
        ("expression", task.expression.clone().unwrap_or_else(|| "none, a table".into())),
    ];
    match &task.domain {
        Some(domain) => lines.push(("domain", domain.clone())),
        None if task.equations.len() == pairs => lines.push(("domain", "all x, y".into())),
        None => {}
    }
    lines.push(("rows", format!("{} of {pairs} pairs", task.equations.len())));
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
