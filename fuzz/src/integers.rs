//! The language over Z/m, by big integers: a value is an integer whose class counts. It is brought into
//! 0 … m − 1 only where the language asks for a representative (parity, comparison, division), and in the end.

use crate::tree::{Condition, Exponent, Tree};
use num_bigint::BigInt;

/// Beyond so many bits an intermediate value is reduced after all, or powers of powers would fill the memory.
const MAX_BITS: u64 = 4096;

struct Point {
    x: u16,
    y: u16,
    m: u16,
}

/// The answers, x-major; `None` if a value that has no inverse is to be inverted.
pub fn table(tree: &Tree, m: u16) -> Option<Vec<u16>> {
    let pairs = (0..m).flat_map(|x| (0..m).map(move |y| Point { x, y, m }));
    pairs.map(|point| tree.value_at(&point).map(|value| point.class(&value))).collect()
}

impl Point {
    fn class(&self, value: &BigInt) -> u16 {
        let m = BigInt::from(self.m);
        u16::try_from(((value % &m) + &m) % &m).unwrap()
    }

    /// By trying all of them.
    fn inverse(&self, value: &BigInt) -> Option<BigInt> {
        let a = u32::from(self.class(value));
        let m = u32::from(self.m);
        (0..m).find(|b| a * b % m == 1).map(BigInt::from)
    }
}

impl Tree {
    fn value_at(&self, p: &Point) -> Option<BigInt> {
        let value = match self {
            Self::X => BigInt::from(p.x),
            Self::Y => BigInt::from(p.y),
            Self::Integer(n) => BigInt::from(*n),
            Self::Negative(a) => -a.value_at(p)?,
            Self::Add(a, b) => a.value_at(p)? + b.value_at(p)?,
            Self::Subtract(a, b) => a.value_at(p)? - b.value_at(p)?,
            Self::Multiply(a, b) => a.value_at(p)? * b.value_at(p)?,
            Self::Divide(a, b) => {
                let a = a.value_at(p)?;
                a * p.inverse(&b.value_at(p)?)?
            }
            Self::Power(a, exponent) => {
                let a = a.value_at(p)?;
                match *exponent {
                    Exponent::X => a.pow(p.x.into()),
                    Exponent::Y => a.pow(p.y.into()),
                    Exponent::Integer(false, n) => a.pow(n as u32),
                    Exponent::Integer(true, n) => p.inverse(&a)?.pow(n as u32),
                }
            }
            Self::If(condition, then, otherwise) => {
                if condition.holds_at(p)? {
                    then.value_at(p)?
                } else {
                    otherwise.value_at(p)?
                }
            }
        };
        Some(if value.bits() > MAX_BITS { p.class(&value).into() } else { value })
    }
}

impl Condition {
    fn holds_at(&self, p: &Point) -> Option<bool> {
        let class = |tree: &Tree| tree.value_at(p).map(|value| p.class(&value));
        Some(match self {
            Self::Equal(a, b) => class(a)? == class(b)?,
            Self::Unequal(a, b) => class(a)? != class(b)?,
            Self::Odd(a) => class(a)? % 2 == 1,
            Self::Even(a) => class(a)? % 2 == 0,
            Self::And(a, b) => a.holds_at(p)? && b.holds_at(p)?,
            Self::Or(a, b) => a.holds_at(p)? || b.holds_at(p)?,
        })
    }
}
