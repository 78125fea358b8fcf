//! How long a tree takes at one pair, in additions: known before any of a million pairs is computed.

use super::{Condition, Exponent, Value};
use crate::kinds::operations::task::algebra::Algebra;

impl Value {
    /// At most so many elementary operations a pair.
    pub(crate) fn cost(&self, algebra: &Algebra) -> u64 {
        let cost = |value: &Value| value.cost(algebra);
        match self {
            Self::X | Self::Y | Self::Integer(..) => 1,
            Self::Negative(value, _) => 1 + cost(value),
            Self::Sum(first, terms) => cost(first) + terms.iter().map(|t| 1 + cost(&t.value)).sum::<u64>(),
            Self::Product(first, factors) => {
                let inverse = |divide| if divide { INVERSE } else { 0 };
                let factor = |f: &super::Factor| product(algebra) + inverse(f.divide) + cost(&f.value);
                cost(first) + factors.iter().map(factor).sum::<u64>()
            }
            Self::Power(base, exponent, _) => {
                let (inverse, bits) = match *exponent {
                    Exponent::Integer { negative, magnitude } => {
                        (if negative { INVERSE } else { 0 }, 64 - magnitude.leading_zeros())
                    }
                    Exponent::X | Exponent::Y => (0, u16::BITS),
                };
                let bits = match algebra {
                    Algebra::Modular(_) => bits,
                    Algebra::Symmetric(_) => bits.min(6), // counted modulo 60
                    Algebra::Group(_) => bits.min(10),    // counted modulo the order, 1024 at most
                };
                cost(base) + inverse + 2 * u64::from(bits) * product(algebra)
            }
            Self::If(condition, then, otherwise) => condition.cost(algebra) + cost(then).max(cost(otherwise)),
        }
    }
}

impl Condition {
    /// At most so many elementary operations a pair.
    pub(crate) fn cost(&self, algebra: &Algebra) -> u64 {
        match self {
            Self::Equal { left, right, .. } => 1 + left.cost(algebra) + right.cost(algebra),
            Self::Odd { value, .. } => 1 + value.cost(algebra),
            Self::Ordered { left, right, .. } => 1 + left.cost(algebra) + right.cost(algebra),
            Self::Unit { value, .. } => INVERSE + value.cost(algebra),
            Self::All(parts) | Self::Any(parts) => parts.iter().map(|part| part.cost(algebra)).sum(),
        }
    }
}

/// Extended Euclid below 1024.
const INVERSE: u64 = 8;

/// Two residues, or two permutations with the number of the result.
fn product(algebra: &Algebra) -> u64 {
    match algebra {
        Algebra::Modular(_) => 1,
        Algebra::Symmetric(group) => 1 + (group.degree() * group.degree()) as u64 / 4,
        Algebra::Group(group) => group.cost(),
    }
}

#[cfg(test)]
mod tests {
    use crate::kinds::operations::task::{
        algebra::Algebra,
        expression::{parse_condition, parse_value},
        permutation::SymmetricGroup,
    };

    #[test]
    fn the_cost_counts_what_is_computed() {
        let modular = Algebra::Modular(97);
        let group = Algebra::Symmetric(SymmetricGroup::new(4).unwrap());
        let cost = |text: &str, algebra: &Algebra| parse_value(text).unwrap().cost(algebra);
        assert_eq!(cost("x + y", &modular), 3);
        assert_eq!(cost("x*y - 1", &modular), 5);
        // 64 bits: a squaring and a product for each
        assert_eq!(cost("x^18446744073709551615", &modular), 129);
        // one of two branches
        assert_eq!(cost("if x odd then x + y else x", &modular), 5);
        assert_eq!(parse_condition("x odd and y != 0").unwrap().cost(&modular), 5);
        // exponents of a permutation count modulo 60, below 2^6
        assert_eq!(cost("x^18446744073709551615", &group), cost("x^63", &group));
        assert!(cost("x*y", &group) > cost("x*y", &modular));
    }
}
