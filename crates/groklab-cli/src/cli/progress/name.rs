//! Names of runs for people: short, and different for different runs of a plan.

use super::line::NAME;
use crate::{
    analysis::settings::{Settings, flatten, plain, varying_keys},
    excerpt::clipped,
    kinds,
    run::Planned,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Digits of a digest that a name ends with where nothing else tells runs apart.
const DIGITS: usize = 6;
/// Runs of one name whose settings are compared at most: recipes of a hundred thousand take their time.
const COMPARED: usize = 1_000;

/// A name of at most [`NAME`] characters for each run: its id without the digest. Where runs share that, what tells them apart
/// (`batch_size=64 s0`, or `64 s0` where there is no room); the beginning of the digest where that is no name either.
pub fn names(plan: &[Arc<dyn Planned>]) -> BTreeMap<String, String> {
    let mut alike: BTreeMap<&str, Vec<&dyn Planned>> = BTreeMap::new();
    for run in plan {
        alike.entry(parts(run.id()).0).or_default().push(run.as_ref());
    }
    let shared = shared(&alike.keys().copied().collect::<Vec<_>>());
    let mut names = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (stem, runs) in alike {
        let mut ways = match runs.len() {
            1 => vec![vec![stem[shared..].to_owned()]],
            2..=COMPARED => told_apart(&runs),
            _ => Vec::new(),
        };
        ways.iter_mut().flatten().for_each(|name| *name = short(name, NAME));
        let is_free = |names: &Vec<String>| {
            names.iter().collect::<BTreeSet<_>>().len() == names.len()
                && names.iter().all(|name| !taken.contains(name))
        };
        let by_digest = || runs.iter().map(|run| by_digest(run.id())).collect();
        let chosen = ways.into_iter().find(is_free).unwrap_or_else(by_digest);
        for (run, name) in runs.iter().zip(chosen) {
            taken.insert(name.clone());
            names.insert(run.id().to_owned(), name);
        }
    }
    names
}

/// Bytes that all of several names begin with, up to a `-`, where one of them has no room: `language-` of language-131072-adam-s0 and
/// language-all-adam-s0.
fn shared(stems: &[&str]) -> usize {
    let (Some(first), Some(last)) = (stems.first(), stems.last()) else { return 0 };
    if stems.len() < 2 || stems.iter().all(|stem| stem.chars().count() <= NAME) {
        return 0;
    }
    // in order of the alphabet the first and the last differ soonest
    let same = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
    first.get(..same).and_then(|same| same.rfind('-')).map_or(0, |at| at + 1)
}

/// An id as what is for people, and its digest.
fn parts(id: &str) -> (&str, &str) {
    id.rsplit_once('-').unwrap_or((id, ""))
}

fn by_digest(id: &str) -> String {
    let (stem, digest) = parts(id);
    format!("{} {}", short(stem, NAME - DIGITS - 1), clipped(digest.get(..DIGITS).unwrap_or(digest), DIGITS))
}

/// The settings in which the runs differ, with the seed: as keys and values, and as values.
fn told_apart(runs: &[&dyn Planned]) -> Vec<Vec<String>> {
    let settings: Vec<Settings> = runs
        .iter()
        .map(|run| {
            let mut flat = Settings::new();
            // with the keys that a recipe leaves out at their defaults
            let config = kinds::complete(run.kind(), &run.recipe(), run.budget());
            flatten("", &config.unwrap_or_else(|_| run.recipe()), &mut flat);
            flat.retain(|key, _| !key.starts_with("train."));
            flat
        })
        .collect();
    let mut keys = varying_keys(&settings);
    keys.retain(|key| !["seed", "split_seed"].contains(&key.as_str()));
    let names = |with_keys: bool| {
        let of_run = |(run, settings): (&&dyn Planned, &Settings)| {
            let seed = parts(run.id()).0.rsplit_once('-').map_or("", |(_, seed)| seed);
            let values = keys.iter().filter_map(|key| {
                let value = plain(settings.get(*key)?);
                let name = key.rsplit_once('.').map_or(key.as_str(), |(_, name)| name);
                Some(if with_keys { format!("{name}={value}") } else { value })
            });
            values.chain([seed.to_owned()]).collect::<Vec<_>>().join(" ")
        };
        runs.iter().zip(&settings).map(of_run).collect()
    };
    let long: Vec<String> = names(true);
    let has_room = long.iter().all(|name| name.chars().count() <= NAME);
    if has_room { vec![long] } else { vec![names(false)] }
}

/// At most `room` characters: of a long text the beginning, and the end, which tells seeds apart.
fn short(text: &str, room: usize) -> String {
    let count = text.chars().count();
    if count <= room {
        return clipped(text, room);
    }
    let end: String = text.chars().skip(count - room / 2).collect();
    let begin: String = text.chars().take(room - room / 2 - 1).collect();
    format!("{}…{}", clipped(&begin, room), clipped(&end, room))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;
    use std::path::Path;

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(short("add-f0.5-s0", NAME), "add-f0.5-s0");
        assert_eq!(short("language-131072-adam-s0", NAME), "language…2-adam-s0");
        assert_eq!(short("language-131072-adam-s0", NAME).chars().count(), NAME);
        assert_eq!(by_digest("language-131072-adam-s0-0123456789ab"), "langu…am-s0 012345");
    }

    #[test]
    fn what_all_names_begin_with_is_left_out_where_there_is_no_room() {
        let stems = ["language-131072-adam-s0", "language-131072-adam-s1", "language-all-adam-s0"];
        assert_eq!(&stems[0][shared(&stems)..], "131072-adam-s0");
        assert_eq!(shared(&["add-f0.5-s0", "add-f0.5-s1"]), 0);
        assert_eq!(shared(&stems[..1]), 0);
    }

    #[test]
    fn runs_of_every_experiment_have_names_of_their_own() {
        let shipped = crate::experiment::SHIPPED_EXPERIMENTS.iter().map(|(name, _)| *name);
        // it reads a text that does not come with the program
        for experiment in shipped.filter(|name| *name != "lm-text") {
            let plan = Experiment::find(experiment).unwrap().plan(&[]).unwrap();
            let names = names(&plan);
            let distinct: BTreeSet<&String> = names.values().collect();
            assert_eq!((names.len(), distinct.len()), (plan.len(), plan.len()), "{experiment}");
            let wide = names.values().find(|name| name.chars().count() > NAME);
            assert_eq!(wide, None, "{experiment}");
        }
    }

    #[test]
    fn a_grid_is_told_apart_by_what_varies() {
        let named = |grid: &str| {
            let text = format!(
                "title = 't'\ntasks = ['add']\ntrain_fractions = [0.5]\nseeds = [0, 1]\n[grid]\n{grid}\n"
            );
            let experiment = Experiment::from_str("t", &text, Path::new("t.toml")).unwrap();
            let mut names: Vec<String> = names(&experiment.plan(&[]).unwrap()).into_values().collect();
            names.sort();
            names
        };
        let expected = ["batch_size=128 s0", "batch_size=128 s1", "batch_size=64 s0", "batch_size=64 s1"];
        assert_eq!(named("'data.batch_size' = [64, 128]"), expected);
        let expected = ["0.001 s0", "0.001 s1", "0.01 s0", "0.01 s1"];
        assert_eq!(named("'optim.learning_rate' = [0.001, 0.01]"), expected);
    }
}
