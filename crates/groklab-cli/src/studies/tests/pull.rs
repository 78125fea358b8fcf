//! A pull at LAR: transformers that grok, language models that overfit.

use super::*;

/// A run with these pulls (λ, μ, ν, from) that memorized at 40 and grokked then, or was given 1,000 epochs in vain, and its LAR at
/// the end.
fn pulled(seed: u64, [lar, sigma_p, norm, from]: [f64; 4], grokked: Option<u64>, end: f64) -> RunRecord {
    let marks: Vec<_> =
        [Some(("memorized", 40)), grokked.map(|e| ("grokked", e))].into_iter().flatten().collect();
    let rows = [(0, vec![0.5]), (40, vec![0.55]), (grokked.unwrap_or(1000), vec![end])];
    let settings = [
        ("alignment", "lar_strength", lar.into()),
        ("alignment", "sigma_p_strength", sigma_p.into()),
        ("alignment", "norm_strength", norm.into()),
        ("alignment", "from_epoch", Value::Integer(from as i64)),
        ("alignment", "to_epoch", Value::Integer(0)),
    ];
    run(seed, &settings, &marks, &["lar"], &rows)
}

#[test]
fn a_pull_at_lar_is_compared_with_none_and_with_the_same_pull_elsewhere() {
    let made = |epochs: fn([f64; 4]) -> Option<u64>, end: fn([f64; 4]) -> f64| {
        let arms = [
            [0.0, 0.0, 0.0, 1.0],
            [-1.0, 0.0, 0.0, 1.0],
            [1.0, 0.0, 0.0, 1.0],
            [0.0, 1.0, 0.0, 1.0],
            [0.0, 0.0, 1.0, 1.0],
            [1.0, 0.0, 0.0, 60.0],
        ];
        let runs = (0..5).flat_map(|seed| {
            arms.map(|arm| pulled(seed, arm, epochs(arm).map(|e| e + seed), end(arm) + 0.001 * seed as f64))
        });
        study("operations", runs.collect())
    };
    let verdicts = |study: &Study| -> Vec<Verdict> {
        (regularisation::STUDY.claims)(study).iter().map(|claim| claim.verdict).collect()
    };
    // the whole pull halves the time, the late one takes a fifth off, and nothing else does anything
    let cause = made(
        |[lar, _, _, from]| {
            Some(if lar > 0.0 && from == 1.0 {
                100
            } else if lar > 0.0 {
                160
            } else if lar < 0.0 {
                400
            } else {
                200
            })
        },
        |[lar, ..]| 0.7 + 0.1 * lar,
    );
    use Verdict::{No, NotEnoughData, Yes};
    assert_eq!(verdicts(&cause), [Yes, Yes, Yes, Yes, NotEnoughData, NotEnoughData, Yes]);
    let claims = (regularisation::STUDY.claims)(&cause);
    assert_eq!(claims[2].parts.len(), 2);
    assert!((claims[1].parts[0].mean.unwrap() + 2f64.ln()).abs() < 0.01, "{:?}", claims[1]);
    // the pull moves LAR, and the network never groks
    let symptom = made(|[lar, ..]| (lar <= 0.0).then_some(200), |[lar, ..]| 0.7 + 0.1 * lar);
    assert_eq!(verdicts(&symptom)[..2], [No, No]);
    assert_eq!(verdicts(&symptom)[4], No);
    let table = &(regularisation::STUDY.tables)(&cause)[0];
    assert_eq!((table.rows.len(), table.rows[0].len()), (6, table.columns.len()));
    let figures = (regularisation::STUDY.figures)(&cause);
    assert_eq!(figures.iter().map(|figure| figure.name).collect::<Vec<_>>(), ["pull", "ends"]);
}

#[test]
fn a_pull_on_language_models_is_judged_by_their_validation_loss() {
    let made = |gain: f64, best: f64| {
        let runs = (0..5).flat_map(|seed| {
            [0.0, 0.5].map(|lar: f64| {
                let shift = 0.01 * seed as f64;
                let rows = [
                    (0, vec![6.0, 6.0, 0.5]),
                    (100, vec![4.0 + shift - best * lar, 4.0, 0.6]),
                    (400, vec![5.0 + shift - gain * lar, 1.0 + 2.0 * lar, 0.6]),
                ];
                let columns = ["val_loss", "pool_loss", "lar"];
                run(seed, &[("alignment", "lar_strength", lar.into())], &[], &columns, &rows)
            })
        });
        (regularisation::STUDY.claims)(&study("text", runs.collect()))
    };
    let held = made(0.4, -0.1);
    let verdicts = |claims: &[Claim]| claims.iter().map(|claim| claim.verdict).collect::<Vec<_>>();
    assert_eq!(verdicts(&held), [Verdict::Yes, Verdict::No, Verdict::No, Verdict::NotEnoughData]);
    assert_eq!(made(0.8, -0.1)[2].verdict, Verdict::Yes);
    // without a pull the loss of training rows is 2 two thirds of the way from 4 to 1, and there 4⅔
    assert!((held[2].parts[0].mean.unwrap() - (4.8 - 4.0 - 2.0 / 3.0)).abs() < 1e-12, "{held:?}");
    assert!((held[0].parts[0].mean.unwrap() + 0.2).abs() < 1e-12, "{held:?}");
    assert!((held[1].parts[0].mean.unwrap() - 0.05).abs() < 1e-12, "{held:?}");
}

#[test]
fn weight_decay_is_compared_where_it_fits_as_well() {
    // (λ, decay): loss of training rows and validation loss at the end
    let arms = [
        ([0.0, 0.0], [1.0, 5.0]),
        ([0.0, 0.5], [1.5, 4.6]),
        ([0.0, 2.0], [2.5, 4.2]),
        ([1.0, 0.0], [2.0, 4.1]),
        ([3.0, 0.0], [3.0, 4.0]),
    ];
    let runs = (0..5).flat_map(|seed| {
        arms.map(|([lar, decay], [fit, loss])| {
            let settings = [
                ("alignment", "lar_strength", lar.into()),
                ("optim", "name", if decay > 0.0 { "adamw" } else { "adam" }.into()),
                ("optim", "weight_decay", decay.into()),
            ];
            let rows = [(0, vec![6.0, 6.0, 0.5]), (400, vec![loss + 0.001 * seed as f64, fit, 0.6])];
            run(seed, &settings, &[], &["val_loss", "pool_loss", "lar"], &rows)
        })
    });
    let claims = (regularisation::STUDY.claims)(&study("text", runs.collect()));
    let parts = &claims.last().unwrap().parts;
    // at a fit of 2, halfway between the decays, 4.4; no decay fits as badly as the strong pull
    assert!((parts[0].mean.unwrap() - (4.1 - 4.4)).abs() < 1e-9, "{parts:?}");
    assert_eq!((parts.len(), parts[1].mean), (2, None), "{parts:?}");
    // the runs without a pull are still those without decay
    assert!((claims[0].parts[0].mean.unwrap() - (4.1 - 5.0)).abs() < 1e-9);
}

/// A run on a task that came to these epochs, memorized at 40, and groks with a LAR of `at` and this weight norm.
fn on(
    task: &str,
    seed: u64,
    settings: [f64; 3],
    grokked: Option<u64>,
    [at, end, norm]: [f64; 3],
) -> RunRecord {
    let marks: Vec<_> =
        [Some(("memorized", 40)), grokked.map(|e| ("grokked", e))].into_iter().flatten().collect();
    let rows = [
        (0, vec![0.5, 99.0]),
        (40, vec![0.55, 60.0]),
        (grokked.unwrap_or(900), vec![at, norm]),
        (1000, vec![end, 20.0]),
    ];
    let [lar, decay, jacobian] = settings;
    let settings = [
        ("model", "name", task.into()),
        ("alignment", "lar_strength", lar.into()),
        ("optim", "weight_decay", decay.into()),
        ("jacobian", "strength", jacobian.into()),
    ];
    run(seed, &settings, &marks, &["lar", "weight_norm"], &rows)
}

#[test]
fn a_task_that_never_groks_is_held_against_the_others_and_a_fall_of_lar_is_seen() {
    let runs = (0..5).flat_map(|seed| {
        let shift = 0.001 * seed as f64;
        [
            on("easy", seed, [0.0, 1.0, 0.0], Some(200), [0.65, 0.7 + shift, 40.0]),
            on("easy", seed, [-0.2, 1.0, 0.0], Some(400), [0.5 + shift, 0.4, 40.0]),
            on("easy", seed, [2.0, 1.0, 0.0], Some(200), [0.9 + shift, 0.9, 40.0]),
            on("never", seed, [0.0, 1.0, 0.0], None, [0.6, 0.6, 40.0]),
            on("never", seed, [2.0, 1.0, 0.0], None, [0.8, 0.85 + shift, 40.0]),
        ]
    });
    let claims = (regularisation::STUDY.claims)(&study("operations", runs.collect()));
    let at = |id: &str| claims.iter().find(|claim| claim.id == id).unwrap();
    let elsewhere = at("reg-no-counterexample-elsewhere");
    assert_eq!(elsewhere.verdict, Verdict::No);
    // 0.852 − 0.702: the mean of the pulled, the median of the others
    assert!((elsewhere.parts[0].mean.unwrap() - 0.15).abs() < 1e-9, "{elsewhere:?}");
    let rises = at("reg-rises");
    let of = |pull: &str| rises.parts.iter().find(|part| part.what.ends_with(pull)).unwrap();
    assert_eq!(
        ["λ 0", "λ 2", "λ -0.2"].map(|pull| of(pull).verdict),
        [Verdict::Yes, Verdict::Yes, Verdict::No]
    );
    assert_eq!((rises.parts.len(), rises.verdict), (3, Verdict::Mixed));
    assert!((of("λ -0.2").mean.unwrap() + 0.048).abs() < 1e-9, "{rises:?}");
    assert!(claims.iter().all(|claim| !["reg-decay", "reg-jacobian"].contains(&claim.id)));
}

#[test]
fn weight_decay_is_compared_where_the_norm_is_the_same_and_the_jacobian_term_seed_by_seed() {
    // (λ, decay, Jacobian): epochs to grokking and the weight norm there
    let arms = [
        ([0.0, 1.0, 0.0], 400, 40.0),
        ([0.0, 4.0, 0.0], 100, 30.0),
        ([1.0, 1.0, 0.0], 100, 35.0),
        ([3.0, 1.0, 0.0], 100, 50.0),
        ([0.0, 1.0, 0.1], 50, 35.0),
    ];
    let runs = (0..5).flat_map(|seed| {
        arms.map(|(settings, epochs, norm)| on("t", seed, settings, Some(epochs), [0.6, 0.7, norm]))
    });
    let claims = (regularisation::STUDY.claims)(&study("operations", runs.collect()));
    let at = |id: &str| claims.iter().find(|claim| claim.id == id).unwrap();
    let decay = at("reg-decay");
    // halfway between 400 and 100 epochs on the logarithm: 200; no decay groks with a norm of 50
    assert!((decay.parts[0].mean.unwrap() - 2f64.ln()).abs() < 1e-9, "{decay:?}");
    assert_eq!((decay.parts.len(), decay.parts[1].mean), (2, None), "{decay:?}");
    let jacobian = at("reg-jacobian");
    assert_eq!(jacobian.verdict, Verdict::No);
    assert!((jacobian.parts[0].mean.unwrap() + 2f64.ln()).abs() < 1e-9, "{jacobian:?}");
    // neither is taken for the runs without a pull
    assert!((at("reg-sooner").parts[0].mean.unwrap() - 4f64.ln()).abs() < 1e-9);
}
