//! The claims on made-up runs whose answers are known beforehand.

mod pull;

use super::{grokalign, pretraining, regularisation, strength};
use crate::{
    analysis::{
        claims::{Claim, Verdict},
        general::{Run, Study},
    },
    kinds,
    render::figure::scene::Mark,
    run::{Mark as Moment, Milestones, StopReason},
    store::{Diagnostics, Metrics, RunRecord, RunState, made::MadeRun},
};
use toml::{Table, Value};

/// A run with these settings, milestones and rows of (epoch, values), finished unless said.
fn run(
    seed: u64,
    settings: &[(&str, &str, Value)],
    marks: &[(&'static str, u64)],
    columns: &[&str],
    rows: &[(u64, Vec<f64>)],
) -> RunRecord {
    let mut record = MadeRun::new("add", 0.5, seed).record();
    let mut recipe = Table::from_iter([("seed".to_owned(), Value::Integer(seed as i64))]);
    for (section, key, value) in settings {
        let section = recipe.entry(*section).or_insert_with(|| Table::new().into());
        section.as_table_mut().unwrap().insert((*key).to_owned(), value.clone());
    }
    let last = rows.last().unwrap().0;
    let mark = |epoch| Moment { epoch, step: epoch };
    let mut metrics = Metrics::new(columns.iter().map(|name| (*name).to_owned()).collect());
    rows.iter().for_each(|(epoch, values)| metrics.push(mark(*epoch), values));
    record.manifest.milestones =
        marks.iter().map(|(name, epoch)| (*name, mark(*epoch))).collect::<Milestones>();
    (record.manifest.epochs, record.manifest.state) = (last, RunState::Finished);
    record.manifest.stopped = Some(StopReason::BUDGET);
    RunRecord { recipe, metrics, ..record }
}

fn study(kind: &str, runs: Vec<RunRecord>) -> Study {
    let runs = runs.into_iter().map(|run| Run::of(run, 1)).collect();
    Study { name: "made".into(), kind: kinds::find(kind).unwrap(), study: None, runs }
}

fn claim(claims: Vec<Claim>, id: &str) -> Claim {
    claims.into_iter().find(|claim| claim.id == id).unwrap()
}

/// A run that reached its target at that epoch, or was given 1,000 epochs in vain.
fn aligned(seed: u64, strength: f64, target: Option<u64>) -> RunRecord {
    let marks: Vec<_> = target.map(|epoch| ("target", epoch)).into_iter().collect();
    let rows = [0, target.unwrap_or(1000)].map(|epoch| (epoch, vec![0.5]));
    run(seed, &[("jacobian", "strength", strength.into())], &marks, &["lar"], &rows)
}

#[test]
fn the_ratio_of_epochs_is_that_of_pairs_and_a_baseline_in_vain_counts_with_its_budget() {
    let answer =
        |runs: Vec<RunRecord>| claim((grokalign::STUDY.claims)(&study("vectors", runs)), "ga-fewer-steps");
    let pairs = |with: fn(u64) -> Option<u64>, without: fn(u64) -> Option<u64>| -> Vec<RunRecord> {
        (0..5).flat_map(|seed| [aligned(seed, 0.0, without(seed)), aligned(seed, 0.1, with(seed))]).collect()
    };
    let five = answer(pairs(|seed| Some(20 + seed), |seed| Some(100 + 5 * seed)));
    assert_eq!(five.verdict, Verdict::Yes);
    assert!((five.parts[0].mean.unwrap() - 5f64.ln()).abs() < 1e-12);
    let censored = answer(pairs(|_| Some(20), |_| None));
    assert!((censored.parts[0].mean.unwrap() - 50f64.ln()).abs() < 1e-12, "{censored:?}");
    assert_eq!(answer(pairs(|_| Some(100), |_| Some(20))).verdict, Verdict::No);
    let mut running = pairs(|_| Some(20), |_| None);
    running.iter_mut().for_each(|run| run.manifest.state = RunState::Running);
    assert_eq!(answer(running).parts[0].runs, 0, "a baseline on its way has not failed");
}

/// A run at output scale c with this accuracy at its end.
fn scaled(seed: u64, c: f64, accuracy: f64) -> RunRecord {
    let rows = [(0, vec![0.1]), (50, vec![accuracy])];
    run(seed, &[("model", "output_scale", c.into())], &[("target", 50)], &["val_accuracy"], &rows)
}

#[test]
fn the_best_scale_is_chosen_on_even_seeds_and_tested_on_odd_ones() {
    let answer = |accuracy: fn(u64, f64) -> f64| {
        let runs = (0..10).flat_map(|seed| {
            [-8, -4, 0, 4, 8].map(|octave| {
                let c = 2f64.powi(octave);
                scaled(seed, c, accuracy(seed, c) + 0.001 * seed as f64)
            })
        });
        claim((strength::STUDY.claims)(&study("vectors", runs.collect())), "fls-interior")
    };
    let peak = answer(|_, c| 0.5 - 0.02 * c.log2().abs());
    assert_eq!(peak.verdict, Verdict::Yes);
    assert_eq!((peak.parts.len(), peak.parts[0].runs), (2, 5));
    assert!((peak.parts[0].mean.unwrap() - 0.08).abs() < 1e-12);
    // what even seeds show alone is a winner's curse
    let luck = answer(
        |seed, c| if seed % 2 == 0 { 0.5 - 0.02 * c.log2().abs() } else { 0.3 + 0.02 * c.log2().abs() },
    );
    assert_eq!(luck.verdict, Verdict::No);
}

/// A language model whose LAR lies below the baseline's by `fall` of its gap.
fn reading(seed: u64, tokens: i64, fall: f64) -> RunRecord {
    let columns = ["lar", "gap", "val_loss", "train_loss", "l1", "delta_1", "weight_norm", "k95"];
    let rows: Vec<_> = (0..=40)
        .map(|i| {
            let gap = if tokens == 0 { 0.0 } else { 0.01 * (i * i) as f64 / (tokens as f64 / 1000.0) };
            let wave = 0.001 * ((i + seed) as f64).sin();
            (20 * i, vec![0.7 + wave - fall * gap, gap, 4.0 + gap, 4.0, 0.6, 0.1, 30.0, 9.0])
        })
        .collect();
    run(seed, &[("data", "tokens", tokens.into())], &[], &columns, &rows)
}

#[test]
fn a_differential_that_follows_the_gap_is_a_yes_and_one_that_runs_against_it_a_no() {
    let answer = |fall: f64| {
        let runs = (0..5).flat_map(|seed| [0, 4000, 16000].map(|tokens| reading(seed, tokens, fall)));
        claim((pretraining::STUDY.claims)(&study("text", runs.collect())), "lm-tracks-gap")
    };
    let follows = answer(0.05);
    assert_eq!((follows.verdict, follows.parts[0].runs), (Verdict::Yes, 5));
    assert!(follows.parts[0].mean.unwrap() > 0.95, "{follows:?}");
    assert_eq!(answer(-0.05).verdict, Verdict::No);
}

/// A language model of 40 evaluations, 20 steps apart, with these columns of the step; limited ones overfit.
fn model(
    seed: u64,
    settings: &[(&str, &str, Value)],
    lar: impl Fn(f64) -> f64,
    loss: impl Fn(f64) -> f64,
) -> RunRecord {
    let columns = ["lar", "val_loss", "train_loss", "p1", "q1", "effective_rank"];
    let row = |i: u64| {
        let step = 20.0 * i as f64;
        (20 * i, vec![lar(step), loss(step), 4.0 - 0.001 * step, 0.3, 0.1, 50.0])
    };
    let rows: Vec<_> = (0..=40).map(row).collect();
    let is_limited = settings.iter().any(|(_, key, value)| *key == "tokens" && value.as_integer() != Some(0));
    let marks = if is_limited { vec![("overfit", 400)] } else { vec![] };
    run(seed, settings, &marks, &columns, &rows)
}

fn tokens(tokens: i64) -> (&'static str, &'static str, Value) {
    ("data", "tokens", tokens.into())
}

#[test]
fn declines_are_the_slopes_of_their_windows() {
    let falling = model(0, &[tokens(0)], |step| 0.7 - 2e-5 * step, |_| 4.0);
    let tables = (pretraining::STUDY.tables)(&study("text", vec![falling]));
    let rates = tables.iter().find(|table| table.title.contains("decline of LAR")).unwrap();
    assert_eq!(rates.rows[0][1..8], ["0.002"; 7]);
}

#[test]
fn a_rule_to_stop_is_made_by_low_seeds_and_tested_on_the_others() {
    let runs = |late: f64| -> Vec<RunRecord> {
        let of = |seed: u64| {
            // the least validation loss is at step 200; the training loss says nothing of it
            let begin = if seed < 5 { 100.0 } else { 100.0 + late };
            let fall = move |step: f64| 0.7 - 1e-4 * (step - begin).max(0.0);
            let loss = |step: f64| 4.0 + 0.001 * (step - 200.0).abs();
            [model(seed, &[tokens(0)], |_| 0.7, |_| 4.0), model(seed, &[tokens(1000)], fall, loss)]
        };
        (0..10).flat_map(of).collect()
    };
    let made = study("text", runs(0.0));
    let tables = (pretraining::STUDY.tables)(&made);
    let stops = tables.iter().find(|table| table.title.contains("stopping")).unwrap();
    let lar = &stops.rows[0];
    // differentials at steps 160, 180 and 200 are .006, .008 and .010; more than their mean comes an evaluation later
    assert_eq!(lar[1..], ["lar", "0.0080 below the baseline's", "5", "5", "0", "0", "0.020"]);
    // the baseline stays where both began, so that the run's own peak says the same
    let own = stops.rows.last().unwrap();
    assert_eq!(own[1..], ["lar", "0.0080 below its own peak", "5", "5", "0", "0", "0.020"]);
    assert_eq!((stops.rows[1][1].as_str(), stops.rows[1][4].as_str()), ("train_loss", "0"));
    let answer = |runs| claim((pretraining::STUDY.claims)(&study("text", runs)), "lm-stop");
    // the rule of the training loss never stops: the end is 0.6 above the least
    let yes = answer(runs(0.0));
    assert_eq!(yes.verdict, Verdict::Yes);
    assert!((yes.parts[0].mean.unwrap() - 0.58).abs() < 1e-9, "{yes:?}");
    assert!(answer(runs(1000.0)).parts[0].mean.unwrap().abs() < 1e-9, "never stopped is the end for both");
}

#[test]
fn variants_are_compared_where_nothing_else_differs() {
    let tied = |seed: u64, is_tied: bool, peak: f64| {
        let lar = move |step: f64| if step == 40.0 { peak } else { 0.5 };
        model(seed, &[tokens(0), ("model", "tied", is_tied.into())], lar, |_| 4.0)
    };
    let runs = |tied_peak: f64| -> Vec<RunRecord> {
        (0..5)
            .flat_map(|seed| [tied(seed, false, 0.7), tied(seed, true, tied_peak + 0.001 * seed as f64)])
            .collect()
    };
    let answer = |runs| claim((pretraining::STUDY.claims)(&study("text", runs)), "lm-tied");
    assert_eq!(answer(runs(0.6)).verdict, Verdict::Yes);
    assert_eq!(answer(runs(0.8)).verdict, Verdict::No);
    let untied_only: Vec<_> = (0..5).map(|seed| tied(seed, false, 0.7)).collect();
    assert!(answer(untied_only).parts.is_empty());
}

#[test]
fn a_map_has_the_mean_of_each_pair_of_settings_in_its_place_and_marks_targets_missed() {
    // accuracy at (c, η), over two seeds around it; one run of the last pair misses its target
    let accuracy = [(0.5, 0.1, 0.1), (2.0, 0.1, 0.2), (0.5, 0.2, 0.3), (2.0, 0.2, 0.4)];
    let runs = accuracy.into_iter().flat_map(|(c, rate, mean)| {
        [-0.01, 0.01].into_iter().enumerate().map(move |(seed, off)| {
            let settings: [(&str, &str, Value); 2] =
                [("model", "output_scale", c.into()), ("optim", "learning_rate", rate.into())];
            let marks: &[(&str, u64)] =
                if (c, rate, seed) == (2.0, 0.2, 1) { &[] } else { &[("target", 50)] };
            let rows = [(0, vec![0.1]), (50, vec![mean + off])];
            run(seed as u64, &settings, marks, &["val_accuracy"], &rows)
        })
    });
    let figures = (strength::STUDY.figures)(&study("vectors", runs.collect()));
    let map = figures.iter().find(|figure| figure.name == "map-rate").unwrap();
    let scene = &map.pages.as_ref().unwrap()[0];
    let text = |wanted: &str| {
        let at = scene.marks.iter().filter_map(|mark| match mark {
            Mark::Text { at, text, .. } if text == wanted => Some(*at),
            _ => None,
        });
        at.collect::<Vec<_>>()
    };
    let [[small, large], [upper, beyond]] =
        [["10", "20"], ["30", "40"]].map(|row| row.map(|number| text(number)[0]));
    assert!(small.0 < large.0 && small.1 == large.1 && upper.0 == small.0 && upper.1 < small.1);
    assert_eq!((beyond.0, beyond.1), (large.0, upper.1));
    assert_eq!((text("2⁻¹").len(), text("2¹").len(), text("0.1").len(), text("0.2").len()), (1, 1, 1, 1));
    let dots: Vec<_> = scene.marks.iter().filter(|mark| matches!(mark, Mark::Disc { .. })).collect();
    let [Mark::Disc { at, .. }] = dots[..] else { panic!("one pair misses: {dots:?}") };
    assert!((at.0 - beyond.0).abs() < 20.0 && (at.1 - beyond.1).abs() < 20.0);
}

#[test]
fn accuracy_under_noise_is_a_curve_from_the_calm_accuracy_on() {
    let of = |seed: u64, strength: f64, end: f64| {
        let rows = [(10, vec![0.8]), (50, vec![0.9])];
        let marks = [("fitted", 10)];
        let record =
            run(seed, &[("jacobian", "strength", strength.into())], &marks, &["val_accuracy"], &rows);
        let columns = ["noise_0.5", "noise_1", "pgd_0.1"].map(str::to_owned).into();
        let rows = vec![(10, vec![0.6, 0.4, 0.2]), (50, vec![end, end - 0.2, 0.3])];
        Run::of(record, 1).with_diagnostics(Diagnostics { columns, rows })
    };
    let runs = (0..2).flat_map(|seed| [of(seed, 0.0, 0.6), of(seed, 0.1, 0.8 + 0.1 * seed as f64)]).collect();
    let made = Study { runs, ..study("vectors", Vec::new()) };
    let with: Vec<&Run> =
        made.runs.iter().filter(|run| run.number("jacobian.strength") == Some(0.1)).collect();
    let expected = [(0.0, 0.9), (0.5, 0.85), (1.0, 0.65)];
    let found = grokalign::robustness(&with, "final", "noise_");
    assert!(
        found.len() == 3 && found.iter().zip(expected).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-12),
        "{found:?}"
    );
    assert_eq!(grokalign::robustness(&with, "fitted", "pgd_"), [(0.0, 0.8), (0.1, 0.2)]);
    assert!((grokalign::STUDY.figures)(&made)[0].pages.is_ok());
}

#[test]
fn the_best_scale_falls_as_it_was_made_to_fall() {
    // a parabola in log₂ c with its top at 6 + exponent · log₂(n/50), between the points of the grid
    let answer = |exponent: f64| {
        let runs = (0..5).flat_map(|seed| {
            [50_i64, 100, 200, 400].into_iter().flat_map(move |n| {
                (-14..=10).map(move |octave| {
                    let top = 6.0 + exponent * (n as f64 / 50.0).log2() + 0.01 * seed as f64;
                    let accuracy = 0.5 - 0.002 * (f64::from(octave) - top).powi(2);
                    let settings: [(&str, &str, Value); 2] = [
                        ("model", "output_scale", 2f64.powi(octave).into()),
                        ("data", "train_rows", n.into()),
                    ];
                    run(seed, &settings, &[], &["val_accuracy"], &[(0, vec![0.1]), (50, vec![accuracy])])
                })
            })
        });
        claim((strength::STUDY.claims)(&study("vectors", runs.collect())), "fls-n-squared")
    };
    let square = answer(-1.9);
    assert_eq!((square.verdict, square.parts[0].runs), (Verdict::Yes, 5));
    assert!((square.parts[0].mean.unwrap() + 1.9).abs() < 1e-9, "{square:?}");
    assert_eq!(answer(-0.5).verdict, Verdict::No);
}

/// A transformer that grokked at that epoch, or was given 1,000 in vain, with this Gini coefficient at its end.
fn transformer(seed: u64, frozen: &str, strength: f64, grokked: Option<u64>, gini: f64) -> Run {
    let settings: [(&str, &str, Value); 2] =
        [("optim", "frozen", frozen.into()), ("jacobian", "strength", strength.into())];
    let marks: Vec<_> = grokked.map(|epoch| ("grokked", epoch)).into_iter().collect();
    let rows = [0, grokked.unwrap_or(1000)].map(|epoch| (epoch, vec![0.5]));
    let columns = vec!["gini_unembed".to_owned()];
    let diagnostics = Diagnostics { columns, rows: rows.iter().map(|(at, _)| (*at, vec![gini])).collect() };
    Run::of(run(seed, &settings, &marks, &["lar"], &rows), 1).with_diagnostics(diagnostics)
}

#[test]
fn a_trained_embedding_is_asked_for_no_gain_and_a_frozen_one_for_a_gain() {
    // the epochs of the runs with the term, and what it takes from the Gini coefficient
    let answers = |with: [Option<u64>; 2], less: f64| {
        let runs = (0..5).flat_map(|seed| {
            ["none", "embedding"].into_iter().zip(with).flat_map(move |(frozen, with)| {
                let later = |epoch: u64| epoch + seed;
                [
                    transformer(seed, frozen, 0.0, Some(later(200)), 0.5),
                    transformer(seed, frozen, 1e-3, with.map(later), 0.5 - less),
                ]
            })
        });
        let made = Study { runs: runs.collect(), ..study("operations", Vec::new()) };
        ["ga-no-gain-trainable", "ga-gain-fixed"].map(|id| claim((grokalign::STUDY.claims)(&made), id))
    };
    let verdicts = |with, less| answers(with, less).map(|claim| claim.verdict);
    assert_eq!(verdicts([Some(400), Some(100)], 0.2), [Verdict::Yes, Verdict::Yes]);
    assert_eq!(verdicts([Some(100), Some(400)], -0.2), [Verdict::No, Verdict::No]);
    // no sooner, but no less sparse
    assert_eq!(verdicts([Some(400), Some(100)], -0.2)[0], Verdict::Mixed);
    let [no_gain, gain] = answers([None, None], 0.2);
    assert_eq!((no_gain.verdict, gain.verdict), (Verdict::Yes, Verdict::No));
    let mean = (200..205).map(|epoch| (f64::from(epoch) / 1000.0).ln()).sum::<f64>() / 5.0;
    assert!((no_gain.parts[0].mean.unwrap() - mean).abs() < 1e-12, "a run in vain counts with its budget");
    assert_eq!((no_gain.parts.len(), gain.parts.len()), (2, 1));
    // networks without embeddings have neither
    let vectors = study("vectors", (0..5).map(|seed| aligned(seed, 0.1, Some(3))).collect());
    assert!(claim((grokalign::STUDY.claims)(&vectors), "ga-gain-fixed").parts.is_empty());
}

#[test]
fn a_course_is_the_mean_of_the_runs_that_were_still_followed() {
    let of = |seed: u64, end: u64, value: f64| {
        let rows = [(0, vec![value]), (10, vec![2.0 * value]), (end, vec![3.0 * value])];
        let settings: [(&str, &str, Value); 2] =
            [("optim", "frozen", "none".into()), ("jacobian", "strength", 0.0.into())];
        let record = run(seed, &settings, &[], &["val_accuracy"], &rows);
        let rows = rows.iter().map(|(at, values)| (*at, vec![1.0 - values[0]])).collect();
        Run::of(record, 1).with_diagnostics(Diagnostics { columns: vec!["gini_embed".into()], rows })
    };
    let made = Study { runs: vec![of(0, 20, 0.1), of(1, 30, 0.3)], ..study("operations", Vec::new()) };
    let runs: Vec<&Run> = made.runs.iter().collect();
    let near = |found: Vec<(f64, f64)>, expected: &[(f64, f64)]| {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(
            found.iter().zip(expected).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-12),
            "{found:?}"
        );
    };
    // at 20 only one of the two was evaluated, and both were still trained
    near(grokalign::transformer::course(&runs, "val_accuracy"), &[(0.0, 0.2), (10.0, 0.4), (30.0, 0.9)]);
    near(grokalign::transformer::course(&runs, "gini_embed"), &[(0.0, 0.8), (10.0, 0.6), (30.0, 0.1)]);
    let names: Vec<_> = (grokalign::STUDY.figures)(&made).iter().map(|figure| figure.name).collect();
    assert_eq!(names, ["noise", "transformer"]);
}

#[test]
fn the_angle_grows_as_it_was_made_to_grow() {
    let answer = |exponent: f64| {
        let runs = (0..5).flat_map(|seed| {
            (-8..=0).map(move |octave| {
                let c = 2f64.powi(octave);
                let angle = (0.3 + 0.01 * seed as f64) * c.powf(exponent);
                // at its end all are alike
                let rows = [(0, vec![1.5]), (20, vec![angle]), (50, vec![0.3])];
                run(
                    seed,
                    &[("model", "output_scale", c.into())],
                    &[("aligned", 20)],
                    &["neuron_angle"],
                    &rows,
                )
            })
        });
        claim((strength::STUDY.claims)(&study("vectors", runs.collect())), "fls-angle")
    };
    let root = answer(0.25);
    assert_eq!((root.verdict, root.parts[0].runs), (Verdict::Yes, 5));
    assert!((root.parts[0].mean.unwrap() - 0.25).abs() < 1e-12, "{root:?}");
    assert_eq!(answer(0.1).verdict, Verdict::No);
    assert_eq!(answer(0.5).verdict, Verdict::No);
}

#[test]
fn the_smaller_scale_groks_sooner_where_it_was_made_to() {
    let study = |epochs: fn(f64) -> Option<u64>| {
        let runs = (0..5).flat_map(|seed| {
            [-6, 0, 6].map(|octave| {
                let c = 2f64.powi(octave);
                let marks: Vec<_> = epochs(c).map(|epoch| ("grokked", epoch + seed)).into_iter().collect();
                let rows = [(0, vec![0.5]), (epochs(c).map_or(1000, |epoch| epoch + seed), vec![0.7])];
                run(seed, &[("model", "output_scale", c.into())], &marks, &["lar"], &rows)
            })
        });
        study("operations", runs.collect())
    };
    let answer = |epochs| claim((strength::STUDY.claims)(&study(epochs)), "fls-modular-sooner");
    let sooner = answer(|c| Some((100.0 * c.sqrt()) as u64));
    assert_eq!((sooner.verdict, sooner.parts.len()), (Verdict::Yes, 2));
    let weak_never = answer(|c| (c <= 1.0).then_some(if c < 1.0 { 50 } else { 100 }));
    assert_eq!(weak_never.verdict, Verdict::Yes, "one in vain counts with its budget");
    assert_eq!(answer(|c| Some((100.0 / c.sqrt()) as u64)).verdict, Verdict::No);
    assert!(answer(|_| None).parts.is_empty());
    let table = &(strength::STUDY.tables)(&study(|c| (c <= 1.0).then_some(100)))[0];
    assert_eq!(table.rows.len(), 3);
    assert_eq!(table.rows[1][1..], ["5", "0/5", "5/5 @ 102", "–", "0.700", "0.700", "–", "–"]);
    assert_eq!(table.rows[2][3], "0/5");
}
