//! The paper's Table 1 for our own runs: how far k95 lies from k_pred, with the paper's numbers beside.

use serde::{Deserialize, Serialize};

use super::{
    Checkpoint, Rmse, RunSummary,
    paper::{Table1, table1},
    rmse,
};

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Runs when they memorized.
    Memorized,
    /// Runs when they grokked.
    Grokked,
    /// Ends of runs that grokked, collapsed ones included.
    FinalGrokked,
    /// Ends of runs that did not grok within their budget.
    FinalNoGrok,
}

impl Cell {
    /// In the paper's order.
    pub const ALL: [Self; 4] = [Self::Memorized, Self::Grokked, Self::FinalGrokked, Self::FinalNoGrok];

    /// The name in `rmse.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memorized => "memorized",
            Self::Grokked => "grokked",
            Self::FinalGrokked => "final_grokked",
            Self::FinalNoGrok => "final_no_grok",
        }
    }

    /// k95 and k_pred of a run that belongs to this cell.
    fn pair(self, run: &RunSummary) -> Option<(f64, f64)> {
        let point = match self {
            Self::Memorized => run.at(Checkpoint::Memorized),
            Self::Grokked => run.at(Checkpoint::Grokked),
            Self::FinalGrokked => run.at(Checkpoint::Final).filter(|_| run.has_grokked),
            Self::FinalNoGrok => run.at(Checkpoint::Final).filter(|_| !run.has_grokked),
        }?;
        Some((f64::from(point.k95?), point.k_pred)).filter(|(_, k_pred)| k_pred.is_finite())
    }
}

/// One cell: ours and the paper's.
#[derive(Clone, Debug, PartialEq)]
pub struct RmseRow {
    /// Experiment.
    pub experiment: String,
    /// Which runs, and when.
    pub cell: Cell,
    /// Ours; none if no run belongs to the cell.
    pub ours: Option<Rmse>,
    /// The paper's, if the experiment is one of its studies.
    pub paper: Option<Table1>,
}

/// The four cells of one experiment.
pub fn rmse_rows(experiment: &str, runs: &[RunSummary]) -> Vec<RmseRow> {
    Cell::ALL
        .into_iter()
        .map(|cell| {
            let pairs: Vec<_> = runs.iter().filter_map(|run| cell.pair(run)).collect();
            RmseRow {
                experiment: experiment.to_owned(),
                cell,
                ours: rmse(&pairs),
                paper: table1(experiment, cell),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::summarize,
        store::{Experiment, RunState, made::MadeRun},
    };

    #[test]
    fn every_run_is_in_the_cells_it_belongs_to_and_no_other() {
        let add = |seed| MadeRun::new("add", 0.5, seed);
        let made = [
            add(0).grokked(40, 120),
            add(1).grokked(40, 120).collapsed(160),
            add(2).grokked(40, 120).diverged(180),
            add(3).memorized(40),
            add(4).memorized(40).state(RunState::Running),
            add(5),
        ];
        let experiment =
            Experiment { name: "binary-ops".into(), runs: made.iter().map(MadeRun::record).collect() };
        let rows = rmse_rows("binary-ops", &summarize(&experiment));
        let counts: Vec<_> = rows.iter().map(|row| row.ours.map_or(0, |ours| ours.runs)).collect();
        assert_eq!(counts, [5, 3, 2, 2]);
        assert!(rows.iter().all(|row| row.paper.is_some()));
    }

    #[test]
    fn an_empty_cell_has_no_number() {
        assert!(rmse_rows("quick", &[]).iter().all(|row| row.ours.is_none() && row.paper.is_none()));
    }
}
