//! A claim and its answer, and one rule for all claims: where must a value lie, and do enough runs, and their mean, lie there?

pub use super::{bootstrap::Sample, range::Range};
use super::{
    bootstrap::{Clustered, Clusters, MIN_RUNS, clustered_difference, difference_interval, interval, mean},
    rank::kendall,
};
use rand::Rng;
use serde::Serialize;
use std::collections::BTreeMap;

/// A claim of the paper and what our runs say to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claim {
    /// A name that stays.
    pub id: &'static str,
    /// What is claimed.
    pub statement: &'static str,
    /// Where the paper shows it.
    pub source: &'static str,
    /// The answer, from those of the parts: see [`Verdict::of`].
    pub verdict: Verdict,
    /// What was tested; empty if nothing could be.
    pub parts: Vec<Part>,
}

impl Claim {
    /// With the answer of its parts.
    pub fn new(id: &'static str, statement: &'static str, source: &'static str, parts: Vec<Part>) -> Self {
        let verdict = Verdict::of(&parts);
        Self { id, statement, source, verdict, parts }
    }
}

/// The claims on the runs of one pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answers {
    /// The setting; empty where the experiment has one only.
    pub setting: String,
    /// The settings that are put together because that was asked for.
    pub pooled: Vec<String>,
    /// Runs behind the answers.
    pub runs: usize,
    /// Every claim, in the order in which a run would meet it.
    pub claims: Vec<Claim>,
    /// A line for each group of runs.
    pub time_to_grok: Vec<TimeToGrok>,
}

/// How long the runs of a group took to grok.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimeToGrok {
    /// Task name.
    pub task: String,
    /// Share of the table used for training.
    pub train_fraction: f64,
    /// The other settings that differ within the experiment.
    pub variant: String,
    /// All runs of the group, whatever became of them.
    pub runs: usize,
    /// Those that grokked.
    pub grokked: usize,
    /// Epochs of the longest run that did not grok; none if all did.
    pub censored_at: Option<u64>,
    /// Median epoch of grokking by Kaplan and Meier; none where half of the runs never got there.
    pub median: Option<f64>,
    /// Its 95 % percentile bootstrap interval over runs; an end that was never reached is none. None at all for fewer than
    /// [`MIN_RUNS`] runs.
    pub interval: Option<(Option<f64>, Option<f64>)>,
    /// Where there is no interval: for each run the epoch of grokking, or none.
    pub epochs: Vec<Option<u64>>,
    /// The paper's mean epoch of grokking.
    pub paper_mean: Option<f64>,
}

/// Share of the runs that must agree for a yes.
pub const MIN_SHARE: f64 = 0.9;

/// What the runs say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Both intervals, over runs and over tasks and seeds, lie where the claim wants it, at least [`MIN_SHARE`] of the
    /// runs agree, and in no group most runs disagree.
    Yes,
    /// Both intervals lie elsewhere, and fewer than half of the runs agree.
    No,
    /// Neither.
    Mixed,
    /// Fewer than [`MIN_RUNS`] runs.
    NotEnoughData,
}

impl Verdict {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Mixed => "mixed",
            Self::NotEnoughData => "not enough data",
        }
    }

    /// Of a claim: all its parts must hold. What is untested can still spoil a yes, never a no.
    pub fn of(parts: &[Part]) -> Self {
        let any = |verdict| parts.iter().any(|part| part.verdict == verdict);
        match (any(Self::Yes), any(Self::No), any(Self::Mixed), any(Self::NotEnoughData)) {
            (_, _, true, _) | (true, true, ..) => Self::Mixed,
            (false, true, ..) => Self::No,
            (true, false, false, false) => Self::Yes,
            (_, false, false, _) => Self::NotEnoughData,
        }
    }
}

/// How many of the runs, or of the pairs of runs, lie in the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// So many lie in it
    pub agree: usize,
    /// of these.
    pub of: usize,
}

/// One thing that was tested for a claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Which quantity of which runs.
    pub what: String,
    /// Where the claim wants it.
    pub expected: Range,
    /// Runs behind it.
    pub runs: usize,
    /// How many of them agree; none where only the whole can be compared.
    pub agreement: Option<Agreement>,
    /// Mean over runs, difference of means, or RMSE; none without runs.
    pub mean: Option<f64>,
    /// Its 95 % percentile bootstrap interval over runs; none for fewer than [`MIN_RUNS`].
    pub interval: Option<(f64, f64)>,
    /// The same over tasks and seeds; none besides where all runs are of one group.
    pub clustered: Option<Clustered>,
    /// The values themselves where there is no interval, of two sets one after the other; else empty.
    pub values: Vec<Vec<f64>>,
    /// Groups in which fewer than half of the runs agree.
    pub against: Vec<String>,
    /// What the same rule says of the paper's own points; none where there are none to be had.
    pub of_paper: Option<OfPaper>,
    /// The answer.
    pub verdict: Verdict,
}

/// A rule held to the points of the paper that it judges.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OfPaper {
    /// How many of the points agree; each is a mean over seeds.
    pub agreement: Agreement,
    /// Their mean.
    pub mean: Option<f64>,
    /// The answer that they would have got.
    pub verdict: Verdict,
}

/// The rule, for one value a run. Values that are not finite belong to broken runs and do not count.
pub fn judge(what: &str, expected: Range, values: Vec<Sample>) -> Part {
    part(what, expected, values).decided(MIN_SHARE, true)
}

/// The rule for what is claimed of the mean and not of each run: more than half of the runs must agree, and a group may
/// have a mind of its own.
pub fn judge_mostly(what: &str, expected: Range, values: Vec<Sample>) -> Part {
    part(what, expected, values).decided(0.5, false)
}

/// The rule for the rank correlation of two numbers of a run (Kendall's τ_b), a number of all runs together: its interval
/// over runs decides. Runs of which either number is not finite do not count.
pub fn judge_order(what: &str, expected: Range, points: &[(f64, f64)]) -> Part {
    let finite: Vec<(f64, f64)> =
        points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let tau = |points: &[(f64, f64)]| {
        let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
        kendall(&x, &y)
    };
    let n = finite.len();
    let whole = tau(&finite);
    let interval = (n >= MIN_RUNS && whole.is_some()).then(|| {
        interval(|rng| {
            let drawn: Vec<(f64, f64)> = (0..n).map(|_| finite[rng.random_range(0..n)]).collect();
            // draws of equal runs alone say nothing of order
            tau(&drawn).unwrap_or(0.0)
        })
    });
    let verdict = match interval {
        None => Verdict::NotEnoughData,
        Some((low, high)) if expected.contains(low) && expected.contains(high) => Verdict::Yes,
        Some(ends) if expected.misses(ends) => Verdict::No,
        Some(_) => Verdict::Mixed,
    };
    Part { mean: whole, agreement: None, interval, verdict, runs: n, ..part(what, expected, Vec::new()) }
}

fn part(what: &str, expected: Range, values: Vec<Sample>) -> Part {
    let mut groups: BTreeMap<&str, Agreement> = BTreeMap::new();
    let finite = || values.iter().filter(|sample| sample.value.is_finite());
    for Sample { group, value } in finite() {
        let entry = groups.entry(group).or_insert(Agreement { agree: 0, of: 0 });
        entry.of += 1;
        entry.agree += usize::from(expected.contains(*value));
    }
    let against =
        groups.iter().filter(|(_, a)| 2 * a.agree < a.of).map(|(group, _)| (*group).to_owned()).collect();
    let clusters = clusters(&values);
    let numbers = clusters.values();
    let interval = clusters.interval(|mean| mean);
    Part {
        what: what.to_owned(),
        expected,
        runs: numbers.len(),
        agreement: Some(Agreement { agree: groups.values().map(|a| a.agree).sum(), of: numbers.len() }),
        mean: (!numbers.is_empty()).then(|| mean(numbers)),
        interval,
        clustered: clusters.clustered(|mean| mean),
        values: shown(interval, &[numbers]),
        against,
        of_paper: None,
        verdict: Verdict::NotEnoughData,
    }
}

/// The rule for two sets of runs: mean(a) − mean(b), and every pair of one of each must agree.
pub fn judge_difference(what: &str, expected: Range, a: &[Sample], b: &[Sample]) -> Part {
    let [a, b] = [clusters(a), clusters(b)];
    let (x, y) = (a.values(), b.values());
    let pairs = x.iter().flat_map(|x| y.iter().map(move |y| x - y));
    let agreement =
        Agreement { agree: pairs.filter(|d| expected.contains(*d)).count(), of: x.len() * y.len() };
    let both = !x.is_empty() && !y.is_empty();
    let interval = difference_interval(&a, &b);
    let part = Part {
        what: what.to_owned(),
        expected,
        runs: x.len() + y.len(),
        agreement: Some(agreement),
        mean: both.then(|| mean(x) - mean(y)),
        interval,
        clustered: clustered_difference(&a, &b),
        values: shown(interval, &[x, y]),
        against: Vec::new(),
        of_paper: None,
        verdict: Verdict::NotEnoughData,
    };
    part.decided(MIN_SHARE, true)
}

fn clusters(values: &[Sample]) -> Clusters {
    let finite = values.iter().filter(|sample| sample.value.is_finite());
    Clusters::of(finite.map(|sample| (sample.group.as_str(), sample.value)))
}

/// The values of `sets` where they are too few for an interval.
fn shown(interval: Option<(f64, f64)>, sets: &[&[f64]]) -> Vec<Vec<f64>> {
    let is_few = interval.is_none() && sets.iter().any(|set| !set.is_empty());
    let few = |set: &&[f64]| set.iter().take(MIN_RUNS).copied().collect();
    if is_few { sets.iter().map(few).collect() } else { Vec::new() }
}

impl Part {
    /// With what the same rule says of the paper's own points, if there are any.
    pub fn beside(mut self, paper: &Part) -> Self {
        self.of_paper = paper.agreement.filter(|agreement| agreement.of > 0).map(|agreement| OfPaper {
            agreement,
            mean: paper.mean,
            verdict: paper.verdict,
        });
        self
    }

    /// With the answer that its numbers give, if there are enough for an interval: a yes wants `most` of the runs, and
    /// most of each group if `each`.
    fn decided(mut self, most: f64, each: bool) -> Self {
        let (Some((low, high)), Some(Agreement { agree, of })) = (self.interval, self.agreement) else {
            return self;
        };
        let mut ends = vec![(low, high)];
        ends.extend(self.clustered.map(|clustered| (clustered.low, clustered.high)));
        let inside =
            ends.iter().all(|(low, high)| [low, high].iter().all(|end| self.expected.contains(**end)));
        let share = agree as f64 / of as f64;
        let is_enough = if each { share >= most && self.against.is_empty() } else { share > most };
        self.verdict = if inside && is_enough {
            Verdict::Yes
        } else if ends.iter().all(|ends| self.expected.misses(*ends)) && share < 0.5 {
            Verdict::No
        } else {
            Verdict::Mixed
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Made by `tests/oracle/claims.py` (SciPy's percentile bootstrap).
    #[derive(Deserialize)]
    struct Oracle {
        a: Vec<f64>,
        b: Vec<f64>,
        mean: f64,
        difference: f64,
        mean_interval: Interval,
        difference_interval: Interval,
    }

    /// Ends of an interval of 10,000 resamples: mean and standard deviation over 200 repetitions.
    #[derive(Deserialize)]
    struct Interval {
        low: (f64, f64),
        high: (f64, f64),
    }

    fn one_group(values: &[f64]) -> Vec<Sample> {
        values.iter().map(|value| Sample { group: "g".to_owned(), value: *value }).collect()
    }

    #[test]
    fn means_and_intervals_agree_with_scipy() {
        let oracle: Oracle = serde_json::from_str(include_str!("../../tests/oracle/claims.json")).unwrap();
        let one = judge("", Range::Above(0.0), one_group(&oracle.a));
        let two = judge_difference("", Range::Above(0.0), &one_group(&oracle.a), &one_group(&oracle.b));
        let cases =
            [(one, oracle.mean, oracle.mean_interval), (two, oracle.difference, oracle.difference_interval)];
        for (part, mean, interval) in cases {
            let (low, high) = part.interval.unwrap();
            assert!((part.mean.unwrap() - mean).abs() < 1e-12);
            // 4 standard deviations of such an interval's own noise
            assert!((low - interval.low.0).abs() < 4.0 * interval.low.1, "{low}");
            assert!((high - interval.high.0).abs() < 4.0 * interval.high.1, "{high}");
        }
    }

    #[test]
    fn the_rule_says_yes_no_mixed_and_too_little() {
        let above = |values: &[f64]| judge("", Range::Above(0.0), one_group(values)).verdict;
        assert_eq!(above(&[1.0, 2.0, 3.0, 2.0, 1.0]), Verdict::Yes);
        assert_eq!(above(&[-1.0, -2.0, -3.0, -2.0, -1.0]), Verdict::No);
        assert_eq!(above(&[1.0, -2.0, 3.0, -2.0, 1.0]), Verdict::Mixed);
        assert_eq!(above(&[1.0, 2.0, 3.0, 2.0]), Verdict::NotEnoughData);
        assert_eq!(above(&[1.0, 2.0, 3.0, 2.0, f64::NAN]), Verdict::NotEnoughData);
        // the interval is above 0, but one in five disagrees
        assert_eq!(above(&[9.0, 9.0, 9.0, 9.0, -0.1]), Verdict::Mixed);
        // a mean far below 0 made by one run of five is no no
        assert_eq!(above(&[0.1, 0.1, 0.1, 0.1, -99.0]), Verdict::Mixed);
        let within = |value| judge("", Range::Within(0.4, 0.6), one_group(&[value; 5])).verdict;
        assert_eq!(
            [0.5, 0.4, 0.6, 0.39, 0.61].map(within),
            [Verdict::Yes, Verdict::Yes, Verdict::Yes, Verdict::No, Verdict::No]
        );
    }

    #[test]
    fn a_task_of_its_own_mind_spoils_a_yes_and_is_named() {
        let mut values: Vec<Sample> =
            (0..57).map(|i| Sample { group: format!("task{}", i % 10), value: 1.0 }).collect();
        values.extend([-0.01, -0.01, 0.01].map(|value| Sample { group: "odd".to_owned(), value }));
        let part = judge("", Range::Above(0.0), values);
        assert_eq!(part.agreement, Some(Agreement { agree: 58, of: 60 }));
        assert_eq!((part.verdict, part.against), (Verdict::Mixed, vec!["odd".to_owned()]));
    }

    #[test]
    fn tasks_that_differ_more_than_their_seeds_take_back_a_yes() {
        // three tasks of ten runs, means 0.1, 0.1 and 4: over runs the mean is surely above 0.5, over tasks it is not
        let values = |spread: f64| -> Vec<Sample> {
            let value = |i: usize| if i < 20 { 0.6 - spread } else { 4.0 } + 0.001 * i as f64;
            (0..30).map(|i| Sample { group: format!("task {}", i / 10), value: value(i) }).collect()
        };
        let over = |spread| {
            let part = judge("", Range::Above(0.55), values(spread));
            (part.interval.unwrap().0 > 0.55, part.clustered.unwrap().low > 0.55, part.verdict)
        };
        assert_eq!(over(0.0), (true, true, Verdict::Yes));
        assert_eq!(over(0.5), (true, false, Verdict::Mixed));
    }

    #[test]
    fn too_few_runs_are_shown_instead_of_an_interval() {
        let part = judge("", Range::Above(0.0), one_group(&[1.0, 2.0, 4.0]));
        assert_eq!((part.interval, part.clustered), (None, None));
        assert_eq!((part.mean, part.values), (Some(7.0 / 3.0), vec![vec![1.0, 2.0, 4.0]]));
        let part = judge_difference("", Range::Above(0.0), &one_group(&[3.0]), &one_group(&[1.0; 5]));
        assert_eq!((part.interval, part.values), (None, vec![vec![3.0], vec![1.0; 5]]));
        assert!(judge("", Range::Above(0.0), one_group(&[1.0; 5])).values.is_empty());
        assert!(judge("", Range::Above(0.0), Vec::new()).values.is_empty());
    }

    #[test]
    fn two_sets_need_five_runs_each_and_nine_pairs_of_ten() {
        let high = [5.0, 6.0, 7.0, 8.0, 9.0];
        let verdict = |a: &[f64], b: &[f64]| {
            judge_difference("", Range::Above(0.0), &one_group(a), &one_group(b)).verdict
        };
        assert_eq!(verdict(&high, &[1.0, 2.0, 3.0, 4.0, 4.5]), Verdict::Yes);
        assert_eq!(verdict(&[1.0, 2.0, 3.0, 4.0, 4.5], &high), Verdict::No);
        assert_eq!(verdict(&high, &[1.0, 2.0, 3.0, 4.0]), Verdict::NotEnoughData);
        // 18 of 25 pairs
        assert_eq!(verdict(&high, &[1.0, 2.0, 3.0, 7.5, 8.5]), Verdict::Mixed);
    }

    #[test]
    fn what_is_claimed_of_the_mean_wants_more_than_half_of_the_runs() {
        let mostly = |values: &[f64]| judge_mostly("", Range::Above(0.0), one_group(values)).verdict;
        let strict = |values: &[f64]| judge("", Range::Above(0.0), one_group(values)).verdict;
        // eight runs of ten, as 28 of 37 are: the interval of the mean is above 0
        let most = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -0.1, -0.1];
        assert_eq!((mostly(&most), strict(&most)), (Verdict::Yes, Verdict::Mixed));
        let half = [9.0, 9.0, 9.0, 9.0, 9.0, -0.1, -0.1, -0.1, -0.1, -0.1];
        assert_eq!(mostly(&half), Verdict::Mixed);
        assert_eq!(mostly(&[-1.0; 5]), Verdict::No);
        assert_eq!(mostly(&[1.0; 4]), Verdict::NotEnoughData);
    }

    #[test]
    fn the_order_of_two_numbers_is_judged_by_its_interval() {
        let order = |ys: &[f64]| {
            let points: Vec<_> = ys.iter().enumerate().map(|(i, y)| (i as f64, *y)).collect();
            let part = judge_order("", Range::Below(0.0), &points);
            (part.mean, part.verdict)
        };
        assert_eq!(order(&[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]), (Some(-1.0), Verdict::Yes));
        assert_eq!(order(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), (Some(1.0), Verdict::No));
        // 9 pairs of 15 rise
        let (tau, verdict) = order(&[2.0, 5.0, 1.0, 4.0, 6.0, 3.0]);
        assert!((tau.unwrap() - 3.0 / 15.0).abs() < 1e-12 && verdict == Verdict::Mixed, "{tau:?}");
        assert_eq!(order(&[4.0, 3.0, 2.0, 1.0]).1, Verdict::NotEnoughData);
        assert_eq!(order(&[1.0; 6]), (None, Verdict::NotEnoughData));
    }

    #[test]
    fn the_papers_points_stand_beside_where_there_are_any() {
        let ours = || judge("", Range::Above(0.0), one_group(&[1.0; 5]));
        let paper = ours().beside(&judge("", Range::Above(0.0), one_group(&[1.0, -1.0]))).of_paper.unwrap();
        assert_eq!((paper.agreement, paper.mean), (Agreement { agree: 1, of: 2 }, Some(0.0)));
        assert_eq!(paper.verdict, Verdict::NotEnoughData);
        assert_eq!(ours().beside(&judge("", Range::Above(0.0), Vec::new())).of_paper, None);
    }

    #[test]
    fn a_claim_holds_when_all_its_parts_do() {
        let part = |verdict| Part { verdict, ..judge("", Range::Above(0.0), Vec::new()) };
        let of = |verdicts: &[Verdict]| Verdict::of(&verdicts.iter().map(|v| part(*v)).collect::<Vec<_>>());
        use Verdict::{Mixed, No, NotEnoughData, Yes};
        assert_eq!(of(&[Yes, Yes]), Yes);
        assert_eq!(of(&[No, No]), No);
        assert_eq!(of(&[No, NotEnoughData]), No);
        assert_eq!(of(&[Yes, NotEnoughData]), NotEnoughData);
        assert_eq!(of(&[]), NotEnoughData);
        assert_eq!(of(&[Yes, No, NotEnoughData]), Mixed);
        assert_eq!(of(&[Mixed, NotEnoughData]), Mixed);
    }
}
