//! The numbers of arXiv 2605.28975v1 (CC BY 4.0) to stand beside ours: Table 1 as printed, and five-seed means read
//! from its vector figures. `docs/paper/` holds the files and says how firmly each number is known.

use serde::Deserialize;

use super::Cell;

const REFERENCE: &str = include_str!("../../docs/paper/reference.csv");
const TABLE1: &str = include_str!("../../docs/paper/table1.csv");

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
    experiment: String,
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
}

impl Reference {
    /// Epoch of the end as the paper trains: 2,000 epochs after grokking, or 50,000.
    pub fn final_epoch(&self) -> f64 {
        self.grokked_epoch_mean.map_or(50_000.0, |epoch| epoch + 2_000.0)
    }
}

/// The paper's means for a task of one of its two studies, if it has them.
pub fn reference(experiment: &str, task: &str, train_fraction: f64) -> Option<Reference> {
    let (_, spelling, _) = TASKS.iter().find(|(ours, ..)| *ours == task)?;
    rows::<Reference>(REFERENCE).find(|row| {
        row.experiment == experiment
            && row.task == *spelling
            && (row.train_fraction - train_fraction).abs() < 1e-9
    })
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
pub fn table1(experiment: &str, cell: Cell) -> Option<Table1> {
    let setup = match experiment {
        "binary-ops" => "12_binary_operations",
        "add-fractions" => "modular_addition_fraction_sweep",
        _ => return None,
    };
    rows::<Table1>(TABLE1).find(|row| row.setup == setup && row.checkpoint == cell)
}

// the files are part of the program; a test reads every row of them
fn rows<T: serde::de::DeserializeOwned>(text: &'static str) -> impl Iterator<Item = T> {
    csv::Reader::from_reader(text.as_bytes()).into_deserialize().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_files_is_read_and_belongs_to_a_task_of_ours() {
        let references: Vec<Reference> = rows(REFERENCE).collect();
        assert_eq!(references.len(), REFERENCE.lines().count() - 1);
        assert_eq!(rows::<Table1>(TABLE1).count(), TABLE1.lines().count() - 1);
        for row in references {
            let (ours, ..) = TASKS.iter().find(|(_, spelling, _)| *spelling == row.task).unwrap();
            assert_eq!(reference(&row.experiment, ours, row.train_fraction).unwrap(), row);
        }
    }

    #[test]
    fn printed_numbers_are_found_under_our_names() {
        let memorized = table1("binary-ops", Cell::Memorized).unwrap();
        assert_eq!((memorized.rmse, memorized.half_ci), (24.90, 1.67));
        let last = table1("add-fractions", Cell::FinalNoGrok).unwrap();
        assert_eq!((last.rmse, last.half_ci), (3.21, 0.55));
        let add = reference("binary-ops", "add", 0.5).unwrap();
        assert_eq!((add.grokked_epoch_mean, add.lar_final), (Some(132.0), Some(0.710)));
        assert_eq!(reference("binary-ops", "x3_xy", 0.5).unwrap().final_epoch(), 50_000.0);
    }

    #[test]
    fn other_experiments_and_tasks_have_no_paper_numbers() {
        assert_eq!(table1("quick", Cell::Memorized), None);
        assert_eq!(reference("quick", "add", 0.5), None);
        assert_eq!(reference("binary-ops", "add", 0.3), None);
        assert_eq!(reference("binary-ops", "mine", 0.5), None);
    }
}
