//! Made-up runs whose answer is known.

use super::*;
use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// `lots` groups of `runs` runs; the grokking epoch follows LAR (number 0) with `follow`, restricted loss (8) copies the validation
/// loss (10), which LAR has a share in; all else is noise. Runs that would take longer than `end` are censored there.
fn lots(lots: usize, runs: usize, follow: f64, end: f64) -> Vec<Lot> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut noise = move || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
    let mut lot = |i: usize| {
        let runs = (0..runs as u64).map(|seed| {
            let mut numbers = [0.0; NUMBERS.len()];
            numbers.iter_mut().for_each(|number| *number = noise());
            let level = 10.0 * i as f64;
            numbers[0] += level;
            numbers[8] = numbers[10];
            let ln = 6.0 - follow * (numbers[0] - level) + 0.3 * noise() - 0.1 * level;
            let time = (20.0 * ln.exp()).round();
            Subject {
                seeds: (seed, seed),
                life: Lifetime { time: time.min(end), ended: time <= end },
                early: [Some(numbers), Some(numbers), None],
            }
        });
        Lot { name: format!("lot {i}"), runs: runs.collect(), never_memorized: 0 }
    };
    (0..lots).map(&mut lot).collect()
}

fn at<'a>(found: &'a [Finding], name: &str, moment: u64) -> &'a Finding {
    found.iter().find(|f| NUMBERS[f.number].name == name && f.moment == moment).unwrap()
}

#[test]
fn a_number_that_the_epoch_follows_orders_and_noise_does_not() {
    let found = findings(&lots(5, 20, 1.0, 20_000.0));
    let lar = at(&found, "lar", 0);
    assert_eq!((lar.answer, lar.adds(), lar.groups), (Answer::Orders, true, 5));
    assert!(lar.within.unwrap() < -0.7 && lar.p.unwrap() < 0.01, "{lar:?}");
    assert!(lar.count.censored > 0 && lar.count.runs == 100, "{:?}", lar.count);
    // the level of the lots orders them too
    assert!(lar.across.unwrap() < -0.5);
    for name in ["k95", "sigma_q", "weight_norm"] {
        let noise = at(&found, name, 0);
        assert!(
            matches!(noise.answer, Answer::DoesNot | Answer::Open) && noise.p.unwrap() > 0.05,
            "{noise:?}"
        );
    }
    assert!(found.iter().any(|finding| finding.answer == Answer::DoesNot));
    assert_eq!(at(&found, "lar", 80).answer, Answer::NotEnough);
    assert_eq!(at(&found, "lar", 80).count, Count::default());
}

#[test]
fn what_copies_the_validation_loss_adds_nothing_to_it() {
    let found = findings(&lots(2, 20, 1.0, 1e9));
    assert_eq!(at(&found, "restricted_loss", 0).partial, None, "the loss says all of it");
    assert_eq!(at(&found, "val_loss", 0).partial, None);
    assert!(at(&found, "lar", 0).partial.is_some());
}

#[test]
fn few_runs_are_not_enough_and_say_so() {
    let few = findings(&lots(4, 9, 1.0, 1e9));
    assert!(few.iter().all(|finding| finding.answer == Answer::NotEnough && finding.within.is_none()));
    // their own τ is shown all the same
    assert!(at(&few, "lar", 0).of_lots.iter().all(|(tau, count)| tau.is_some() && count.runs == 9));
    let censored = findings(&lots(2, 20, 1.0, 20.0));
    assert!(censored.iter().all(|finding| finding.answer == Answer::NotEnough));
}

#[test]
fn runs_that_share_splits_stay_out() {
    let mut crossed = lots(2, 20, 1.0, 1e9);
    crossed[1].runs.iter_mut().for_each(|run| run.seeds.1 %= 5);
    let lar = at(&findings(&crossed), "lar", 0).clone();
    assert_eq!((lar.groups, lar.count.runs, lar.of_lots[1].1.runs), (1, 20, 0));
}

#[test]
fn tables_csv_and_figure_say_the_same_of_every_number() {
    let lots = lots(2, 12, 1.0, 2_000.0);
    let found = findings(&lots);
    let lar = at(&found, "lar", 0);
    let said = crate::render::table::text(&table::answers(&found, &lots));
    let line = said.lines().find(|line| line.starts_with("lar ")).unwrap();
    let shown = format!("{:.2}", lar.within.unwrap()).replace('-', "−");
    assert!(line.contains("orders, adds") && line.contains(&shown), "{line}");
    let bytes = table::predict_csv(&found, &lots).unwrap();
    let rows: Vec<std::collections::BTreeMap<String, String>> =
        csv::Reader::from_reader(&bytes[..]).deserialize().map(Result::unwrap).collect();
    // a line for all together and one for each group
    assert_eq!(rows.len(), found.len() * 3);
    assert_eq!((&*rows[0]["number"], rows[0]["tau"].parse().ok()), ("lar", lar.within));
    assert_eq!((&*rows[1]["group"], rows[1]["tau"].parse().ok()), ("lot 0", lar.of_lots[0].0));
    let drawn = crate::render::figure::svg(&figure::page(&found).unwrap()[0]).unwrap();
    assert!(
        NUMBERS.iter().all(|number| drawn.contains(number.name)) && drawn.contains("memorized + 80 epochs")
    );
    assert!(figure::page(&findings(&[])).is_err());
    assert!(table::crossings(&lots).is_none());
}
