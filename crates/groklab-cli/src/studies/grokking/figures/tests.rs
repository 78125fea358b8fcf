//! Properties that every figure has, whatever the runs: nothing cut, nothing on top of another, the same bytes.

use crate::render::figure::{
    backend::text_width,
    scene::{Mark, Side},
    *,
};
use crate::{
    store::{
        self, Diagnostics, RunRecord, RunState,
        made::{self, MadeRow, MadeRun},
    },
    studies::grokking::{Experiment, KeyFrequencies, Pooling, RunDigest, figures::*, groups, planned, pools},
};

const TASKS: [&str; 12] = [
    "add",
    "sub",
    "div",
    "div_or_sub",
    "x2_y2",
    "x2_xy_y2",
    "x2_xy_y2_x",
    "x3_xy",
    "x3_xy2_y",
    "s5_mul",
    "s5_conj",
    "s5_aba",
];

fn experiment(name: &str, made: Vec<MadeRun>) -> Experiment {
    planned(name, made.iter().map(MadeRun::record).collect())
}

/// One of every kind of experiment a reader may have.
fn experiments() -> Vec<Experiment> {
    let all = TASKS.iter().flat_map(|task| {
        (0..5).map(|seed| MadeRun::new(task, 0.5, seed).grokked(40, 120).shift(0.01 * seed as f64))
    });
    vec![
        experiment("binary-ops", all.collect()),
        experiment("add-fractions", [0.05, 0.1, 0.2, 0.3].map(|f| MadeRun::new("add", f, 0)).to_vec()),
        experiment("batch-dip", [64, 512, 4704].map(|n| MadeRun::new("add", 0.5, 0).batch_size(n)).to_vec()),
        experiment("one", vec![MadeRun::new("a_task_of_mine_with_quite_a_long_name_indeed", 0.5, 0)]),
        experiment("never", vec![MadeRun::new("x3_xy", 0.5, 0), MadeRun::new("x3_xy", 0.5, 1)]),
        experiment(
            "broken",
            vec![
                MadeRun::new("add", 0.5, 0).diverged(0),
                MadeRun::new("sub", 0.5, 0).grokked(40, 100).diverged(120),
                MadeRun::new("div", 0.5, 0).state(RunState::Running),
                MadeRun::new("s5_mul", 0.5, 0).state(RunState::Failed),
                MadeRun::new("s5_conj", 0.5, 0).grokked(40, 100).collapsed(140),
            ],
        ),
        experiment("seeds", (0..13).map(|seed| MadeRun::new("add", 0.5, seed).grokked(40, 120)).collect()),
        experiment("fractions", (1..30).map(|i| MadeRun::new("add", 0.03 * f64::from(i), 0)).collect()),
        experiment(
            "row",
            (0..6).map(|i| MadeRun::new(["add", "sub", "div"][i % 3], 0.5, i as u64 / 3)).collect(),
        ),
        dense(&[32, 64, 512, 4704, 4800]),
    ]
}

/// The same runs, evaluated at every epoch to 60, with a dip that is deeper the larger the batch.
fn dense(batch_sizes: &[usize]) -> Experiment {
    let runs = batch_sizes.iter().flat_map(|rows| (0..3).map(|seed| dipping(*rows, seed))).collect();
    planned("batch-dip", runs)
}

fn dipping(rows: usize, seed: u64) -> RunRecord {
    let run = MadeRun::new("add", 0.5, seed).batch_size(rows);
    let first = &run.rows()[0];
    let depth = (rows as f64).ln() / 40.0;
    let row = |epoch: u64| {
        let lar = 0.5 + 0.004 * seed as f64 - depth * (epoch as f64 / 10.0).sin().max(0.0);
        MadeRow { epoch, step: epoch * 4704_u64.div_ceil(rows as u64), lar, ..first.clone() }
    };
    RunRecord { metrics: made::metrics(&(0..=60).map(row).collect::<Vec<_>>()), ..run.record() }
}

/// Made-up spectra of every run at its milestones, p zero beyond direction 97, and made-up key frequencies.
fn evidence(experiment: &Experiment) -> Evidence {
    let mut evidence = Evidence::default();
    for run in &experiment.runs {
        let mark = |name: &str| run.manifest().milestones.get(name).map(|mark| mark.epoch);
        let last = run.last().map(|row| row.epoch);
        let states = [
            ("initial", Some(0)),
            ("memorized", mark("memorized")),
            ("grokked", mark("grokked")),
            ("final", last.filter(|_| run.is_finished())),
        ];
        let rows = states.into_iter().filter_map(|(checkpoint, epoch)| Some((checkpoint, epoch?)));
        let rows = rows.flat_map(|(checkpoint, epoch)| {
            (1..=128).map(move |i| store::SpectrumRow {
                run: String::new(),
                checkpoint: checkpoint.to_owned(),
                epoch,
                i,
                singular_value: 1.0,
                p: if i > 97 { 0.0 } else { 0.2 / (i * i) as f64 },
                q: 0.1 / i as f64,
                covariance_eigenvalue: 1.0,
            })
        });
        let id = run.id().to_owned();
        evidence.spectra.insert(id.clone(), rows.collect());
        let key = KeyFrequencies { frequencies: vec![1, 2, 3], dimension: 6 };
        let frequencies = crate::studies::grokking::UnembeddingFrequencies {
            additive: key.clone(),
            multiplicative: Some(key),
        };
        evidence.frequencies.insert(id.clone(), frequencies);
        evidence.diagnostics.insert(id, matrix_lars(run));
    }
    evidence
}

/// A LAR for every matrix of the run's model: the unembedding's, less a hundredth for each matrix before it.
fn matrix_lars(run: &RunDigest) -> Diagnostics {
    let layers = ["attn.q", "attn.k", "attn.v", "attn.o", "mlp.up", "mlp.down"];
    let blocks =
        (0..run.config().model.n_layers).flat_map(|l| layers.map(|layer| format!("lar.blocks.{l}.{layer}")));
    let columns: Vec<String> =
        ["lar.embed.token".into()].into_iter().chain(blocks).chain(["lar.unembed".into()]).collect();
    let values = |lar: f64| (0..columns.len()).rev().map(|i| lar - 0.01 * i as f64).collect();
    let rows = run.curve().iter().map(|row| (row.epoch, values(row.lar))).collect();
    Diagnostics { columns, rows }
}

fn drawn(experiment: &Experiment) -> Vec<Figure> {
    drawn_with(experiment, &evidence(experiment))
}

fn drawn_with(experiment: &Experiment, evidence: &Evidence) -> Vec<Figure> {
    let groups = groups(experiment);
    figures(&groups, &pools(experiment, &groups, Pooling::PerSetting), evidence)
}

fn scenes(experiment: &Experiment) -> Vec<Scene> {
    drawn(experiment).into_iter().filter_map(|figure| figure.pages.ok()).flatten().collect()
}

fn texts(scene: &Scene) -> Vec<&str> {
    let marks = scene.marks.iter();
    marks
        .filter_map(|mark| if let Mark::Text { text, .. } = mark { Some(text.as_str()) } else { None })
        .collect()
}

/// Left, top, right, bottom.
type Box = (f64, f64, f64, f64);

fn bounds(mark: &Mark) -> Box {
    let around = |points: &[(f64, f64)], margin: f64| {
        points.iter().fold((f64::MAX, f64::MAX, f64::MIN, f64::MIN), |b, p| {
            (b.0.min(p.0 - margin), b.1.min(p.1 - margin), b.2.max(p.0 + margin), b.3.max(p.1 + margin))
        })
    };
    match mark {
        Mark::Line { points, width, .. } => around(points, width / 2.0),
        Mark::Area { points, .. } => around(points, 0.0),
        Mark::Disc { at, radius, .. } => around(&[*at], *radius),
        Mark::Text { at, text, size, bold, side, upwards, .. } => {
            let width = text_width(text, *size, *bold);
            let before = match side {
                Side::Left => 0.0,
                Side::Middle => width / 2.0,
                Side::Right => width,
            };
            // ascender and descender of the letters in use
            let (up, down) = (0.76 * size, 0.2 * size);
            if *upwards {
                (at.0 - up, at.1 - (width - before), at.0 + down, at.1 + before)
            } else {
                (at.0 - before, at.1 - up, at.0 + width - before, at.1 + down)
            }
        }
    }
}

#[test]
fn nothing_is_cut_at_the_border() {
    for experiment in experiments() {
        for scene in scenes(&experiment) {
            for mark in &scene.marks {
                let (left, top, right, bottom) = bounds(mark);
                let inside = left >= 0.0 && top >= 0.0 && right <= scene.width && bottom <= scene.height;
                assert!(inside, "{}: {mark:?}", experiment.name);
            }
        }
    }
}

#[test]
fn no_text_stands_on_another() {
    for experiment in experiments() {
        for scene in scenes(&experiment) {
            let texts: Vec<_> = scene.marks.iter().filter(|m| matches!(m, Mark::Text { .. })).collect();
            for (i, a) in texts.iter().enumerate() {
                for b in &texts[..i] {
                    let (p, q) = (bounds(a), bounds(b));
                    let apart = p.2 <= q.0 || q.2 <= p.0 || p.3 <= q.1 || q.3 <= p.1;
                    assert!(apart, "{}: {a:?} on {b:?}", experiment.name);
                }
            }
        }
    }
}

#[test]
fn the_same_runs_give_the_same_bytes() {
    for experiment in experiments().into_iter().skip(3) {
        let [once, again] = [scenes(&experiment), scenes(&experiment)];
        for (a, b) in once.iter().zip(&again) {
            let text = svg(a).unwrap();
            assert!(!text.contains("NaN") && !text.contains("inf"), "{}", experiment.name);
            assert_eq!(text, svg(b).unwrap());
        }
    }
    let one = &experiments()[3];
    let [once, again] = [scenes(one), scenes(one)].map(|scenes| png(&scenes[0]).unwrap());
    assert_eq!(once, again);
}

#[test]
fn a_figure_without_data_is_named_with_its_reason() {
    let one = experiment("one", vec![MadeRun::new("x3_xy", 0.5, 0)]);
    let figures = drawn_with(&one, &Evidence::default());
    let missing: Vec<_> =
        figures.iter().filter_map(|figure| Some((figure.name, figure.pages.as_ref().err()?))).collect();
    let expected = [
        ("seeds", &Undrawn::OneSeed),
        ("spectra", &Undrawn::NoSpectra),
        ("dip", &Undrawn::OneBatchSize),
        ("frequencies", &Undrawn::NoFrequencies),
        ("matrices", &Undrawn::NoMatrixLar),
    ];
    assert_eq!(missing, expected);
    let started = experiment("started", vec![MadeRun::new("add", 0.5, 0).state(RunState::Running)]);
    let started = drawn_with(&started, &Evidence::default());
    assert_eq!(started[3].pages.as_ref().unwrap_err(), &Undrawn::NoMilestone);
    // batch sizes, but an evaluation every 20 epochs only
    let sparse = [64, 512].map(|n| MadeRun::new("add", 0.5, 0).batch_size(n)).to_vec();
    let sparse = experiment("sparse", sparse);
    assert_eq!(drawn(&sparse)[4].pages.as_ref().unwrap_err(), &Undrawn::NotDense);
}

#[test]
fn many_groups_are_parted_into_pages() {
    let pages = |experiment: &Experiment| -> Vec<usize> {
        drawn(experiment).iter().map(|figure| figure.pages.as_ref().map_or(0, Vec::len)).collect()
    };
    // twelve tasks of five seeds: spectra and matrices four a page
    assert_eq!(pages(&experiments()[0]), [1, 1, 3, 1, 0, 1, 1, 3]);
    // 29 fractions of one seed
    assert_eq!(pages(&experiments()[7]), [3, 0, 8, 1, 0, 1, 1, 8]);
}

#[test]
fn settings_have_pages_of_their_own_and_no_rmse_together() {
    let runs = [64, 512].map(|rows| MadeRun::new("add", 0.5, 0).batch_size(rows).grokked(40, 120));
    let figures = drawn(&experiment("settings", runs.to_vec()));
    let pages = |i: usize| figures[i].pages.as_ref().unwrap();
    let agreement: Vec<bool> = pages(5)
        .iter()
        .map(|scene| texts(scene).iter().any(|text| text.starts_with("data.batch_size=")))
        .collect();
    assert_eq!(agreement, [true, true]);
    let words = texts(&pages(3)[0]);
    assert!(words.contains(&BY_SETTING) && !words.iter().any(|text| text.contains("RMSE 1")), "{words:?}");
    let words = texts(&pages(6)[0]);
    assert!(words.iter().any(|text| text.contains("no RMSE")), "{words:?}");
}

#[test]
fn a_spectrum_is_titled_with_the_numbers_of_its_own_epoch_and_its_run() {
    let made = MadeRun::new("add", 0.5, 3).grokked(40, 120);
    let id = made.id();
    let experiment = experiment("study", vec![made]);
    let figures = drawn(&experiment);
    let texts = texts(&figures[2].pages.as_ref().unwrap()[0]);
    // made-up LAR is 0.5 + epoch/1000
    for wanted in
        ["memorized, epoch 40", "grokked, epoch 120", "final, epoch 200", &format!("seed 3, run {id}")]
    {
        assert!(texts.contains(&wanted), "{wanted}: {texts:?}");
    }
    for lar in ["LAR 0.540", "LAR 0.620", "LAR 0.700"] {
        assert!(texts.iter().any(|text| text.starts_with(lar)), "{lar}: {texts:?}");
    }
}

#[test]
fn every_seed_has_its_own_curves() {
    let five: Vec<MadeRun> =
        (0..5).map(|seed| MadeRun::new("add", 0.5, seed).shift(0.01 * seed as f64)).collect();
    let figures = drawn(&experiment("study", five));
    let scene = &figures[1].pages.as_ref().unwrap()[0];
    for color in &theme::SERIES[..5] {
        // LAR, accuracy, and the line in the legend
        let lines = scene.marks.iter().filter(|m| matches!(m, Mark::Line { color: c, .. } if c == color));
        assert_eq!(lines.count(), 3);
    }
}

#[test]
fn milestones_at_the_same_place_hide_none_and_keep_their_epoch() {
    // thirteen seeds that share both milestones, and their LAR
    let figures = drawn(&experiments()[6]);
    let scene = &figures[1].pages.as_ref().unwrap()[0];
    let is_mark = |color: &theme::Color| theme::SERIES.contains(color);
    let areas = scene.marks.iter().filter(|m| matches!(m, Mark::Area { color, .. } if is_mark(color)));
    let marks: Vec<Box> = areas.map(bounds).collect();
    assert_eq!(marks.len(), 26);
    for (i, a) in marks.iter().enumerate() {
        for b in &marks[..i] {
            assert!(a.2 <= b.0 || b.2 <= a.0 || a.3 <= b.1 || b.3 <= a.1, "{a:?} on {b:?}");
        }
    }
    let middles: std::collections::BTreeSet<i64> =
        marks.iter().map(|m| (500.0 * (m.0 + m.2)).round() as i64).collect();
    assert_eq!(middles.len(), 2);
}

/// Lines of this colour in a scene, the legend's among them.
fn lines(scene: &Scene, wanted: theme::Color) -> usize {
    scene.marks.iter().filter(|m| matches!(m, Mark::Line { color, .. } if *color == wanted)).count()
}

#[test]
fn every_matrix_has_its_curve_in_its_block() {
    let deep = |n_layers: usize| {
        let mut run = MadeRun::new("add", 0.5, 0).record();
        run.recipe["model"]["n_layers"] = (n_layers as i64).into();
        let experiment = planned("deep", vec![run]);
        drawn(&experiment).pop().unwrap().pages.unwrap().remove(0)
    };
    // six blocks and the ends need two rows of four
    for (n_layers, panels) in [(1, 2), (2, 3), (6, 7)] {
        let scene = deep(n_layers);
        for color in &theme::SERIES[..] {
            assert_eq!(lines(&scene, *color), n_layers + 1, "{n_layers} blocks");
        }
        let texts = texts(&scene);
        assert!(texts.contains(&format!("block {}", n_layers - 1).as_str()), "{texts:?}");
        assert_eq!(texts.iter().filter(|t| **t == "epoch").count(), panels.min(4), "{n_layers} blocks");
    }
}

#[test]
fn the_curve_of_a_matrix_is_its_column() {
    // one run, two evaluations: the value column of attn.k of block 1 alone is 0.6 and then 0.8
    let run = MadeRun::new("add", 0.5, 0).record();
    let mut diagnostics = matrix_lars(&RunDigest::of(run.clone()).unwrap());
    diagnostics.rows.truncate(2);
    let k = diagnostics.columns.iter().position(|column| column == "lar.blocks.1.attn.k").unwrap();
    for (row, value) in diagnostics.rows.iter_mut().zip([0.6, 0.8]) {
        row.1.fill(0.5);
        row.1[k] = value;
    }
    let experiment = planned("one", vec![run]);
    let mut evidence = Evidence::default();
    evidence.diagnostics.insert(experiment.runs[0].id().to_owned(), diagnostics);
    let figures = drawn_with(&experiment, &evidence);
    let scene = &figures[7].pages.as_ref().unwrap()[0];
    let heights = |wanted: theme::Color| -> Vec<Vec<f64>> {
        let lines = scene.marks.iter().filter_map(|mark| match mark {
            Mark::Line { points, color, .. } if *color == wanted => {
                Some(points.iter().map(|p| p.1).collect())
            }
            _ => None,
        });
        // the first is the legend's
        lines.skip(1).collect()
    };
    let (q, k) = (heights(theme::SERIES[0]), heights(theme::SERIES[1]));
    // block 0: both flat at one half; block 1: k climbs by 0.1 and 0.3 above q, so in the ratio of 1 to 3
    assert_eq!((q.len(), k.len()), (2, 2));
    assert_eq!(q[0], k[0]);
    let above: Vec<f64> = q[1].iter().zip(&k[1]).map(|(q, k)| q - k).collect();
    assert!(above[0] > 1.0 && (above[1] / above[0] - 3.0).abs() < 1e-9, "{above:?}");
}

#[test]
fn the_dip_has_a_point_a_run_and_a_curve_a_batch_size() {
    let experiment = dense(&[32, 512, 4704]);
    let figures = drawn(&experiment);
    let scene = &figures[4].pages.as_ref().unwrap()[0];
    for place in [0.0, 0.5, 1.0] {
        let color = theme::sequential(place);
        let lines = scene.marks.iter().filter(|m| matches!(m, Mark::Line { color: c, .. } if *c == color));
        let discs = scene.marks.iter().filter(|m| matches!(m, Mark::Disc { color: c, .. } if *c == color));
        // against the epoch and against the step; the legend has a line too
        assert_eq!((lines.count(), discs.count()), (3, 3));
    }
}

#[test]
fn a_png_has_two_pixels_a_point() {
    let bytes = png(&Scene::new(120.0, 50.0)).unwrap();
    let info = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap().info().clone();
    assert_eq!((info.width, info.height), (240, 100));
}

#[test]
fn an_svg_is_shown_at_its_size_in_points() {
    let text = svg(&Scene::new(120.0, 50.0)).unwrap();
    assert!(text.starts_with("<svg width=\"120\" height=\"50\" viewBox=\"0 0 480 200\""), "{text}");
}

#[test]
fn the_embedded_font_has_every_character_in_use() {
    let glyph = |c: char| {
        let mut scene = Scene::new(20.0, 20.0);
        scene.text((4.0, 15.0), &c.to_string(), 12.0, (0, 0, 0), Side::Left);
        png(&scene).unwrap()
    };
    let missing = glyph('一');
    let mut used: Vec<char> = experiments()
        .iter()
        .flat_map(scenes)
        .flat_map(|scene| scene.marks)
        .filter_map(|mark| if let Mark::Text { text, .. } = mark { Some(text) } else { None })
        .flat_map(|text| text.chars().collect::<Vec<_>>())
        .chain("10⁴10⁵10⁶10⁷10⁸10⁹".chars())
        .collect();
    used.sort_unstable();
    used.dedup();
    assert!(used.len() > 40);
    for c in used.into_iter().filter(|c| *c != ' ') {
        assert!(glyph(c) != missing, "{c}");
    }
}
