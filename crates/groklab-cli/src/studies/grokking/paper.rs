//! The numbers of arXiv 2605.28975v1 (CC BY 4.0) to stand beside ours: Table 1 as printed, and five-seed means read
//! from its vector figures. `docs/paper/` holds the files and says how firmly each number is known.
//!
//! They stand beside runs of the paper's recipe, and beside no others: its model, optimiser and batches, one of its
//! twelve tables by what is in it, one of its fractions. What experiment and task are called decides nothing; seeds,
//! budget and what is recorded are no part of it.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::Cell;
use crate::kinds::operations::config::{Preset, RunConfig};

const REFERENCE: &str = include_str!("../../../../../docs/paper/reference.csv");
const TABLE1: &str = include_str!("../../../../../docs/paper/table1.csv");
const FIGURE3: &str = include_str!("../../../../../docs/paper/figure3.csv");

/// Epochs after which the paper gives a run up.
pub const BUDGET: u64 = 50_000;
/// Epochs that it goes on after grokking.
pub const PATIENCE: u64 = 2_000;

/// The paper's operations in its own order: our task name, the paper's spelling, and how figures write it.
const TASKS: [(&str, &str, &str); 12] = [
    ("add", "x+y", "x + y"),
    ("sub", "x-y", "x − y"),
    ("div", "x/y", "x / y"),
    ("div_or_sub", "x/y if y odd else x-y", "x / y if y odd else x − y"),
    ("x2_y2", "x^2+y^2", "x² + y²"),
    ("x2_xy_y2", "x^2+xy+y^2", "x² + xy + y²"),
    ("x2_xy_y2_x", "x^2+xy+y^2+x", "x² + xy + y² + x"),
    ("x3_xy", "x^3+xy", "x³ + xy"),
    ("x3_xy2_y", "x^3+xy^2+y", "x³ + xy² + y"),
    ("s5_mul", "S5 x*y", "x · y in S₅"),
    ("s5_conj", "S5 x*y*x^-1", "x · y · x⁻¹ in S₅"),
    ("s5_aba", "S5 x*y*x", "x · y · x in S₅"),
];

/// SHA-256 of their tables, in the same order; `tests/suite/outputs.rs` holds them against the shipped tasks.
pub const DIGESTS: [&str; 12] = [
    "ecf74b0bd6d43d3c2254a2116252cfe4d8ab6d456d4ba12c8ab8a67eff75d051",
    "6f91462d2129fe5d2e1fb378188659de7b84791e3e5549db4612917d61713d3d",
    "1a34d2dca35c514823f29ff2d33c77ba8488607bcffed4e826099fc55832a2de",
    "9882a30c6c4d51d56027f107d18091f14784e12606cea8991f69cb550f9b568f",
    "e3611b044fc8bbb0dca784f3a6518938838b00c0ced03883c11da3ba390900b1",
    "07c706edffdb305ebbb07acf2a8cb1be1a0cb06279a38dcbfa5bed70e5230609",
    "2ec0f85fcc80d0ca724377004fe5a9e8b058d08c16fe9fa8d92d73820d945773",
    "4a64612e1efb71936c0e426df404a5415cf82925978b5b1a5df924d00b3f7c14",
    "0aacc72e81e416166b46930dc8b2b7c502a89c17339bcd45eea9cfd72d77fa95",
    "3d8ea35dabba3df483aa3c60c9f3787d494920a8be8cc75e1f695d9b969f8b34",
    "3e22a3e2cc315e2b416b862b87e8aa2a683b7d8ac1c0e790860e42f0437f3e3d",
    "9e518dabe5fe6ac0a014b58834b474bd51fdafa42e60592f06c60510d75c49e0",
];

/// Place of a task in the paper's list; tasks it does not have come after.
pub fn task_order(task: &str) -> usize {
    TASKS.iter().position(|(ours, ..)| *ours == task).unwrap_or(TASKS.len())
}

/// A task as mathematics, or its plain name if the paper does not have it.
pub fn task_title(task: &str) -> &str {
    TASKS.iter().find(|(ours, ..)| *ours == task).map_or(task, |(.., title)| title)
}

/// Means over the paper's five seeds for one task; empty where the event never happened or could not be read.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Reference {
    #[serde(rename = "experiment")]
    study: Study,
    task: String,
    train_fraction: f64,
    /// Epoch of memorization.
    pub memorized_epoch_mean: Option<f64>,
    /// Epoch of grokking.
    pub grokked_epoch_mean: Option<f64>,
    /// LAR at initialisation.
    pub lar_epoch0: Option<f64>,
    /// LAR after one epoch.
    pub lar_epoch1: Option<f64>,
    /// LAR after 20 epochs.
    pub lar_epoch20: Option<f64>,
    /// LAR after 40 epochs.
    pub lar_epoch40: Option<f64>,
    /// LAR when memorized.
    pub lar_memorized: Option<f64>,
    /// LAR when grokked.
    pub lar_grokked: Option<f64>,
    /// LAR at the end.
    pub lar_final: Option<f64>,
    /// k95 at the end.
    pub k95_final: Option<f64>,
}

impl Reference {
    /// The LARs that could be read, with their epochs where these increase: at 0, 1, 20, 40, memorized, grokked, final.
    pub fn lars(&self) -> Vec<(f64, f64)> {
        let early = [
            (0.0, self.lar_epoch0),
            (1.0, self.lar_epoch1),
            (20.0, self.lar_epoch20),
            (40.0, self.lar_epoch40),
        ];
        let later = [
            (self.memorized_epoch_mean, self.lar_memorized),
            (self.grokked_epoch_mean, self.lar_grokked),
            (Some(self.final_epoch()), self.lar_final),
        ];
        let early = early.into_iter().map(|(epoch, lar)| (Some(epoch), lar));
        let mut found: Vec<(f64, f64)> = Vec::new();
        for (epoch, lar) in early.chain(later).filter_map(|(epoch, lar)| epoch.zip(lar)) {
            if found.last().is_none_or(|(last, _)| epoch > *last) {
                found.push((epoch, lar));
            }
        }
        found
    }

    /// Epoch of the end as the paper trains: 2,000 epochs after grokking, or 50,000.
    pub fn final_epoch(&self) -> f64 {
        self.grokked_epoch_mean.map_or(BUDGET as f64, |epoch| epoch + PATIENCE as f64)
    }
}

/// A row of the paper's Table 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Study {
    /// Twelve operations, half of the table.
    BinaryOps,
    /// x + y at four fractions of the table.
    AddFractions,
}

impl Study {
    const ALL: [Self; 2] = [Self::BinaryOps, Self::AddFractions];

    /// Its name in the files.
    fn setup(self) -> &'static str {
        match self {
            Self::BinaryOps => "12_binary_operations",
            Self::AddFractions => "modular_addition_fraction_sweep",
        }
    }

    /// The study whose groups of runs these are: each has the paper's recipe, and none of its tasks and fractions is
    /// missing. Part of a study is not it: its RMSE is one over other runs.
    pub fn of<'a>(groups: impl Iterator<Item = Option<&'a Reference>>) -> Option<Self> {
        let groups: Vec<&Reference> = groups.collect::<Option<_>>()?;
        let ours: BTreeSet<String> = groups.iter().map(|group| group.key()).collect();
        let whole = |study: &Self| {
            let rows = rows::<Reference>(REFERENCE).filter(|row| row.study == *study);
            rows.map(|row| row.key()).collect::<BTreeSet<_>>() == ours
        };
        Self::ALL.into_iter().find(whole)
    }
}

impl Reference {
    fn key(&self) -> String {
        format!("{} {}", self.task, self.train_fraction)
    }
}

/// The paper's means for runs of its recipe; none for any other config, and for a table (by its digest) or a fraction
/// that it does not have.
pub fn reference(config: &RunConfig, table_digest: &str) -> Option<Reference> {
    let (_, spelling, _) = TASKS.iter().zip(DIGESTS).find(|(_, digest)| *digest == table_digest)?.0;
    // whatever does not determine what a step computes may differ
    let recipe = RunConfig {
        split_seed: config.split_seed,
        train: config.train,
        probe: config.probe.clone(),
        ..Preset::Paper.config(&config.task, config.train_fraction, config.seed)
    };
    let mut rows = rows::<Reference>(REFERENCE).filter(|_| recipe == *config);
    rows.find(|row| row.task == *spelling && (row.train_fraction - config.train_fraction).abs() < 1e-9)
}

/// A cell of the paper's Table 1.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Table1 {
    setup: String,
    checkpoint: Cell,
    /// RMSE of k95 against k_pred.
    pub rmse: f64,
    /// Half of the 95 % bootstrap interval.
    pub half_ci: f64,
}

/// The paper's RMSE for one of its two studies.
pub fn table1(study: Study, cell: Cell) -> Option<Table1> {
    rows::<Table1>(TABLE1).find(|row| row.setup == study.setup() && row.checkpoint == cell)
}

/// A cell of Table 1 from the points of the paper's own Fig. 3.
#[derive(Deserialize)]
struct Figure3 {
    setup: String,
    checkpoint: Cell,
    rmse: Option<f64>,
}

/// The RMSE of the points that the paper's Fig. 3 shows, where it is not that of its Table 1.
pub fn figure3(study: Study, cell: Cell) -> Option<f64> {
    rows::<Figure3>(FIGURE3).find(|row| row.setup == study.setup() && row.checkpoint == cell)?.rmse
}

// the files are part of the program; a test reads every row of them
fn rows<T: serde::de::DeserializeOwned>(text: &'static str) -> impl Iterator<Item = T> {
    csv::Reader::from_reader(text.as_bytes()).into_deserialize().flatten()
}

/// `runs` with the paper's tables behind those tasks that it has, for tests.
#[cfg(test)]
pub(crate) fn with_tables(mut runs: Vec<crate::store::RunRecord>) -> Vec<crate::store::RunRecord> {
    for run in &mut runs {
        if let Some(i) = TASKS.iter().position(|(ours, ..)| *ours == run.manifest.data) {
            run.manifest.data_digest = DIGESTS[i].to_owned();
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::operations::config::LastBatch;

    fn digest(task: &str) -> &'static str {
        DIGESTS[TASKS.iter().position(|(ours, ..)| *ours == task).unwrap()]
    }

    fn paper(task: &str, fraction: f64) -> Option<Reference> {
        reference(&Preset::Paper.config(task, fraction, 7), digest(task))
    }

    #[test]
    fn every_row_of_the_files_is_read_and_belongs_to_a_task_of_ours() {
        let references: Vec<Reference> = rows(REFERENCE).collect();
        assert_eq!(references.len(), REFERENCE.lines().count() - 1);
        assert_eq!(rows::<Table1>(TABLE1).count(), TABLE1.lines().count() - 1);
        assert_eq!(rows::<Figure3>(FIGURE3).count(), FIGURE3.lines().count() - 1);
        for row in references {
            let (ours, ..) = TASKS.iter().find(|(_, spelling, _)| *spelling == row.task).unwrap();
            assert_eq!(paper(ours, row.train_fraction).unwrap(), row);
        }
    }

    #[test]
    fn printed_numbers_are_found_under_our_names() {
        let memorized = table1(Study::BinaryOps, Cell::Memorized).unwrap();
        assert_eq!((memorized.rmse, memorized.half_ci), (24.90, 1.67));
        let last = table1(Study::AddFractions, Cell::FinalNoGrok).unwrap();
        assert_eq!((last.rmse, last.half_ci), (3.21, 0.55));
        assert_eq!(figure3(Study::AddFractions, Cell::FinalNoGrok), Some(3.68));
        assert_eq!(figure3(Study::BinaryOps, Cell::Grokked), None, "it is that of the table");
        let add = paper("add", 0.5).unwrap();
        assert_eq!((add.grokked_epoch_mean, add.lar_final), (Some(132.0), Some(0.710)));
        assert_eq!(paper("x3_xy", 0.5).unwrap().final_epoch(), 50_000.0);
    }

    #[test]
    fn the_recipe_decides_and_no_name() {
        let config = Preset::Paper.config("mine", 0.5, 7);
        assert_eq!(reference(&config, digest("add")), paper("add", 0.5), "a table by another name");
        assert_eq!(reference(&config, "another table"), None);
        assert_eq!(paper("add", 0.4), None);
        assert_eq!(paper("sub", 0.3), None, "the paper sweeps fractions of x + y alone");
        // the budget, the seeds and what is recorded are no part of the recipe
        let mut same = Preset::Paper.config("add", 0.5, 7);
        (same.split_seed, same.train.max_epochs, same.train.patience) = (3, 300, 1);
        (same.probe.every, same.probe.dense_until) = (7, 60);
        same.probe.diagnostics.clear();
        assert_eq!(reference(&same, digest("add")), paper("add", 0.5));
        let changes: [fn(&mut RunConfig); 4] = [
            |config| config.data.batch_size = 64,
            |config| config.data.last_batch = LastBatch::Drop,
            |config| config.model.n_layers = 1,
            |config| config.optim.weight_decay = 0.1,
        ];
        for change in changes {
            let mut other = Preset::Paper.config("add", 0.5, 7);
            change(&mut other);
            assert_eq!(reference(&other, digest("add")), None);
        }
    }

    #[test]
    fn a_study_is_all_of_its_tasks_and_nothing_else() {
        let twelve: Vec<_> = TASKS.iter().map(|(task, ..)| paper(task, 0.5)).collect();
        let study = |groups: &[Option<Reference>]| Study::of(groups.iter().map(Option::as_ref));
        assert_eq!(study(&twelve), Some(Study::BinaryOps));
        assert_eq!(study(&twelve[1..]), None);
        assert_eq!(study(&[&twelve[..], &[None]].concat()), None);
        assert_eq!(study(&[&twelve[..], &[paper("add", 0.3)]].concat()), None);
        let fractions = [0.05, 0.1, 0.2, 0.3].map(|fraction| paper("add", fraction));
        assert_eq!(study(&fractions), Some(Study::AddFractions));
        assert_eq!(study(&[]), None);
    }
}
