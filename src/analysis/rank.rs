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
    Pairs::of(&Order::of(x), &Order::of(y), None).tau(&vec![1; x.len()])
}

/// The pairs whose order is known by two numbers, or by three.
#[derive(Clone, Debug)]
pub struct Pairs(Vec<Pair>);

/// Two runs, and the signs of their differences in x, y and z.
#[derive(Clone, Copy, Debug)]
struct Pair {
    runs: (usize, usize),
    signs: [i8; 3],
}

impl Pairs {
    /// Of as many runs as each order has.
    pub fn of(x: &Order, y: &Order, z: Option<&Order>) -> Self {
        let pairs = (0..x.n.min(y.n)).flat_map(|j| (0..j).map(move |i| (i, j)));
        let signs =
            |(i, j)| Pair { runs: (i, j), signs: [x.at(i, j), y.at(i, j), z.map_or(0, |z| z.at(i, j))] };
        Self(pairs.map(signs).filter(|pair| !pair.signs.contains(&UNKNOWN)).collect())
    }

    /// Sums of products of signs, each pair as often as its runs were drawn together: xy, xz, yz, x², y², z². A run drawn twice is
    /// a pair tied in all of them.
    fn sums(&self, drawn: &[u32]) -> [f64; 6] {
        let mut sums = [0_i64; 6];
        for Pair { runs: (i, j), signs: [x, y, z] } in &self.0 {
            let times = i64::from(drawn[*i] * drawn[*j]);
            let products = [x * y, x * z, y * z, x * x, y * y, z * z];
            sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += times * i64::from(product));
        }
        sums.map(|sum| sum as f64)
    }

    /// τ_b of x and y where each run was drawn so many times: (C − D) / √((P − T_x)(P − T_y)), C and D the pairs in equal and in
    /// opposite order, P all, T those tied. None where nothing differs.
    pub fn tau(&self, drawn: &[u32]) -> Option<f64> {
        let [xy, _, _, xx, yy, _] = self.sums(drawn);
        cosine(xy, xx, yy)
    }

    /// Kendall's partial τ of x and y given z (Kendall 1942, doi:10.1093/biomet/32.3-4.277), the three over the same pairs, so
    /// that it lies within ±1; none where one of them is none, or z says all.
    pub fn partial(&self, drawn: &[u32]) -> Option<f64> {
        let [xy, xz, yz, xx, yy, zz] = self.sums(drawn);
        let (xy, xz, yz) = (cosine(xy, xx, yy)?, cosine(xz, xx, zz)?, cosine(yz, yy, zz)?);
        let rest = (1.0 - xz * xz) * (1.0 - yz * yz);
        (rest > 1e-12).then(|| (xy - xz * yz) / rest.sqrt())
    }
}

fn cosine(ab: f64, aa: f64, bb: f64) -> Option<f64> {
    (aa * bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

/// How often chance makes as large a |τ|: x is dealt out anew among the runs of each group, (1 + as extreme) / (1 + all).
pub fn permutation_p(x: &Order, y: &Order, groups: &[usize]) -> Option<f64> {
    let known = Pairs::of(&Order::by(y.n, |_, _| 0), y, None).0;
    let tau = |dealt: &[usize]| {
        let (mut sum, mut differ_x, mut differ_y) = (0_i64, 0_i64, 0_i64);
        for Pair { runs: (i, j), signs: [_, y, _] } in &known {
            let x = x.at(dealt[*i], dealt[*j]);
            if x != UNKNOWN {
                sum += i64::from(x * y);
                differ_x += i64::from(x * x);
                differ_y += i64::from(y * y);
            }
        }
        cosine(sum as f64, differ_x as f64, differ_y as f64)
    };
    let mut dealt: Vec<usize> = (0..groups.len()).collect();
    let seen = tau(&dealt)?.abs();
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let members = members(groups);
    let mut extreme = 0;
    for _ in 0..PERMUTATIONS {
        for members in &members {
            let mut shuffled = members.clone();
            shuffled.shuffle(&mut rng);
            members.iter().zip(shuffled).for_each(|(place, run)| dealt[*place] = run);
        }
        // a rounding below counts as equal
        extreme += usize::from(tau(&dealt).unwrap_or(0.0).abs() >= seen - 1e-12);
    }
    Some((1 + extreme) as f64 / (1 + PERMUTATIONS) as f64)
}

/// 95 % percentile bootstrap interval of `statistic` of how often each run was drawn, within its group; a draw without a value
/// counts as 0.
pub fn order_interval(groups: &[usize], statistic: impl Fn(&[u32]) -> Option<f64>) -> (f64, f64) {
    let members = members(groups);
    let mut drawn = vec![0; groups.len()];
    interval(|rng| {
        drawn.fill(0);
        for members in &members {
            members.iter().for_each(|_| drawn[members[rng.random_range(0..members.len())]] += 1);
        }
        statistic(&drawn).unwrap_or(0.0)
    })
}

/// The places of each group.
fn members(groups: &[usize]) -> Vec<Vec<usize>> {
    let most = groups.iter().max().map_or(0, |most| most + 1);
    (0..most).map(|g| (0..groups.len()).filter(|&i| groups[i] == g).collect()).collect()
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
            let once = vec![1; lives.len()];
            let [x, z] = [&case.x, &case.z].map(|values| Order::of(values));
            let y = Order::of_lives(&lives);
            agrees(Pairs::of(&x, &y, None).tau(&once), case.tau);
            let within = y.clone().only(|i, j| case.groups[i] == case.groups[j]);
            agrees(Pairs::of(&x, &within, None).tau(&once), case.tau_within);
            agrees(Pairs::of(&x, &y, Some(&z)).partial(&once), case.partial);
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
        assert_eq!(Pairs::of(&Order::of(&[1.0, 9.0, 3.0]), &y, None).tau(&[1; 3]), Some(1.0));
    }

    #[test]
    fn what_follows_the_third_number_alone_has_no_partial_order() {
        // x = z, then z says all; x unlike z, then the partial τ lies within ±1
        let (y, z) = (Order::of(&[1.0, 2.0, 3.0, 4.0]), Order::of(&[1.0, 3.0, 2.0, 4.0]));
        assert_eq!(Pairs::of(&z, &y, Some(&z)).partial(&[1; 4]), None);
        assert_eq!(kendall(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(kendall(&[], &[]), None);
        let pairs = Pairs::of(&y, &y, Some(&z));
        let half = order_interval(&[0; 4], |drawn| pairs.partial(drawn));
        assert!(-1.0 <= half.0 && half.1 <= 1.0 + 1e-12, "{half:?}");
    }

    #[test]
    fn a_run_drawn_twice_is_two_runs_tied_in_everything() {
        let (x, y) = ([1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 4.0, 3.0]);
        let drawn = Pairs::of(&Order::of(&x), &Order::of(&y), None).tau(&[2, 0, 1, 3]);
        assert_eq!(drawn, kendall(&[1.0, 1.0, 3.0, 4.0, 4.0, 4.0], &[2.0, 2.0, 4.0, 3.0, 3.0, 3.0]));
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
