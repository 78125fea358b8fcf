//! A tree's value at one pair (x, y).

use super::{Condition, Exponent, Value};
use crate::excerpt::Span;
use crate::kinds::operations::task::algebra::Algebra;
use crate::kinds::operations::task::error::{Fault, Located};

/// Where the tree is evaluated.
#[derive(Clone, Copy)]
pub(crate) struct Point<'a> {
    pub algebra: &'a Algebra,
    pub x: u16,
    pub y: u16,
}

impl Value {
    /// The element this is at `at`; its operands must lie in the algebra.
    pub(crate) fn evaluate(&self, at: Point) -> Result<u16, Located> {
        match self {
            Self::X => Ok(at.x),
            Self::Y => Ok(at.y),
            Self::Integer(n, span) => at.algebra.integer(*n).map_err(|fault| span.fault(fault)),
            Self::Negative(value, span) => {
                let value = value.evaluate(at)?;
                at.algebra.subtract(0, value).map_err(|fault| span.fault(fault))
            }
            Self::Sum(first, terms) => terms.iter().try_fold(first.evaluate(at)?, |sum, term| {
                let value = term.value.evaluate(at)?;
                let next =
                    if term.minus { at.algebra.subtract(sum, value) } else { at.algebra.add(sum, value) };
                next.map_err(|fault| term.span.fault(fault))
            }),
            Self::Product(first, factors) => {
                factors.iter().try_fold(first.evaluate(at)?, |product, factor| {
                    let mut value = factor.value.evaluate(at)?;
                    if factor.divide {
                        at.algebra.modulus("/").map_err(|fault| factor.span.fault(fault))?;
                        value = at.inverse(value, factor.span)?;
                    }
                    Ok(at.algebra.multiply(product, value))
                })
            }
            Self::Power(base, exponent, span) => {
                let base = base.evaluate(at)?;
                let of_operand = |operand| at.algebra.as_exponent(operand).map_err(|fault| span.fault(fault));
                let (negative, magnitude) = match *exponent {
                    Exponent::Integer { negative, magnitude } => (negative, magnitude),
                    Exponent::X => (false, of_operand(at.x)?),
                    Exponent::Y => (false, of_operand(at.y)?),
                };
                let base = if negative { at.inverse(base, *span)? } else { base };
                Ok(at.algebra.power(base, magnitude))
            }
            Self::If(condition, then, otherwise) => {
                if condition.holds(at)? {
                    then.evaluate(at)
                } else {
                    otherwise.evaluate(at)
                }
            }
        }
    }
}

impl Condition {
    /// Whether it holds at `at`.
    pub(crate) fn holds(&self, at: Point) -> Result<bool, Located> {
        match self {
            Self::Equal { left, right, negated } => {
                Ok((left.evaluate(at)? == right.evaluate(at)?) != *negated)
            }
            Self::Odd { value, negated, span } => {
                let odd = at.algebra.is_odd(value.evaluate(at)?).map_err(|fault| span.fault(fault))?;
                Ok(odd != *negated)
            }
            Self::Ordered { left, right, strictly, span } => {
                let (left, right) = (left.evaluate(at)?, right.evaluate(at)?);
                at.algebra.is_ordered(left, right, *strictly).map_err(|fault| span.fault(fault))
            }
            Self::Unit { value, span } => {
                at.algebra.is_unit(value.evaluate(at)?).map_err(|fault| span.fault(fault))
            }
            Self::All(parts) => {
                for part in parts {
                    if !part.holds(at)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(parts) => {
                for part in parts {
                    if part.holds(at)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

impl Point<'_> {
    fn inverse(self, value: u16, span: Span) -> Result<u16, Located> {
        let Self { x, y, .. } = self;
        self.algebra.inverse(value).map_err(|unit| {
            span.fault(Fault::NoInverse { x, y, value, modulus: unit.modulus, gcd: unit.gcd })
        })
    }
}
