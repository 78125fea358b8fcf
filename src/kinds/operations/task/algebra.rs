//! Where an expression is evaluated: the integers modulo m, the symmetric group S_n, or another group.
//!
//! Promises: values stay in `0..order()`; an operation the structure lacks is a [`Fault`], never a guess.

use super::error::Fault;
use super::group::Group;
use super::permutation::{SymmetricGroup, repeated};

/// A structure whose elements are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Algebra {
    /// Z/m, 2 ≤ m ≤ 1024.
    Modular(u16),
    /// S_n.
    Symmetric(SymmetricGroup),
    /// Another group.
    Group(Group),
}

/// Why an element has no inverse: its greatest common divisor with the modulus.
pub(crate) struct NotAUnit {
    pub modulus: u16,
    pub gcd: u16,
}

impl Algebra {
    /// Number of elements.
    pub fn order(&self) -> usize {
        match self {
            Self::Modular(m) => usize::from(*m),
            Self::Symmetric(group) => group.order(),
            Self::Group(group) => group.order(),
        }
    }

    /// m; for a group the fault that `what` has no meaning in it.
    pub fn modulus(&self, what: &'static str) -> Result<u64, Fault> {
        match self {
            Self::Modular(m) => Ok(u64::from(*m)),
            Self::Symmetric(group) => Err(Fault::NotInGroup { what, group: format!("S{}", group.degree()) }),
            Self::Group(group) => Err(Fault::NotInGroup { what, group: group.name().to_owned() }),
        }
    }

    /// The class of an integer.
    pub fn integer(&self, n: u64) -> Result<u16, Fault> {
        Ok((n % self.modulus("an integer")?) as u16)
    }

    pub fn add(&self, a: u16, b: u16) -> Result<u16, Fault> {
        Ok(((u64::from(a) + u64::from(b)) % self.modulus("+")?) as u16)
    }

    pub fn subtract(&self, a: u16, b: u16) -> Result<u16, Fault> {
        let m = self.modulus("-")?;
        Ok(((u64::from(a) + m - u64::from(b)) % m) as u16)
    }

    pub fn multiply(&self, a: u16, b: u16) -> u16 {
        match self {
            Self::Modular(m) => (u32::from(a) * u32::from(b) % u32::from(*m)) as u16,
            Self::Symmetric(group) => group.multiply(a, b),
            Self::Group(group) => group.multiply(a, b),
        }
    }

    /// a^exponent; a^0 is 1, also for a = 0.
    pub fn power(&self, a: u16, exponent: u64) -> u16 {
        match self {
            Self::Modular(_) => repeated(1, a, exponent, |a, b| self.multiply(a, b)),
            Self::Symmetric(group) => group.power(a, exponent),
            Self::Group(group) => group.power(a, exponent),
        }
    }

    /// The b with a·b = 1: extended Euclid for Z/m.
    pub fn inverse(&self, a: u16) -> Result<u16, NotAUnit> {
        let modulus = match self {
            Self::Symmetric(group) => return Ok(group.inverse(a)),
            Self::Group(group) => return Ok(group.inverse(a)),
            Self::Modular(m) => *m,
        };
        let (mut r, mut next_r) = (i32::from(modulus), i32::from(a));
        let (mut t, mut next_t) = (0, 1);
        while next_r != 0 {
            let quotient = r / next_r;
            (r, next_r) = (next_r, r - quotient * next_r);
            (t, next_t) = (next_t, t - quotient * next_t);
        }
        if r != 1 {
            return Err(NotAUnit { modulus, gcd: r as u16 });
        }
        Ok(t.rem_euclid(i32::from(modulus)) as u16)
    }

    /// Whether the representative of `a` in `0..m` is odd.
    pub fn is_odd(&self, a: u16) -> Result<bool, Fault> {
        self.modulus("parity")?;
        Ok(a % 2 == 1)
    }

    /// Whether the representative of `a` comes before that of `b`, or is it where that is enough.
    pub fn is_ordered(&self, a: u16, b: u16, strictly: bool) -> Result<bool, Fault> {
        self.modulus("an order")?;
        Ok(a < b || a == b && !strictly)
    }

    /// Whether gcd(a, m) = 1: `a` has an inverse.
    pub fn is_unit(&self, a: u16) -> Result<bool, Fault> {
        self.modulus("a unit")?;
        Ok(self.inverse(a).is_ok())
    }

    /// `a` as an exponent: its representative in `0..m`.
    pub fn as_exponent(&self, a: u16) -> Result<u64, Fault> {
        self.modulus("an operand as exponent")?;
        Ok(u64::from(a))
    }
}
