//! Runs that differ in nothing but their seeds, and which of these groups are put together in one number.

use std::collections::BTreeSet;

use super::{
    Checkpoint, Experiment, RunDigest, RunSummary,
    paper::{Reference, Study, reference, task_order},
};
use crate::analysis::settings::{Settings, compare, flatten, variant, varying_keys};

/// Runs of one experiment that differ in nothing but their seeds.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// Task name.
    pub task: String,
    /// Share of the table used for training.
    pub train_fraction: f64,
    /// The other settings that differ within the experiment, as `key=value key=value`; often empty.
    pub variant: String,
    /// The runs, by seed.
    pub records: Vec<&'a RunDigest>,
    /// The same runs in one line each.
    pub runs: Vec<RunSummary>,
    /// The paper's means, if this is one of its groups.
    pub paper: Option<Reference>,
}

/// Groups whose runs are put together in one cell of a table, one claim, one figure.
#[derive(Clone, Debug)]
pub struct Pool<'a> {
    /// What they have in common and other pools of the experiment have not; empty if there is no other.
    pub setting: String,
    /// The settings that differ within the pool, if it was asked to put them together.
    pub pooled: Vec<String>,
    /// At least one, in the order of [`groups`].
    pub groups: Vec<Group<'a>>,
}

/// Whether different settings are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    /// Each setting by itself.
    #[default]
    PerSetting,
    /// All runs of an experiment together.
    All,
}

impl Pool<'_> {
    /// Its runs in one line each.
    pub fn runs(&self) -> impl Iterator<Item = &RunSummary> {
        self.groups.iter().flat_map(|group| &group.runs)
    }

    /// The paper's study that these runs are; none if they are not one, or only a part of one.
    pub fn study(&self) -> Option<Study> {
        Study::of(self.groups.iter().map(|group| group.paper.as_ref()))
    }
}

/// Means over the runs of a group that got there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupMeans {
    /// Runs that got there.
    pub runs: usize,
    /// Mean epoch.
    pub epoch: f64,
    /// Mean LAR.
    pub lar: f64,
}

impl Group<'_> {
    /// Means over the runs that got to `checkpoint`; none if no run did.
    pub fn means(&self, checkpoint: Checkpoint) -> Option<GroupMeans> {
        let points: Vec<_> = self.runs.iter().filter_map(|run| run.at(checkpoint)).collect();
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        (!points.is_empty()).then(|| GroupMeans {
            runs: points.len(),
            epoch: mean(points.iter().map(|p| p.epoch as f64).collect()),
            lar: mean(points.iter().map(|p| p.lar).collect()),
        })
    }

    /// The group in a few characters: `add-f0.5 data.batch_size=64`.
    pub fn label(&self) -> String {
        format!("{}-f{} {}", self.task, self.train_fraction, self.variant).trim_end().to_owned()
    }

    /// Where some runs grokked and some did not: the mean epoch of all, each censored one at its last, which is the least that it
    /// can be.
    pub fn grokked_at_least(&self) -> Option<f64> {
        let epoch = |run: &RunSummary| run.grokked.map_or(run.epochs, |point| point.epoch) as f64;
        let is_part = (1..self.runs.len()).contains(&self.grokked());
        is_part.then(|| self.runs.iter().map(epoch).sum::<f64>() / self.runs.len() as f64)
    }

    /// Runs that grokked.
    pub fn grokked(&self) -> usize {
        self.runs.iter().filter(|run| run.has_grokked).count()
    }
}

/// The groups of `experiment` in pools: those of one setting together, whatever their task and fraction. Without a plan
/// nobody has said what belongs together: there every group is a pool of its own.
pub fn pools<'a>(experiment: &Experiment, groups: &[Group<'a>], pooling: Pooling) -> Vec<Pool<'a>> {
    let settings: BTreeSet<&str> = groups.iter().map(|group| group.variant.as_str()).collect();
    if pooling == Pooling::All {
        let pooled: Vec<String> = match experiment.is_planned {
            true => settings.into_iter().filter(|setting| !setting.is_empty()).map(str::to_owned).collect(),
            false => groups.iter().map(Group::label).collect(),
        };
        let pooled = if pooled.len() > 1 { pooled } else { Vec::new() };
        let pool = Pool { setting: String::new(), pooled, groups: groups.to_vec() };
        return if groups.is_empty() { Vec::new() } else { vec![pool] };
    }
    let mut pools: Vec<Pool<'a>> = Vec::new();
    for group in groups {
        let setting = if experiment.is_planned { group.variant.clone() } else { group.label() };
        match pools.iter_mut().find(|pool| pool.setting == setting) {
            Some(pool) => pool.groups.push(group.clone()),
            None => pools.push(Pool { setting, pooled: Vec::new(), groups: vec![group.clone()] }),
        }
    }
    pools
}

/// The groups of an experiment: tasks in the paper's order, then by fraction, then by the other settings.
pub fn groups(experiment: &Experiment) -> Vec<Group<'_>> {
    let settings: Vec<Settings> = experiment.runs.iter().map(settings_of).collect();
    let varying = varying_keys(&settings);
    let mut groups: Vec<(Vec<&toml::Value>, Group<'_>)> = Vec::new();
    for (run, settings) in experiment.runs.iter().zip(&settings) {
        let (values, variant) = variant(settings, &varying);
        let (task, train_fraction) = (&run.manifest().data, run.config().train_fraction);
        let summary = RunSummary::of(&experiment.name, &variant, run);
        match groups.iter_mut().map(|(_, group)| group).find(|group| {
            group.task == *task && group.train_fraction == train_fraction && group.variant == variant
        }) {
            Some(group) => {
                group.records.push(run);
                group.runs.push(summary);
            }
            None => groups.push((
                values,
                Group {
                    task: task.clone(),
                    train_fraction,
                    variant,
                    records: vec![run],
                    runs: vec![summary],
                    paper: reference(run.config(), &run.manifest().data_digest),
                },
            )),
        }
    }
    groups.sort_by(|(a_values, a), (b_values, b)| {
        task_order(&a.task)
            .cmp(&task_order(&b.task))
            .then_with(|| a.task.cmp(&b.task))
            .then_with(|| a.train_fraction.total_cmp(&b.train_fraction))
            .then_with(|| compare(a_values, b_values))
    });
    for (_, group) in &mut groups {
        group.records.sort_by_key(|run| (run.config().seed, run.config().split_seed));
        group.runs.sort_by_key(|run| (run.seed, run.split_seed));
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Everything but task, fraction, seeds, the budget and the choice of diagnostics. Two tables under one task name are two
/// settings.
fn settings_of(run: &RunDigest) -> Settings {
    let mut flat = Settings::new();
    // with the keys that files leave out at their defaults: a run that has one tells itself from the others by it
    flatten("", &run.config().table(), &mut flat);
    // what is recorded changes no number of what is compared
    for key in [
        "task",
        "train_fraction",
        "seed",
        "split_seed",
        "train.max_epochs",
        "train.patience",
        "probe.diagnostics",
    ] {
        flat.remove(key);
    }
    let digest: String = run.manifest().data_digest.chars().take(8).collect();
    flat.insert(format!("{}.table", run.manifest().data), toml::Value::String(digest));
    flat
}

/// A planned experiment of made-up runs, for tests.
#[cfg(test)]
pub(crate) fn planned(name: &str, runs: Vec<crate::store::RunRecord>) -> Experiment {
    let runs = runs.into_iter().map(|run| RunDigest::of(run).unwrap()).collect();
    Experiment { name: name.into(), runs, is_planned: true, ..Experiment::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kinds::operations::config::Sequence, store::made::MadeRun};

    fn experiment(runs: &[MadeRun]) -> Experiment {
        planned("study", runs.iter().map(MadeRun::record).collect())
    }

    /// Setting and labels of each pool.
    fn pooled(experiment: &Experiment, pooling: Pooling) -> Vec<(String, Vec<String>)> {
        let pools = pools(experiment, &groups(experiment), pooling);
        pools.into_iter().map(|pool| (pool.setting, pool.groups.iter().map(Group::label).collect())).collect()
    }

    #[test]
    fn tasks_and_fractions_of_one_setting_are_a_pool_and_settings_are_pooled_only_if_asked() {
        let made = [64, 512].map(|rows| {
            [("add", 0.5), ("add", 0.3), ("sub", 0.5)].map(|(t, f)| MadeRun::new(t, f, 0).batch_size(rows))
        });
        let study = experiment(made.as_flattened());
        let found = pooled(&study, Pooling::PerSetting);
        assert_eq!(
            found.iter().map(|(setting, _)| setting.as_str()).collect::<Vec<_>>(),
            ["data.batch_size=64", "data.batch_size=512"]
        );
        let first = ["add-f0.3", "add-f0.5", "sub-f0.5"].map(|group| format!("{group} data.batch_size=64"));
        assert_eq!(found[0].1, first);
        let all = pools(&study, &groups(&study), Pooling::All);
        assert_eq!((all.len(), all[0].groups.len()), (1, 6));
        assert_eq!(all[0].pooled, ["data.batch_size=512", "data.batch_size=64"]);
    }

    #[test]
    fn without_a_plan_every_recipe_is_a_pool_of_its_own() {
        let runs = [("add", 0.5, 0), ("add", 0.5, 1), ("sub", 0.5, 0)].map(|(t, f, s)| MadeRun::new(t, f, s));
        let unplanned = Experiment { is_planned: false, ..experiment(&runs) };
        let found = pooled(&unplanned, Pooling::PerSetting);
        assert_eq!(
            found.iter().map(|(setting, _)| setting.as_str()).collect::<Vec<_>>(),
            ["add-f0.5", "sub-f0.5"]
        );
        assert_eq!(pooled(&experiment(&runs), Pooling::PerSetting).len(), 1);
    }

    #[test]
    fn seeds_make_a_group_and_tasks_stand_in_the_papers_order() {
        let study = experiment(&[
            MadeRun::new("zeta", 0.5, 0),
            MadeRun::new("s5_mul", 0.5, 0),
            MadeRun::new("add", 0.5, 1),
            MadeRun::new("add", 0.3, 0),
            MadeRun::new("add", 0.5, 0),
        ]);
        let groups = groups(&study);
        let seen: Vec<_> = groups.iter().map(|g| (g.task.as_str(), g.train_fraction, g.runs.len())).collect();
        assert_eq!(seen, [("add", 0.3, 1), ("add", 0.5, 2), ("s5_mul", 0.5, 1), ("zeta", 0.5, 1)]);
        assert_eq!(groups[1].runs.iter().map(|run| run.seed).collect::<Vec<_>>(), [0, 1]);
        assert!(groups.iter().all(|group| group.variant.is_empty()));
    }

    #[test]
    fn settings_that_differ_part_groups_and_are_named_in_order_of_size() {
        let study = experiment(&[512, 64, 1024].map(|rows| MadeRun::new("add", 0.5, 0).batch_size(rows)));
        let variants: Vec<_> = groups(&study).into_iter().map(|group| group.variant).collect();
        assert_eq!(variants, ["data.batch_size=64", "data.batch_size=512", "data.batch_size=1024"]);
    }

    /// Keys that are left out of files at their defaults.
    #[test]
    fn a_setting_that_only_some_runs_have_parts_groups_too() {
        let usual = MadeRun::new("add", 0.5, 0);
        let others = [usual.clone().position_scale(0.6), usual.clone().sequence(Sequence::WithoutOperator)];
        let study = experiment(&[&[usual][..], &others].concat());
        let found: Vec<_> = groups(&study).into_iter().map(|g| (g.variant, g.runs.len())).collect();
        let variant = |scale, tokens| format!("model.position_scale={scale} model.sequence={tokens}");
        let expected = [("0.6", "with-operator"), ("1.0", "with-operator"), ("1.0", "without-operator")];
        assert_eq!(found, expected.map(|(scale, tokens)| (variant(scale, tokens), 1)));
        assert_eq!(pools(&study, &groups(&study), Pooling::PerSetting).len(), 3);
    }

    #[test]
    fn means_are_over_the_runs_that_got_there() {
        let study = experiment(&[
            MadeRun::new("add", 0.5, 0).grokked(40, 120),
            MadeRun::new("add", 0.5, 1).grokked(60, 160),
            MadeRun::new("add", 0.5, 2).memorized(80),
        ]);
        let groups = groups(&study);
        let means = groups[0].means(Checkpoint::Grokked).unwrap();
        assert_eq!((means.runs, means.epoch), (2, 140.0));
        // LAR 0.62 and 0.66
        assert!((means.lar - 0.64).abs() < 1e-12);
        assert_eq!(groups[0].means(Checkpoint::Memorized).unwrap().epoch, 60.0);
        assert_eq!(groups[0].grokked(), 2);
        // 120, 160, and 200 without
        assert_eq!(groups[0].grokked_at_least(), Some(160.0));
        let all = experiment(&[MadeRun::new("add", 0.5, 0).grokked(40, 120)]);
        assert_eq!(super::groups(&all)[0].grokked_at_least(), None);
    }
}
