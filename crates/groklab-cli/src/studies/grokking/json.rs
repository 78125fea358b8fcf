//! `groklab table --json`: keys are those of runs.csv and rmse.csv.

use super::{
    RmseRow, RunSummary,
    csv::{rmse_lines, run_rows},
};
use crate::render::json::lines;

/// An object with the rows of rmse.csv and of runs.csv, on several lines.
pub fn table_json(runs: &[RunSummary], cells: &[RmseRow]) -> Result<String, serde_json::Error> {
    let rmse: Vec<_> = rmse_lines(cells).collect();
    let runs: Vec<_> = run_rows(runs).collect();
    lines(&serde_json::json!({ "rmse": rmse, "runs": runs }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        render::json::{Answered, claims_json},
        store::made::MadeRun,
        studies::grokking::{
            Experiment, Pool, Pooling, claims::answers, groups, planned, pools, rmse_rows, summarize,
        },
    };

    fn pools_of(experiment: &Experiment) -> Vec<Pool<'_>> {
        pools(experiment, &groups(experiment), Pooling::PerSetting)
    }

    #[test]
    fn keys_are_the_columns_of_the_csv_files_and_gaps_are_null() {
        let runs = vec![MadeRun::new("add", 0.5, 0).memorized(40).record()];
        let experiment = planned("binary-ops", runs);
        let runs = summarize(&experiment);
        let cells = rmse_rows("binary-ops", &pools_of(&experiment)[0]);
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
        let experiment = planned("study", runs);
        let answers = &answers(&pools_of(&experiment))[0];
        let json = claims_json(&[Answered { experiment: "study", answers }]).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json[0]["experiment"], &json[0]["runs"]), (&"study".into(), &5.into()));
        let start = &json[0]["claims"][0];
        assert_eq!((&start["id"], &start["verdict"]), (&"lar-half-at-start".into(), &"yes".into()));
        assert_eq!(start["parts"][0]["expected"], serde_json::json!({ "within": [0.475, 0.525] }));
        assert_eq!(start["parts"][0]["agreement"], serde_json::json!({ "agree": 5, "of": 5 }));
        assert_eq!(start["parts"][0]["mean"], 0.5);
    }
}
