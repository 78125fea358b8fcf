//! Finite groups by name: cyclic `Z7`, dihedral `D5`, symmetric `S4`, alternating `A5`, powers and products of them:
//! `Z3^4`, `S3 x Z5`.
//!
//! Conventions: Zn is written like the others, with `*` for the sum modulo n. Dn has 2n elements: number k < n turns by k steps,
//! n + k reflects first and then turns by k. Sn and An are numbered in lexicographic order of their one-line notation, the right
//! factor acts first. In a product the first factor counts slowest. The neutral element is always number 0.

use super::{
    error::Fault,
    permutation::{SymmetricGroup, repeated},
};
use crate::excerpt::quote;

/// Most elements: the table has the square of them.
pub const MAX_ORDER: usize = 1024;
/// Most factors.
const MAX_FACTORS: usize = 10;

/// A finite group whose elements are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    name: String,
    factors: Vec<Factor>,
    order: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Factor {
    Cyclic(u16),
    Dihedral(u16),
    Symmetric(SymmetricGroup),
    Alternating {
        group: SymmetricGroup,
        /// Their numbers in Sn, ascending.
        even: Vec<u16>,
    },
}

impl Group {
    /// The group of that name.
    ///
    /// # Errors
    /// [`Fault::UnknownGroup`] for what is none, [`Fault::LargeGroup`] for one of more than [`MAX_ORDER`] elements.
    pub fn parse(name: &str) -> Result<Self, Fault> {
        let unknown = || Fault::UnknownGroup { name: quote(name) };
        let mut factors = Vec::new();
        let mut parts = Vec::new();
        for part in name.split(['x', '×']).map(str::trim) {
            let (base, power) = part.split_once('^').unwrap_or((part, "1"));
            let power: usize =
                number(power).filter(|power| (1..=MAX_FACTORS).contains(power)).ok_or_else(unknown)?;
            let factor = Factor::parse(base.trim()).ok_or_else(unknown)?;
            parts.push(if power == 1 { base.trim().to_owned() } else { format!("{}^{power}", base.trim()) });
            factors.extend(std::iter::repeat_n(factor, power));
        }
        if factors.len() > MAX_FACTORS {
            return Err(unknown());
        }
        let order = factors.iter().map(Factor::order).fold(1, usize::saturating_mul);
        if order > MAX_ORDER {
            return Err(Fault::LargeGroup { name: quote(name), order });
        }
        Ok(Self { name: parts.join(" x "), factors, order })
    }

    /// As in a task file: `S3 x Z5`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of elements.
    pub fn order(&self) -> usize {
        self.order
    }

    /// Elementary operations of a product, in additions.
    pub(crate) fn cost(&self) -> u64 {
        let cost = |factor: &Factor| match factor {
            Factor::Cyclic(_) | Factor::Dihedral(_) => 2,
            Factor::Symmetric(group) => 2 + (group.degree() * group.degree()) as u64 / 4,
            Factor::Alternating { group, .. } => 12 + (group.degree() * group.degree()) as u64 / 4,
        };
        self.factors.iter().map(cost).sum()
    }

    /// a·b.
    pub(crate) fn multiply(&self, a: u16, b: u16) -> u16 {
        self.by_factor(|factor, [a, b]| factor.multiply(a, b), [a, b])
    }

    /// The element that undoes `a`.
    pub(crate) fn inverse(&self, a: u16) -> u16 {
        self.by_factor(|factor, [a]| factor.inverse(a), [a])
    }

    /// a·a·…, `exponent` times, which counts modulo the order (Lagrange).
    pub(crate) fn power(&self, a: u16, exponent: u64) -> u16 {
        repeated(0, a, exponent % self.order as u64, |a, b| self.multiply(a, b))
    }

    /// How people write an element: a number, `r2` and `r2s` of a dihedral group, a permutation of 1 … n; of a product its
    /// parts.
    pub fn label(&self, element: u16) -> String {
        let mut parts = Vec::with_capacity(self.factors.len());
        let mut rest = usize::from(element);
        for factor in self.factors.iter().rev() {
            parts.push(factor.label((rest % factor.order()) as u16));
            rest /= factor.order();
        }
        parts.reverse();
        if parts.len() == 1 { parts.remove(0) } else { format!("({})", parts.join(",")) }
    }

    /// `f` of the parts in each factor, put together again; the last factor counts fastest.
    fn by_factor<const N: usize>(&self, f: impl Fn(&Factor, [u16; N]) -> u16, elements: [u16; N]) -> u16 {
        let mut rest = elements;
        let (mut result, mut scale) = (0, 1);
        for factor in self.factors.iter().rev() {
            let order = factor.order() as u16;
            result += scale * f(factor, rest.map(|element| element % order));
            rest = rest.map(|element| element / order);
            scale *= order;
        }
        result
    }
}

impl Factor {
    fn parse(name: &str) -> Option<Self> {
        let mut letters = name.chars();
        let (letter, n) = (letters.next()?, number(letters.as_str())?);
        let small = u16::try_from(n).ok()?;
        match letter {
            'Z' if (2..=MAX_ORDER).contains(&n) => Some(Self::Cyclic(small)),
            'D' if (3..=MAX_ORDER / 2).contains(&n) => Some(Self::Dihedral(small)),
            'S' => SymmetricGroup::new(n).map(Self::Symmetric),
            'A' if n >= 3 => {
                let group = SymmetricGroup::new(n)?;
                let even = (0..group.order() as u16).filter(|&element| group.is_even(element)).collect();
                Some(Self::Alternating { group, even })
            }
            _ => None,
        }
    }

    fn order(&self) -> usize {
        match self {
            Self::Cyclic(n) => usize::from(*n),
            Self::Dihedral(n) => 2 * usize::from(*n),
            Self::Symmetric(group) => group.order(),
            Self::Alternating { even, .. } => even.len(),
        }
    }

    fn multiply(&self, a: u16, b: u16) -> u16 {
        match self {
            Self::Cyclic(n) => (a + b) % n,
            Self::Dihedral(n) => {
                // r^i s^e · r^j s^f = r^(i ± j) s^(e + f), minus where e is odd
                let (i, j, e, f) = (a % n, b % n, a / n, b / n);
                let turn = if e == 0 { i + j } else { i + n - j };
                turn % n + n * ((e + f) % 2)
            }
            Self::Symmetric(group) => group.multiply(a, b),
            Self::Alternating { group, even } => {
                place(even, group.multiply(even[usize::from(a)], even[usize::from(b)]))
            }
        }
    }

    fn inverse(&self, a: u16) -> u16 {
        match self {
            Self::Cyclic(n) => (n - a) % n,
            Self::Dihedral(n) if a < *n => (n - a) % n,
            Self::Dihedral(_) => a,
            Self::Symmetric(group) => group.inverse(a),
            Self::Alternating { group, even } => place(even, group.inverse(even[usize::from(a)])),
        }
    }

    fn label(&self, element: u16) -> String {
        match self {
            Self::Cyclic(_) => element.to_string(),
            Self::Dihedral(n) => format!("r{}{}", element % n, if element < *n { "" } else { "s" }),
            Self::Symmetric(group) => group.label(element),
            Self::Alternating { group, even } => group.label(even[usize::from(element)]),
        }
    }
}

/// The number of an even permutation among the even ones: products and inverses of such are even.
fn place(even: &[u16], element: u16) -> u16 {
    even.partition_point(|&other| other < element) as u16
}

/// Digits only, without a zero in front.
fn number(text: &str) -> Option<usize> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0') && text.len() <= 4;
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 11] =
        ["Z2", "Z7", "Z6^2", "D3", "D8", "S4", "A3", "A4", "A5", "S3 x Z5", "D4 x A4 x Z2"];

    /// The axioms, whatever the numbering: neutral 0, inverses, and that products are associative.
    #[test]
    fn every_group_is_one() {
        for name in NAMES {
            let group = Group::parse(name).unwrap();
            let n = group.order() as u16;
            for a in 0..n {
                assert_eq!((group.multiply(0, a), group.multiply(a, 0)), (a, a), "{name}");
                assert_eq!(group.multiply(a, group.inverse(a)), 0, "{name}: {a}");
                // every row of the table is a permutation
                let mut row: Vec<u16> = (0..n).map(|b| group.multiply(a, b)).collect();
                row.sort_unstable();
                assert!(row.iter().copied().eq(0..n), "{name}: {a}");
                let cube = group.multiply(group.multiply(a, a), a);
                assert_eq!(group.power(a, 3 + 5 * group.order() as u64), cube, "{name}: {a}");
            }
            let step = (n / 12).max(1);
            let some = || (0..n).step_by(step.into());
            for (a, b, c) in some().flat_map(|a| some().flat_map(move |b| some().map(move |c| (a, b, c)))) {
                let left = group.multiply(group.multiply(a, b), c);
                assert_eq!(left, group.multiply(a, group.multiply(b, c)), "{name}: {a} {b} {c}");
            }
        }
    }

    /// How many elements have which order tells these groups apart.
    #[test]
    fn they_are_the_groups_of_their_names() {
        let orders = |name: &str| {
            let group = Group::parse(name).unwrap();
            let mut counts = std::collections::BTreeMap::new();
            for a in 0..group.order() as u16 {
                let (mut power, mut order) = (a, 1);
                while power != 0 {
                    (power, order) = (group.multiply(power, a), order + 1);
                }
                *counts.entry(order).or_insert(0) += 1;
            }
            counts.into_iter().collect::<Vec<_>>()
        };
        // of twelve elements
        assert_eq!(orders("A4"), [(1, 1), (2, 3), (3, 8)]);
        assert_eq!(orders("D6"), [(1, 1), (2, 7), (3, 2), (6, 2)]);
        assert_eq!(orders("Z12"), [(1, 1), (2, 1), (3, 2), (4, 2), (6, 2), (12, 4)]);
        assert_eq!(orders("Z2^2 x Z3"), [(1, 1), (2, 3), (3, 2), (6, 6)]);
        // A5 has 24 of order 5, 20 of order 3, 15 of order 2; D3 is S3
        assert_eq!(orders("A5"), [(1, 1), (2, 15), (3, 20), (5, 24)]);
        assert_eq!(orders("D3"), orders("S3"));
        assert_eq!(Group::parse("S6").unwrap().order(), 720);
        assert_eq!(Group::parse("A6").unwrap().order(), 360);
    }

    #[test]
    fn names_are_canonical_and_what_is_none_is_refused() {
        let parsed = |name: &str| Group::parse(name).map(|group| (group.name().to_owned(), group.order()));
        assert_eq!(parsed("S3×Z5"), Ok(("S3 x Z5".to_owned(), 30)));
        assert_eq!(parsed("Z3^4"), Ok(("Z3^4".to_owned(), 81)));
        assert_eq!(parsed(" Z4  x D4 "), Ok(("Z4 x D4".to_owned(), 32)));
        for name in
            ["", "x", "Z", "Z1", "Z07", "Z-3", "z5", "Q8", "S7", "A2", "D2", "Z5^0", "Z2^11", "Z5 x", "Z5^"]
        {
            assert!(matches!(parsed(name), Err(Fault::UnknownGroup { .. })), "{name}");
        }
        for name in ["Z33^2", "S6 x Z2", "Z2^10 x Z3", "D512 x Z2"] {
            assert!(
                matches!(parsed(name), Err(Fault::LargeGroup { .. } | Fault::UnknownGroup { .. })),
                "{name}"
            );
        }
        assert_eq!(parsed("Z2^10"), Ok(("Z2^10".to_owned(), 1024)));
    }

    #[test]
    fn elements_are_written_as_people_do() {
        let labels = |name: &str, elements: &[u16]| {
            let group = Group::parse(name).unwrap();
            elements.iter().map(|&element| group.label(element)).collect::<Vec<_>>()
        };
        assert_eq!(labels("D4", &[0, 3, 4, 7]), ["r0", "r3", "r0s", "r3s"]);
        assert_eq!(labels("A3", &[0, 1, 2]), ["123", "231", "312"]);
        assert_eq!(labels("S3 x Z5", &[0, 6, 29]), ["(123,0)", "(132,1)", "(321,4)"]);
    }
}
