//! What `table` and `claims` print, as JSON for another program: keys are those of runs.csv and rmse.csv, floats read
//! back exactly, what never happened or is not a number is null.

use serde::Serialize;

use super::csv::{rmse_lines, run_rows};
use crate::analysis::{
    RmseRow, RunSummary,
    claims::{Claim, TimeToGrok},
};

/// What the claims of one experiment were answered.
#[derive(Serialize)]
pub struct Answers<'a> {
    /// Experiment.
    pub experiment: &'a str,
    /// Its readable runs.
    pub runs: usize,
    /// The answers.
    pub claims: Vec<Claim>,
    /// A line for each group of runs.
    pub time_to_grok: Vec<TimeToGrok>,
}

/// An object with the rows of rmse.csv and of runs.csv, on several lines.
pub fn table_json(runs: &[RunSummary], cells: &[RmseRow]) -> Result<String, serde_json::Error> {
    let rmse: Vec<_> = rmse_lines(cells).collect();
    let runs: Vec<_> = run_rows(runs).collect();
    lines(&serde_json::json!({ "rmse": rmse, "runs": runs }))
}

/// A list with an object for each experiment, on several lines.
pub fn claims_json(experiments: &[Answers<'_>]) -> Result<String, serde_json::Error> {
    lines(&experiments)
}

fn lines(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(value).map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{claims::claims, rmse_rows, summarize},
        store::{Experiment, made::MadeRun},
    };

    #[test]
    fn keys_are_the_columns_of_the_csv_files_and_gaps_are_null() {
        let runs = vec![MadeRun::new("add", 0.5, 0).memorized(40).record()];
        let experiment = Experiment { name: "binary-ops".into(), runs, ..Default::default() };
        let runs = summarize(&experiment);
        let cells = rmse_rows("binary-ops", &runs);
        let json: serde_json::Value = serde_json::from_str(&table_json(&runs, &cells).unwrap()).unwrap();
        for (list, bytes) in [
            ("runs", super::super::csv::runs_csv(&runs).unwrap()),
            ("rmse", super::super::csv::rmse_csv(&cells).unwrap()),
        ] {
            let mut columns: Vec<String> = csv_heads(&bytes);
            columns.sort();
            let keys: Vec<String> = json[list][0].as_object().unwrap().keys().cloned().collect();
            assert_eq!(keys, columns, "{list}");
        }
        assert_eq!(json["runs"][0]["memorized_lar"], 0.54);
        assert!(json["runs"][0]["grokked_epoch"].is_null());
    }

    fn csv_heads(bytes: &[u8]) -> Vec<String> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.lines().next().unwrap().split(',').map(str::to_owned).collect()
    }

    #[test]
    fn answers_carry_their_numbers() {
        let runs = (0..5).map(|seed| MadeRun::new("add", 0.5, seed).grokked(40, 120).record()).collect();
        let experiment = Experiment { name: "study".into(), runs, ..Default::default() };
        let answers =
            Answers { experiment: "study", runs: 5, claims: claims(&experiment), time_to_grok: Vec::new() };
        let json: serde_json::Value = serde_json::from_str(&claims_json(&[answers]).unwrap()).unwrap();
        let start = &json[0]["claims"][0];
        assert_eq!((&start["id"], &start["verdict"]), (&"lar-half-at-start".into(), &"yes".into()));
        assert_eq!(start["parts"][0]["expected"], serde_json::json!({ "within": [0.475, 0.525] }));
        assert_eq!(start["parts"][0]["agreement"], serde_json::json!({ "agree": 5, "of": 5 }));
        assert_eq!(start["parts"][0]["mean"], 0.5);
    }
}
