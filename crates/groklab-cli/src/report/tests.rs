//! What the file promises as a whole: its data are the results, its names are harmless, its bytes are always the same.

use serde_json::Value;

use super::*;
use crate::{
    kinds::operations::config::RunConfig,
    render::claims::ClaimRow,
    store::{
        RunRecord, RunState, SpectrumRow,
        made::{self, MadeRun},
    },
    studies::grokking::{RunDigest, groups, planned, pools, rmse_rows, summarize},
};

/// One of every kind of run.
fn records() -> Vec<RunRecord> {
    let made = [
        MadeRun::new("add", 0.5, 0).grokked(40, 120),
        MadeRun::new("add", 0.5, 1).grokked(60, 140).collapsed(180).shift(0.013),
        MadeRun::new("x3_xy", 0.5, 0).memorized(60),
        MadeRun::new("x3_xy", 0.5, 1).state(RunState::Running),
        MadeRun::new("sub", 0.5, 0).diverged(100),
    ];
    made.iter().map(MadeRun::record).collect()
}

fn study() -> Experiment {
    planned("binary-ops", records())
}

/// A spectrum at epoch 0 and at the end, of four directions, one without weight.
fn spectra(run: &RunDigest) -> Vec<SpectrumRow> {
    let row = |checkpoint, epoch, i: usize| SpectrumRow {
        run: run.id().to_owned(),
        checkpoint: String::from(checkpoint),
        epoch,
        i,
        singular_value: (4 - i) as f64,
        p: ((4 - i) as f64).powi(2) / 14.0,
        q: 0.1 * i as f64,
        covariance_eigenvalue: 1.0,
    };
    [("initial", 0), ("final", 200)]
        .into_iter()
        .flat_map(|(checkpoint, epoch)| (1..=4).map(move |i| row(checkpoint, epoch, i)))
        .collect()
}

fn section(experiment: &Experiment) -> Section<'_> {
    let ids = || experiment.runs.iter().map(|run| run.id().to_owned());
    let evidence =
        Evidence { spectra: ids().zip(experiment.runs.iter().map(spectra)).collect(), ..Evidence::default() };
    let links = ids().map(|id| (id, "./runs/x/".into())).collect();
    Section { experiment, evidence, links, claims: Vec::new(), pooling: Pooling::PerSetting }
}

fn page(experiment: &Experiment) -> String {
    String::from_utf8(html(&[section(experiment)], &[], &[], None, None).unwrap()).unwrap()
}

/// The JSON block as a browser takes it from the page: up to the first end of a script.
fn block(page: &str) -> Value {
    let (_, rest) = page.split_once("<script id=\"data\" type=\"application/json\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// Whether a JSON number is `value` to five digits, or null where `value` is not finite.
fn agrees(json: &Value, value: f64) -> bool {
    match json.as_f64() {
        None => json.is_null() && !value.is_finite(),
        Some(number) => (number - value).abs() <= 0.5e-4 * value.abs() * (1.0 + 1e-9),
    }
}

#[test]
fn the_data_are_the_results() {
    let mut records = records();
    // numbers that need rounding, and very small ones
    let mut rows = MadeRun::new("add", 0.5, 0).grokked(40, 120).rows();
    for (i, row) in rows.iter_mut().enumerate() {
        (row.train_loss, row.val_loss) = (1e-9 / (i as f64 + 3.0), 7.0 / 3.0 * i as f64);
    }
    records[0].metrics = made::metrics(&rows);
    let experiment = planned("binary-ops", records.clone());
    let data = block(&page(&experiment));
    let runs = data["experiments"][0]["runs"].as_array().unwrap();
    assert_eq!(runs.len(), records.len());
    for run in runs {
        let record = records.iter().find(|r| run["id"] == r.manifest.run.as_str()).unwrap();
        let strides: Vec<[u64; 3]> = serde_json::from_value(run["epochs"].clone()).unwrap();
        let epochs: Vec<u64> =
            strides.iter().flat_map(|[at, by, n]| (0..*n).map(move |i| at + i * by)).collect();
        assert!(epochs.into_iter().eq(record.metrics.iter().map(|row| row.mark.epoch)));
        let columns = [
            "train_loss",
            "val_loss",
            "train_accuracy",
            "val_accuracy",
            "lar",
            "k_pred",
            "k95",
            "pearson",
            "stable_rank",
            "effective_rank",
            "weight_norm",
        ];
        assert_eq!(run["columns"].as_object().unwrap().len(), columns.len());
        for name in columns {
            let column = run["columns"][name].as_array().unwrap();
            assert_eq!(column.len(), record.metrics.len());
            for (json, row) in column.iter().zip(record.metrics.iter()) {
                assert!(agrees(json, row.get(name)), "{name} at {}: {json}", row.mark.epoch);
            }
        }
        assert_eq!(
            run["config"].as_str().unwrap().parse::<toml::Table>().unwrap(),
            toml::Table::try_from(RunConfig::of_recipe(&record.recipe, record.manifest.budget).unwrap())
                .unwrap()
        );
        let recorded = spectra(&RunDigest::of(record.clone()).unwrap());
        let written = run["spectra"].as_array().unwrap();
        assert_eq!(written.len(), 2);
        for (json, row) in written.iter().flat_map(|s| s["p"].as_array().unwrap()).zip(&recorded) {
            assert!(agrees(json, row.p));
        }
        for (json, row) in written.iter().flat_map(|s| s["q"].as_array().unwrap()).zip(&recorded) {
            assert!(agrees(json, row.q));
        }
        assert!(agrees(&written[0]["lar"], record.metrics.at(0).unwrap().get("lar")));
    }
}

#[test]
fn milestones_and_tables_are_those_of_the_table() {
    let experiment = study();
    let text = page(&experiment);
    let data = block(&text);
    let runs = data["experiments"][0]["runs"].as_array().unwrap();
    for summary in summarize(&experiment) {
        let run = runs.iter().find(|run| run["id"] == summary.run.as_str()).unwrap();
        for (name, point) in
            [("memorized", summary.memorized), ("grokked", summary.grokked), ("last", summary.last)]
        {
            let json = &run[name];
            let Some(point) = point else {
                assert!(json.is_null());
                continue;
            };
            assert_eq!(json["epoch"], point.epoch);
            assert_eq!(
                (json["lar"].as_f64(), json["k_pred"].as_f64()),
                (Some(point.lar), Some(point.k_pred))
            );
            assert_eq!(json["k95"].as_u64(), point.k95.map(u64::from));
        }
    }
    let groups_of = groups(&experiment);
    let cells = rmse_rows("binary-ops", &pools(&experiment, &groups_of, Pooling::PerSetting)[0]);
    let tables = [
        crate::studies::grokking::tables::rmse_table(&cells, &summarize(&experiment)),
        crate::studies::grokking::tables::task_table("binary-ops", &groups(&experiment)),
    ];
    for cell in tables.iter().flat_map(|table| &table.rows).flatten() {
        assert!(text.contains(&format!(">{}</td>", escaped(cell))), "{cell}");
    }
}

#[test]
fn rmse_over_training_is_over_the_runs_alive() {
    let data = block(&page(&study()));
    let curves = data["experiments"][0]["rmse"].as_array().unwrap();
    // three tasks and all runs together
    assert_eq!(curves.len(), 4);
    let all = curves.iter().find(|curve| curve["group"].is_null()).unwrap();
    // five runs at epoch 0; the one that diverged at 100 is out from then on (row 2 + 100/20 - 1 = 6)
    assert_eq!((&all["runs"][0], &all["runs"][6]), (&5.into(), &4.into()));
    // epoch 0: LAR ½, k_pred 128, k95 256; the run shifted by 0.013 has k_pred 128^0.974
    let shifted = 128_f64.powf(0.974);
    let residual = (2.0 * shifted).round() - shifted;
    let expected = ((4.0 * 128_f64.powi(2) + residual.powi(2)) / 5.0).sqrt();
    assert!(agrees(&all["rmse"][0], expected), "{}", all["rmse"][0]);
}

#[test]
fn hostile_names_stay_text() {
    const NAME: &str = "</script><img src=x onerror=alert(1)>\"'&<!--\u{2028}";
    let mut records = records();
    let run = &mut records[0];
    run.manifest.run = NAME.into();
    run.manifest.data = NAME.into();
    run.manifest.failure = Some(NAME.into());
    run.recipe.insert("task".into(), NAME.into());
    let experiment = planned(NAME, records);
    let mut section = section(&experiment);
    section.links.insert(NAME.into(), "./\"><script>alert(1)</script>/".into());
    let claim = ClaimRow {
        title: NAME.into(),
        source: NAME.into(),
        verdict: NAME.into(),
        numbers: vec![NAME.into()],
    };
    section.claims = vec![ClaimSet { heading: NAME.into(), claims: vec![claim] }];
    let text = String::from_utf8(html(&[section], &[], &[], None, None).unwrap()).unwrap();
    assert!(!text.contains("<img") && !text.contains("<script>alert"));
    // the block of data, uPlot, our own script: no other begins or ends
    assert_eq!((text.matches("<script").count(), text.matches("</script").count()), (3, 3));
    assert_eq!(text.matches("<!--").count(), 0);
    let data = block(&text);
    assert_eq!(data["experiments"][0]["name"], NAME);
    let runs = data["experiments"][0]["runs"].as_array().unwrap();
    let run = runs.iter().find(|run| run["id"] == NAME).unwrap();
    assert_eq!(run["link"], "./\"><script>alert(1)</script>/");
    // the address of the run's page, as RFC 3986 has it
    assert!(text.contains(
        "#run/%3C%2Fscript%3E%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%22%27%26%3C%21--%E2%80%A8/"
    ));
}

#[test]
fn the_same_results_give_the_same_bytes_and_nothing_comes_from_elsewhere() {
    let experiment = study();
    let text = page(&experiment);
    assert_eq!(text, page(&experiment));
    let own =
        text.replace("https://arxiv.org/abs/2605.28975", "").replace("https://github.com/leeoniya/uPlot", "");
    let own = own.replace("http://www.w3.org/2000/svg", "");
    assert!(
        !own.contains("http:")
            && !own.contains("https:")
            && !own.contains("url(")
            && !own.contains("@import")
    );
    assert!(text.contains("Permission is hereby granted, free of charge"), "uPlot's licence goes with it");
}

#[test]
fn sixty_long_runs_make_a_file_of_some_megabytes() {
    let mut long = records().swap_remove(0);
    let row = MadeRun::new("add", 0.5, 0).grokked(40, 120).rows()[3].clone();
    let noise = |i: u64, by: f64| (i as f64 * by).sin().abs();
    let rows: Vec<_> = (0..2500)
        .map(|i| {
            let mut row = row.clone();
            (row.epoch, row.step) = (20 * i, 200 * i);
            (row.train_loss, row.val_loss) = (1e-7 * noise(i, 1.1), noise(i, 1.7));
            (row.train_accuracy, row.val_accuracy) = (noise(i, 2.3), noise(i, 3.1));
            (row.lar, row.k_pred, row.pearson) = (noise(i, 1.3), 100.0 * noise(i, 0.7), noise(i, 0.3));
            (row.stable_rank, row.effective_rank, row.weight_norm) =
                (noise(i, 1.9), noise(i, 5.1), noise(i, 4.7));
            row
        })
        .collect();
    long.metrics = made::metrics(&rows);
    let one = page(&planned("long", vec![long.clone()])).len();
    long.metrics = made::metrics(&[]);
    let sixty = 60 * (one - page(&planned("long", vec![long])).len());
    // 60 · 2,500 · 11 numbers of seven characters at most, and a comma; losses have an exponent
    assert!((6_000_000..15_000_000).contains(&sixty), "{sixty}");
}

#[test]
fn colours_are_those_of_the_figures() {
    let theme = include_str!("../render/figure/theme.rs");
    let (_, rest) = theme.split_once("pub const SERIES").unwrap();
    let (_, rest) = rest.split_once("=\n").or_else(|| rest.split_once("= ")).unwrap();
    let numbers: Vec<u8> = rest
        .split_once(';')
        .unwrap()
        .0
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    let colors: Vec<String> =
        numbers.chunks(3).map(|c| format!("\"#{:02x}{:02x}{:02x}\"", c[0], c[1], c[2])).collect();
    assert_eq!(colors.len(), 6);
    assert!(SCRIPTS[0].contains(&format!("const SERIES = [{}];", colors.join(", "))), "{colors:?}");
}
