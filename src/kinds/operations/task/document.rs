//! A task as files: what a run's directory keeps, so that it can be read where the user's own files are not.

use super::{Symbols, Task};
use std::fmt::Write;
use toml::{Table, Value};

/// A task file, and the table it names if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskDocument {
    /// The task file; a table's path counts from its directory.
    pub toml: String,
    /// The table, of a task that is nothing but one.
    pub csv: Option<String>,
}

impl Task {
    /// Files that [`load`](Task::load) reads as this task: a table lies beside the task file as `table`.
    pub fn document(&self, table: &str) -> TaskDocument {
        let mut keys = Table::new();
        let mut set = |key: &str, value: Value| drop(keys.insert(key.to_owned(), value));
        set("title", self.title.as_str().into());
        let csv = match &self.symbols {
            Symbols::Residues { modulus } => {
                set("modulus", i64::from(*modulus).into());
                None
            }
            Symbols::Permutations(group) => {
                set("group", format!("S{}", group.degree()).into());
                None
            }
            Symbols::Elements(group) => {
                set("group", group.name().into());
                None
            }
            // one is made of nothing but the other
            Symbols::Several { symbols, expressions, .. } => {
                match symbols.as_ref() {
                    Symbols::Permutations(group) => set("group", format!("S{}", group.degree()).into()),
                    Symbols::Elements(group) => set("group", group.name().into()),
                    Symbols::Residues { modulus } => set("modulus", i64::from(*modulus).into()),
                    Symbols::Listed { .. } | Symbols::Several { .. } => {}
                }
                set(
                    "expressions",
                    expressions.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>().into(),
                );
                None
            }
            Symbols::Listed { .. } => {
                set("table", table.into());
                set("symbols", (self.n_symbols as i64).into());
                Some(self.csv())
            }
        };
        for (key, text) in [("expression", &self.expression), ("domain", &self.domain)] {
            if let Some(text) = text {
                set(key, text.as_str().into());
            }
        }
        TaskDocument { toml: keys.to_string(), csv }
    }

    /// The table as CSV: x, y, z, and where the task says it, on which side of the split a row is.
    pub fn csv(&self) -> String {
        let mut text = String::from(if self.train.is_some() { "x,y,z,split\n" } else { "x,y,z\n" });
        for (i, equation) in self.equations.iter().enumerate() {
            let _ = write!(text, "{},{},{}", equation.x, equation.y, equation.answer);
            let side = self.train.as_ref().map(|train| if train[i] { ",train" } else { ",val" });
            let _ = writeln!(text, "{}", side.unwrap_or_default());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_kind_of_task_comes_back_from_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own.toml");
        fs::write(dir.path().join("rows.csv"), "x,y,z\n0,1,2\n1,0,3\n").unwrap();
        fs::write(&own, "title = 'a \"table\"'\ntable = 'rows.csv'\nsymbols = 6").unwrap();
        let names = ["add", "div_or_sub", "s5_conj"];
        let mut tasks: Vec<Task> = names.iter().map(|name| Task::find(name).unwrap()).collect();
        tasks.push(Task::load(&own).unwrap());
        for text in [
            "title = 't'\ngroup = 'S3 x Z5'\nexpression = 'x * y'",
            "title = 't'\nmodulus = 11\nexpressions = ['x + y', 'x * y']\ndomain = 'x <= y'",
            "title = 't'\ngroup = 'S3'\nexpressions = ['x * y', 'y * x']",
        ] {
            tasks.push(Task::from_str("other", text, &own).unwrap());
        }
        fs::write(dir.path().join("rows.csv"), "split,x,y,z\nval,0,1,2\ntrain,1,0,3\n").unwrap();
        tasks.push(Task::load(&own).unwrap());
        assert_eq!(tasks.last().unwrap().train.as_deref(), Some(&[false, true][..]));
        for task in tasks {
            let kept = tempfile::tempdir().unwrap();
            let document = task.document("task.csv");
            assert_eq!(document.csv.is_some(), task.name == "own");
            if let Some(csv) = &document.csv {
                fs::write(kept.path().join("task.csv"), csv).unwrap();
            }
            let file = kept.path().join("task.toml");
            fs::write(&file, &document.toml).unwrap();
            let again = Task { name: task.name.clone(), ..Task::load(&file).unwrap() };
            assert_eq!((again.digest(), &again.title), (task.digest(), &task.title));
            assert_eq!((&again.expression, &again.domain), (&task.expression, &task.domain));
        }
    }
}
