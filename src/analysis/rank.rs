//! Order of two numbers of runs: Kendall's τ_b (Kendall 1938, doi:10.1093/biomet/30.1-2.81; ties after Kendall 1945), of a number
//! and a time that some runs never reached, its partial form, and Holm's correction of many p-values.
//!
//! Everything is counted over the pairs whose order is *known*. Of two lifetimes it is known unless the shorter one is censored:
//! then nobody saw which came first (Oakes 1982, doi:10.2307/2530458; Harrell's C is (1 + τ)/2 where nothing is tied). Pairs of
//! runs of different groups can be left out, which gives the τ within groups.

use rand::seq::SliceRandom;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{bootstrap::interval, survival::Lifetime};
use rand::Rng;

/// Random orders behind a p-value, and the seed that draws them.
pub const PERMUTATIONS: usize = 9_999;
const SEED: u64 = 1938;

/// The order of a pair is not known.
const UNKNOWN: i8 = i8::MIN;

/// Of each pair of n runs which has the more: −1, 0, 1, or not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    n: usize,
    /// Sign of (value of j − value of i) at i·n + j.
    signs: Vec<i8>,
}

impl Order {
    fn by(n: usize, sign: impl Fn(usize, usize) -> i8) -> Self {
        Self { n, signs: (0..n * n).map(|at| sign(at / n, at % n)).collect() }
    }

    /// Of numbers; a pair with one that is NaN has no order.
    pub fn of(values: &[f64]) -> Self {
        Self::by(values.len(), |i, j| match values[j].partial_cmp(&values[i]) {
            Some(order) => order as i8,
            None => UNKNOWN,
        })
    }

    /// Of lifetimes. One that is censored when another ended was the longer.
    pub fn of_lives(lives: &[Lifetime]) -> Self {
        let is_before =
            |a: Lifetime, b: Lifetime| a.ended && (a.time < b.time || a.time == b.time && !b.ended);
        Self::by(lives.len(), |i, j| {
            let (a, b) = (lives[i], lives[j]);
            match (is_before(a, b), is_before(b, a)) {
                (true, _) => 1,
                (_, true) => -1,
                _ if i == j || a.ended && b.ended => 0,
                _ => UNKNOWN,
            }
        })
    }

    /// The same without the pairs of which `keep` is false.
    pub fn only(mut self, keep: impl Fn(usize, usize) -> bool) -> Self {
        for at in 0..self.signs.len() {
            if !keep(at / self.n, at % self.n) {
                self.signs[at] = UNKNOWN;
            }
        }
        self
    }

    fn at(&self, i: usize, j: usize) -> i8 {
        self.signs[i * self.n + j]
    }
}

/// Kendall's τ_b of two lists of equal length; none where a list has no two different values, or is no number.
pub fn kendall(x: &[f64], y: &[f64]) -> Option<f64> {
    let all: Vec<usize> = (0..x.len().min(y.len())).collect();
    tau(&Order::of(x), &Order::of(y), &all, &all)
}

/// τ_b over the pairs of known order of the runs in `of_x` as to the one number and the runs in `of_y` as to the other:
/// (C − D) / √((P − T_x)(P − T_y)), C and D the pairs in equal and in opposite order, P all of known order, T those tied.
pub fn tau(x: &Order, y: &Order, of_x: &[usize], of_y: &[usize]) -> Option<f64> {
    let (mut sum, mut differ_x, mut differ_y) = (0_i64, 0_i64, 0_i64);
    for j in 1..of_x.len() {
        for i in 0..j {
            let (a, b) = (x.at(of_x[i], of_x[j]), y.at(of_y[i], of_y[j]));
            if a != UNKNOWN && b != UNKNOWN {
                sum += i64::from(a * b);
                differ_x += i64::from(a * a);
                differ_y += i64::from(b * b);
            }
        }
    }
    let most = (differ_x as f64 * differ_y as f64).sqrt();
    (most > 0.0).then(|| sum as f64 / most)
}

/// Kendall's partial τ of x and y given z (Kendall 1942, doi:10.1093/biomet/32.3-4.277), each of the three over the pairs whose
/// order in y is known, so that it lies within ±1; none where one of them is none or z says all.
pub fn partial(x: &Order, y: &Order, z: &Order, runs: &[usize]) -> Option<f64> {
    // products of signs xy, xz, yz, then x², y², z²: over one set of pairs the three τ are cosines
    let mut sums = [0_i64; 6];
    for j in 1..runs.len() {
        for i in 0..j {
            let [a, b, c] = [x, y, z].map(|order| order.at(runs[i], runs[j]));
            if a != UNKNOWN && b != UNKNOWN && c != UNKNOWN {
                let products = [a * b, a * c, b * c, a * a, b * b, c * c];
                sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += i64::from(product));
            }
        }
    }
    let [xy, xz, yz, xx, yy, zz] = sums.map(|sum| sum as f64);
    let of = |ab: f64, aa: f64, bb: f64| (aa * bb > 0.0).then(|| ab / (aa * bb).sqrt());
    let (xy, xz, yz) = (of(xy, xx, yy)?, of(xz, xx, zz)?, of(yz, yy, zz)?);
    let rest = (1.0 - xz * xz) * (1.0 - yz * yz);
    (rest > 1e-12).then(|| (xy - xz * yz) / rest.sqrt())
}

/// How often chance makes as large a |τ|: x is dealt out anew among the runs of each group, (1 + as extreme) / (1 + all).
pub fn permutation_p(x: &Order, y: &Order, groups: &[usize]) -> Option<f64> {
    let places: Vec<usize> = (0..groups.len()).collect();
    let seen = tau(x, y, &places, &places)?.abs();
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let of_group = |g: usize| places.iter().copied().filter(|&i| groups[i] == g).collect::<Vec<_>>();
    let most = groups.iter().max().map_or(0, |most| most + 1);
    let members: Vec<Vec<usize>> = (0..most).map(of_group).collect();
    let mut dealt = places.clone();
    let mut extreme = 0;
    for _ in 0..PERMUTATIONS {
        for members in &members {
            let mut shuffled = members.clone();
            shuffled.shuffle(&mut rng);
            members.iter().zip(shuffled).for_each(|(place, run)| dealt[*place] = run);
        }
        // a rounding below counts as equal
        extreme += usize::from(tau(x, y, &dealt, &places).unwrap_or(0.0).abs() >= seen - 1e-12);
    }
    Some((1 + extreme) as f64 / (1 + PERMUTATIONS) as f64)
}

/// 95 % percentile bootstrap interval of `statistic` over the runs, drawn within their groups; a draw without a value counts as 0.
pub fn order_interval(groups: &[usize], statistic: impl Fn(&[usize]) -> Option<f64>) -> (f64, f64) {
    let most = groups.iter().max().map_or(0, |most| most + 1);
    let members: Vec<Vec<usize>> =
        (0..most).map(|g| (0..groups.len()).filter(|&i| groups[i] == g).collect()).collect();
    interval(|rng| {
        let mut drawn = Vec::with_capacity(groups.len());
        for members in &members {
            drawn.extend((0..members.len()).map(|_| members[rng.random_range(0..members.len())]));
        }
        statistic(&drawn).unwrap_or(0.0)
    })
}

/// Holm's step-down adjustment (Holm 1979); NaN stays and does not count.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).filter(|&i| p[i].is_finite()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    let mut adjusted = vec![f64::NAN; p.len()];
    let mut most: f64 = 0.0;
    for (rank, &i) in order.iter().enumerate() {
        most = most.max((order.len() - rank) as f64 * p[i]).min(1.0);
        adjusted[i] = most;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Made by `tests/oracle/rank.py`: SciPy without censoring, pairs counted one by one with it.
    #[derive(Deserialize)]
    struct Case {
        x: Vec<f64>,
        z: Vec<f64>,
        times: Vec<f64>,
        ended: Vec<bool>,
        groups: Vec<usize>,
        tau: Option<f64>,
        tau_within: Option<f64>,
        partial: Option<f64>,
        /// Of an exact or a long Monte Carlo test, and its standard deviation at 9,999 orders.
        p: Option<(f64, f64)>,
    }

    fn agrees(ours: Option<f64>, theirs: Option<f64>) {
        match (ours, theirs) {
            (Some(a), Some(b)) => assert!((a - b).abs() < 1e-12, "{a}, not {b}"),
            _ => assert_eq!(ours, theirs),
        }
    }

    #[test]
    fn orders_agree_with_scipy_and_with_pairs_counted_one_by_one() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/oracle/rank.json")).unwrap();
        assert!(cases.iter().any(|case| case.ended.contains(&false)) && cases.len() > 6);
        for case in cases {
            let lives: Vec<Lifetime> = (case.times.iter().zip(&case.ended))
                .map(|(time, ended)| Lifetime { time: *time, ended: *ended })
                .collect();
            let all: Vec<usize> = (0..lives.len()).collect();
            let [x, z] = [&case.x, &case.z].map(|values| Order::of(values));
            let y = Order::of_lives(&lives);
            agrees(tau(&x, &y, &all, &all), case.tau);
            let within = y.clone().only(|i, j| case.groups[i] == case.groups[j]);
            agrees(tau(&x, &within, &all, &all), case.tau_within);
            agrees(partial(&x, &y, &z, &all), case.partial);
            if let Some((p, sd)) = case.p {
                let ours = permutation_p(&x, &within, &case.groups).unwrap();
                assert!((ours - p).abs() < 4.0 * sd + 2.0 / PERMUTATIONS as f64, "{ours}, not {p}");
            }
        }
    }

    #[test]
    fn a_censored_run_says_only_that_it_was_not_before() {
        let life = |time, ended| Lifetime { time, ended };
        // 10, 20+, 30: the order of 20+ and 30 is not known, of 10 and 20+ it is
        let y = Order::of_lives(&[life(10.0, true), life(20.0, false), life(30.0, true)]);
        assert_eq!((y.at(0, 1), y.at(1, 0), y.at(0, 2)), (1, -1, 1));
        assert_eq!((y.at(1, 2), y.at(2, 1)), (UNKNOWN, UNKNOWN));
        // at the same time the censored one is the longer, two censored ones are not known
        let y = Order::of_lives(&[life(10.0, true), life(10.0, false), life(10.0, false)]);
        assert_eq!((y.at(0, 1), y.at(1, 2)), (1, UNKNOWN));
        // all pairs of known order agree
        let y = Order::of_lives(&[life(10.0, true), life(20.0, false), life(30.0, true)]);
        assert_eq!(tau(&Order::of(&[1.0, 9.0, 3.0]), &y, &[0, 1, 2], &[0, 1, 2]), Some(1.0));
    }

    #[test]
    fn what_follows_the_third_number_alone_has_no_partial_order() {
        // x = z, then z says all; x unlike z, then the partial τ lies within ±1
        let (y, z) = (Order::of(&[1.0, 2.0, 3.0, 4.0]), Order::of(&[1.0, 3.0, 2.0, 4.0]));
        assert_eq!(partial(&z, &y, &z, &[0, 1, 2, 3]), None);
        assert_eq!(kendall(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(kendall(&[], &[]), None);
        let half = order_interval(&[0; 4], |runs| partial(&y, &y, &z, runs));
        assert!(-1.0 <= half.0 && half.1 <= 1.0 + 1e-12, "{half:?}");
    }

    #[test]
    fn holm_multiplies_the_least_most_and_never_falls() {
        let adjusted = holm(&[0.01, 0.04, f64::NAN, 0.03, 0.9]);
        // of four: 4·0.01, 3·0.03, then 2·0.04 = 0.08 raised to 0.09, then 0.9
        let expected = [0.04, 0.09, f64::NAN, 0.09, 0.9];
        for (a, b) in adjusted.iter().zip(expected) {
            assert!((a - b).abs() < 1e-15 || (a.is_nan() && b.is_nan()), "{adjusted:?}");
        }
        assert_eq!(holm(&[0.9, 0.6]), [1.0, 1.0]);
    }
}
