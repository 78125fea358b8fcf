//! The paper's Table 1 for our own runs: how far k95 lies from k_pred, with the paper's numbers beside where the runs
//! are of its recipe.

use serde::{Deserialize, Serialize};

use super::{
    Checkpoint, Group, Pool, RunSummary,
    paper::{Table1, figure3, table1},
};
use crate::analysis::{Rmse, bootstrap::Sample};

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

    /// k95 − k_pred of a run that belongs to this cell; none where it is not finite.
    fn error(self, run: &RunSummary) -> Option<f64> {
        let point = match self {
            Self::Memorized => run.at(Checkpoint::Memorized),
            Self::Grokked => run.at(Checkpoint::Grokked),
            Self::FinalGrokked => run.at(Checkpoint::Final).filter(|_| run.has_grokked),
            Self::FinalNoGrok => run.at(Checkpoint::Final).filter(|_| !run.has_grokked),
        }?;
        Some(f64::from(point.k95?) - point.k_pred).filter(|error| error.is_finite())
    }
}

/// One cell: ours and the paper's.
#[derive(Clone, Debug, PartialEq)]
pub struct RmseRow {
    /// Experiment.
    pub experiment: String,
    /// Of which setting; empty where the experiment has one only.
    pub setting: String,
    /// Which runs, and when.
    pub cell: Cell,
    /// Ours; none if no run belongs to the cell.
    pub ours: Option<Rmse>,
    /// The paper's, if the pool is one of its studies.
    pub paper: Option<Table1>,
    /// The same from the points of its Fig. 3, where these give another number.
    pub paper_points: Option<f64>,
}

/// The four cells of one pool of the runs of `experiment`.
pub fn rmse_rows(experiment: &str, pool: &Pool<'_>) -> Vec<RmseRow> {
    let study = pool.study();
    let row = |cell: Cell| {
        let samples = |group: &Group<'_>| {
            let label = group.label();
            let errors = group.runs.iter().filter_map(|run| cell.error(run));
            errors.map(|value| Sample { group: label.clone(), value }).collect::<Vec<_>>()
        };
        let errors: Vec<Sample> = pool.groups.iter().flat_map(samples).collect();
        RmseRow {
            experiment: experiment.to_owned(),
            setting: pool.setting.clone(),
            cell,
            ours: Rmse::of(&errors),
            paper: study.and_then(|study| table1(study, cell)),
            paper_points: study.and_then(|study| figure3(study, cell)),
        }
    };
    Cell::ALL.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        store::{RunState, made::MadeRun},
        studies::grokking::{Pooling, groups, paper::with_tables, planned, pools},
    };

    fn rows(made: &[MadeRun]) -> Vec<RmseRow> {
        let runs = made.iter().map(MadeRun::record).collect();
        let experiment = planned("study", with_tables(runs));
        let pools = pools(&experiment, &groups(&experiment), Pooling::PerSetting);
        pools.iter().flat_map(|pool| rmse_rows("study", pool)).collect()
    }

    #[test]
    fn every_run_is_in_the_cells_it_belongs_to_and_no_other() {
        let add = |seed| MadeRun::new("add", 0.5, seed);
        let rows = rows(&[
            add(0).grokked(40, 120),
            add(1).grokked(40, 120).collapsed(160),
            add(2).grokked(40, 120).diverged(180),
            add(3).memorized(40),
            add(4).memorized(40).state(RunState::Running),
            add(5),
        ]);
        let counts: Vec<_> = rows.iter().map(|row| row.ours.as_ref().map_or(0, |ours| ours.runs)).collect();
        assert_eq!(counts, [5, 3, 2, 2]);
    }

    #[test]
    fn settings_have_cells_of_their_own() {
        let made = [64, 512].map(|rows| MadeRun::new("add", 0.5, 0).batch_size(rows).grokked(40, 120));
        let rows = rows(&made);
        assert_eq!(rows.len(), 8);
        assert!(rows.iter().all(|row| row.ours.as_ref().is_none_or(|ours| ours.runs == 1)));
        assert_eq!((&*rows[0].setting, &*rows[4].setting), ("data.batch_size=64", "data.batch_size=512"));
    }

    #[test]
    fn the_paper_stands_beside_its_recipe_whatever_the_experiment_is_called() {
        let fractions = [0.05, 0.1, 0.2, 0.3];
        let sweep = fractions.map(|fraction| MadeRun::new("add", fraction, 0).memorized(40));
        let found = rows(&sweep);
        let paper: Vec<_> = found.iter().map(|row| row.paper.as_ref().unwrap().rmse).collect();
        assert_eq!(paper, [24.33, 2.19, 2.08, 3.21]);
        let points: Vec<_> = found.iter().map(|row| row.paper_points.unwrap()).collect();
        assert_eq!(points, [24.06, 2.07, 2.27, 3.68]);
        let another = fractions.map(|fraction| MadeRun::new("add", fraction, 0).batch_size(64).memorized(40));
        assert!(
            rows(&another).iter().all(|row| row.ours.is_some()
                == (row.cell != Cell::Grokked && row.cell != Cell::FinalGrokked)
                && row.paper.is_none())
        );
        assert!(rows(&sweep[1..]).iter().all(|row| row.paper.is_none()), "a part of the study");
    }
}
