//! A random expression, and its text.

use arbitrary::{Result, Unstructured};

/// An expression; binary operations keep the order in which they are written.
#[derive(Debug)]
pub enum Tree {
    X,
    Y,
    Integer(u64),
    Negative(Box<Tree>),
    Add(Box<Tree>, Box<Tree>),
    Subtract(Box<Tree>, Box<Tree>),
    Multiply(Box<Tree>, Box<Tree>),
    Divide(Box<Tree>, Box<Tree>),
    Power(Box<Tree>, Exponent),
    If(Box<Condition>, Box<Tree>, Box<Tree>),
}

#[derive(Clone, Copy, Debug)]
pub enum Exponent {
    Integer(bool, u64),
    X,
    Y,
}

#[derive(Debug)]
pub enum Condition {
    Equal(Tree, Tree),
    Unequal(Tree, Tree),
    Odd(Tree),
    Even(Tree),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Tree {
    /// Over the integers modulo m.
    pub fn value(u: &mut Unstructured, depth: u32) -> Result<Self> {
        let next = |u: &mut _| Self::value(u, depth.saturating_sub(1)).map(Box::new);
        let leaf = depth == 0 || u.is_empty();
        Ok(match if leaf { u.int_in_range(0..=2)? } else { u.int_in_range(0..=9)? } {
            0 => Self::X,
            1 => Self::Y,
            2 => Self::Integer(integer(u)?),
            3 => Self::Negative(next(u)?),
            4 => Self::Add(next(u)?, next(u)?),
            5 => Self::Subtract(next(u)?, next(u)?),
            6 => Self::Multiply(next(u)?, next(u)?),
            7 => Self::Divide(next(u)?, next(u)?),
            8 => {
                let exponent = match u.int_in_range(0..=3)? {
                    0 => Exponent::X,
                    1 => Exponent::Y,
                    // small: the reference multiplies big integers out
                    _ => Exponent::Integer(u.ratio(1, 4)?, u.int_in_range(0..=50)?),
                };
                Self::Power(next(u)?, exponent)
            }
            _ => Self::If(Box::new(Condition::any(u, depth - 1)?), next(u)?, next(u)?),
        })
    }

    /// What has a meaning in a group: products, powers, and the comparisons == and !=.
    pub fn group(u: &mut Unstructured, depth: u32) -> Result<Self> {
        let next = |u: &mut _| Self::group(u, depth.saturating_sub(1)).map(Box::new);
        let leaf = depth == 0 || u.is_empty();
        Ok(match if leaf { u.int_in_range(0..=1)? } else { u.int_in_range(0..=4)? } {
            0 => Self::X,
            1 => Self::Y,
            2 => Self::Multiply(next(u)?, next(u)?),
            3 => Self::Power(next(u)?, Exponent::Integer(u.arbitrary()?, u.int_in_range(0..=130)?)),
            _ => {
                let (left, right) = (*next(u)?, *next(u)?);
                let equal = u.arbitrary()?;
                let condition =
                    if equal { Condition::Equal(left, right) } else { Condition::Unequal(left, right) };
                Self::If(Box::new(condition), next(u)?, next(u)?)
            }
        })
    }

    /// How tightly its outermost operation binds: 0 `if`, 1 sums, 2 products, 3 signs, 4 powers, 5 what stands alone.
    fn level(&self) -> u8 {
        match self {
            Self::If(..) => 0,
            Self::Add(..) | Self::Subtract(..) => 1,
            Self::Multiply(..) | Self::Divide(..) => 2,
            Self::Negative(_) => 3,
            Self::Power(..) => 4,
            Self::X | Self::Y | Self::Integer(_) => 5,
        }
    }

    /// Appends its text, with the parentheses it needs and some that it does not.
    pub fn print(&self, u: &mut Unstructured, out: &mut String) -> Result<()> {
        self.print_above(0, u, out)
    }

    fn print_above(&self, level: u8, u: &mut Unstructured, out: &mut String) -> Result<()> {
        let parentheses = self.level() < level || u.ratio(1, 8)?;
        if parentheses {
            out.push('(');
        }
        blank(u, out)?;
        match self {
            Self::X => out.push('x'),
            Self::Y => out.push('y'),
            Self::Integer(n) => out.push_str(&n.to_string()),
            Self::Negative(a) => {
                out.push('-');
                a.print_above(4, u, out)?;
            }
            Self::Add(a, b) => binary(a, (1, 2), "+", b, u, out)?,
            Self::Subtract(a, b) => binary(a, (1, 2), "-", b, u, out)?,
            Self::Multiply(a, b) => binary(a, (2, 3), "*", b, u, out)?,
            Self::Divide(a, b) => binary(a, (2, 3), "/", b, u, out)?,
            Self::Power(a, exponent) => {
                a.print_above(5, u, out)?;
                let text = match exponent {
                    Exponent::X => "x".to_owned(),
                    Exponent::Y => "y".to_owned(),
                    Exponent::Integer(negative, n) => format!("{}{n}", if *negative { "-" } else { "" }),
                };
                match u.ratio(1, 4)? {
                    true => out.push_str(&format!("^({text})")),
                    false => out.push_str(&format!("^{text}")),
                }
            }
            Self::If(condition, then, otherwise) => {
                out.push_str("if ");
                condition.print(u, out)?;
                out.push_str(" then ");
                then.print(u, out)?;
                out.push_str(" else ");
                otherwise.print(u, out)?;
            }
        }
        blank(u, out)?;
        if parentheses {
            out.push(')');
        }
        Ok(())
    }
}

impl Condition {
    fn any(u: &mut Unstructured, depth: u32) -> Result<Self> {
        let value = |u: &mut _| Tree::value(u, depth.saturating_sub(1));
        let next = |u: &mut _| Self::any(u, depth.saturating_sub(1)).map(Box::new);
        Ok(match if depth == 0 || u.is_empty() { u.int_in_range(0..=3)? } else { u.int_in_range(0..=5)? } {
            0 => Self::Equal(value(u)?, value(u)?),
            1 => Self::Unequal(value(u)?, value(u)?),
            2 => Self::Odd(value(u)?),
            3 => Self::Even(value(u)?),
            4 => Self::And(next(u)?, next(u)?),
            _ => Self::Or(next(u)?, next(u)?),
        })
    }

    fn print(&self, u: &mut Unstructured, out: &mut String) -> Result<()> {
        // an `if` inside a comparison would swallow what follows it
        match self {
            Self::Equal(a, b) => binary(a, (1, 1), "==", b, u, out),
            Self::Unequal(a, b) => binary(a, (1, 1), "!=", b, u, out),
            Self::Odd(a) => a.print_above(1, u, out).map(|()| out.push_str(" odd")),
            Self::Even(a) => a.print_above(1, u, out).map(|()| out.push_str(" even")),
            Self::And(a, b) => joined(a, "and", b, u, out),
            Self::Or(a, b) => joined(a, "or", b, u, out),
        }
    }
}

fn binary(
    a: &Tree,
    levels: (u8, u8),
    sign: &str,
    b: &Tree,
    u: &mut Unstructured,
    out: &mut String,
) -> Result<()> {
    a.print_above(levels.0, u, out)?;
    out.push_str(sign);
    b.print_above(levels.1, u, out)
}

fn joined(a: &Condition, word: &str, b: &Condition, u: &mut Unstructured, out: &mut String) -> Result<()> {
    for (part, between) in [(a, word), (b, "")] {
        out.push('(');
        part.print(u, out)?;
        out.push_str(") ");
        out.push_str(between);
        out.push(' ');
    }
    Ok(())
}

fn integer(u: &mut Unstructured) -> Result<u64> {
    if u.ratio(1, 4)? { u.arbitrary() } else { u.int_in_range(0..=100) }
}

fn blank(u: &mut Unstructured, out: &mut String) -> Result<()> {
    if u.ratio(1, 8)? {
        out.push_str([" ", "\t", "  "][u.int_in_range(0..=2)?]);
    }
    Ok(())
}
