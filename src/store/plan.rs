//! `plan.csv` of an experiment's directory: the runs that were last asked for, done or not, and how far. It says which runs
//! count, and what is missing.

use super::{StoreError, disk, lock};
use crate::run::{Budget, Label, Planned};
use std::{collections::BTreeMap, io, path::Path, sync::Arc};

pub(super) const PLAN: &str = "plan.csv";
/// The largest experiment has 100,000 runs of some hundred bytes.
const MAX_BYTES: u64 = 64 << 20;

/// One planned run.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanRow {
    /// Run id, the name of its directory.
    pub run: String,
    /// What tells it from others, by name: task, seed, …
    pub labels: Vec<(String, String)>,
    /// The study that the experiment belongs to, if it names one.
    pub study: Option<String>,
    budget: Budget,
}

const STUDY: &str = "study";
const BUDGET: [&str; 2] = ["max_epochs", "patience"];

impl PlanRow {
    fn of(run: &dyn Planned, study: Option<&str>) -> Self {
        let text = |label| match label {
            Label::Text(text) => text,
            Label::Whole(number) => number.to_string(),
            Label::Real(number) => format!("{number:?}"),
        };
        let labels = run.labels().into_iter().map(|(name, label)| (name.to_owned(), text(label)));
        let study = study.map(str::to_owned);
        Self { run: run.id().to_owned(), labels: labels.collect(), study, budget: run.budget() }
    }

    /// How far the run is to go.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    fn fields(&self) -> impl Iterator<Item = String> {
        let labels = self.labels.iter().map(|(_, text)| text.clone());
        let budget = [self.budget.max_epochs, self.budget.patience].map(|number| number.to_string());
        [self.run.clone()].into_iter().chain(labels).chain(self.study.clone()).chain(budget)
    }

    fn header(&self) -> impl Iterator<Item = &str> {
        let labels = self.labels.iter().map(|(name, _)| name.as_str());
        ["run"].into_iter().chain(labels).chain(self.study.as_ref().map(|_| STUDY)).chain(BUDGET)
    }

    fn parse(header: &csv::StringRecord, record: &csv::StringRecord) -> Option<Self> {
        let named = || header.iter().zip(record);
        let field = |name: &str| named().find(|(found, _)| *found == name).map(|(_, text)| text);
        let [max_epochs, patience] = BUDGET.map(|name| field(name)?.parse().ok());
        let labels = named().filter(|(name, _)| !["run", STUDY].contains(name) && !BUDGET.contains(name));
        Some(Self {
            run: field("run")?.to_owned(),
            labels: labels.map(|(name, text)| (name.to_owned(), text.to_owned())).collect(),
            study: field(STUDY).filter(|study| !study.is_empty()).map(str::to_owned),
            budget: Budget { max_epochs: max_epochs?, patience: patience? },
        })
    }
}

/// What a new plan does to the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanChange {
    /// Runs of the old plan that are in the new one no more.
    pub dropped: usize,
    /// Runs of both with another budget.
    pub rebudgeted: usize,
}

/// Makes `runs` the plan in `dir`, in the place of the one before.
pub fn record_plan(
    dir: &Path,
    runs: &[Arc<dyn Planned>],
    study: Option<&str>,
) -> Result<PlanChange, StoreError> {
    let _lock = lock::wait_for(dir)?;
    let rows: Vec<PlanRow> = runs.iter().map(|run| PlanRow::of(run.as_ref(), study)).collect();
    let before = read_plan(dir)?;
    if rows == before {
        return Ok(PlanChange::default());
    }
    let budgets: BTreeMap<&str, Budget> = rows.iter().map(|row| (row.run.as_str(), row.budget())).collect();
    let mut change = PlanChange::default();
    for row in &before {
        match budgets.get(row.run.as_str()) {
            None => change.dropped += 1,
            Some(budget) => change.rebudgeted += usize::from(*budget != row.budget()),
        }
    }
    let path = dir.join(PLAN);
    let failed = |source| StoreError::Csv { path: path.clone(), source };
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    if let Some(first) = rows.first() {
        writer.write_record(first.header()).map_err(failed)?;
    }
    for row in &rows {
        writer.write_record(row.fields()).map_err(failed)?;
    }
    disk::write_atomic(&path, &writer.into_inner().map_err(|e| failed(e.into_error().into()))?)?;
    Ok(change)
}

/// The plan in `dir`; empty where none was recorded.
pub fn read_plan(dir: &Path) -> Result<Vec<PlanRow>, StoreError> {
    let path = dir.join(PLAN);
    match disk::read(&path, MAX_BYTES) {
        Ok(bytes) => parse(&bytes).map_err(|what| StoreError::Format {
            reason: format!("{what}; remove the file, the next sweep writes it anew"),
            path,
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(StoreError::io("read", &path)(e)),
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<PlanRow>, String> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    let rows = reader.records().enumerate().map(|(i, record)| {
        let record = record.map_err(|e| e.to_string())?;
        PlanRow::parse(&header, &record).ok_or_else(|| format!("row {} is no planned run", i + 1))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{experiment::Experiment, store::disk};

    #[test]
    fn a_plan_is_what_was_asked_for_last() {
        let root = tempfile::tempdir().unwrap();
        let mut plan = Experiment::find("quick").unwrap().plan(&[]).unwrap();
        assert_eq!(record_plan(root.path(), &plan, None).unwrap(), PlanChange::default());
        assert_eq!(record_plan(root.path(), &plan, None).unwrap(), PlanChange::default());
        let budget = plan[1].budget();
        plan[1] = plan[1].with_budget(Budget { max_epochs: budget.max_epochs + 1, ..budget });
        let change = record_plan(root.path(), &plan[1..], Some("lar")).unwrap();
        assert_eq!(change, PlanChange { dropped: 1, rebudgeted: 1 });
        let rows = read_plan(root.path()).unwrap();
        assert_eq!(rows.len(), plan.len() - 1);
        assert!(rows.iter().all(|row| row.study.as_deref() == Some("lar")));
        assert_eq!((&rows[0].run, rows[0].budget()), (&plan[1].id().to_owned(), plan[1].budget()));
    }

    #[test]
    fn a_damaged_plan_is_named() {
        let root = tempfile::tempdir().unwrap();
        disk::write_atomic(&root.path().join(PLAN), b"run,task\na,b\n").unwrap();
        let error = read_plan(root.path()).unwrap_err().to_string();
        assert!(error.contains("plan.csv") && error.contains("remove the file"), "{error}");
    }
}
