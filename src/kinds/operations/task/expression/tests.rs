//! The language against a tree evaluated in 128-bit integers, and its corners one by one.

use super::{MAX_DEPTH, MAX_TOKENS, Point, parse_condition, parse_value};
use crate::kinds::operations::task::algebra::Algebra;
use crate::kinds::operations::task::error::Fault;
use crate::kinds::operations::task::permutation::SymmetricGroup;
use proptest::prelude::*;

/// A random operation, with a text of its own making and a value by the definition of each node.
#[derive(Clone, Debug)]
enum Tree {
    X,
    Y,
    Integer(u64),
    Negative(Box<Tree>),
    Binary(char, Box<Tree>, Box<Tree>),
    Power(Box<Tree>, i64),
    IfOdd(Box<Tree>, Box<Tree>, Box<Tree>),
    IfEqual(Box<Tree>, Box<Tree>, Box<Tree>),
}

impl Tree {
    /// How tightly it binds: conditional 0, sum 1, product 2, sign 3, power 4, operand 5.
    fn rank(&self) -> u8 {
        match self {
            Self::X | Self::Y | Self::Integer(_) => 5,
            Self::Power(..) => 4,
            Self::Negative(_) => 3,
            Self::Binary('*' | '/', ..) => 2,
            Self::Binary(..) => 1,
            Self::IfOdd(..) | Self::IfEqual(..) => 0,
        }
    }

    /// Text with no more parentheses than needed where something of at least `rank` must stand.
    fn text(&self, rank: u8) -> String {
        let text = match self {
            Self::X => "x".into(),
            Self::Y => "y".into(),
            Self::Integer(n) => n.to_string(),
            Self::Negative(a) => format!("-{}", a.text(4)),
            Self::Binary(sign, a, b) => {
                let own = self.rank();
                format!("{} {sign} {}", a.text(own), b.text(own + 1))
            }
            Self::Power(a, n) => format!("{}^{n}", a.text(5)),
            Self::IfOdd(c, a, b) => format!("if {} odd then {} else {}", c.text(1), a.text(0), b.text(0)),
            Self::IfEqual(c, a, b) => {
                format!("if {} == {} then {} else {}", c.text(1), a.text(1), a.text(0), b.text(0))
            }
        };
        if self.rank() < rank { format!("({text})") } else { text }
    }

    /// Value modulo the prime p; `None` where it would divide by zero.
    fn value(&self, x: i128, y: i128, p: i128) -> Option<i128> {
        let power = |a: i128, n: i128| (0..n).fold(1, |power, _| power * a % p);
        let inverse = |a: i128| (a != 0).then(|| power(a, p - 2));
        let value = |tree: &Tree| tree.value(x, y, p);
        let value = match self {
            Self::X => x,
            Self::Y => y,
            Self::Integer(n) => i128::from(*n),
            Self::Negative(a) => -value(a)?,
            Self::Binary('+', a, b) => value(a)? + value(b)?,
            Self::Binary('-', a, b) => value(a)? - value(b)?,
            Self::Binary('*', a, b) => value(a)? * value(b)?,
            Self::Binary(_, a, b) => value(a)? * inverse(value(b)?)?,
            Self::Power(a, n) if *n < 0 => power(inverse(value(a)?)?, i128::from(-n)),
            Self::Power(a, n) => power(value(a)?, i128::from(*n)),
            Self::IfOdd(c, a, b) => {
                if value(c)? % 2 == 1 {
                    value(a)?
                } else {
                    value(b)?
                }
            }
            Self::IfEqual(c, a, b) => {
                if value(c)? == value(a)? {
                    value(a)?
                } else {
                    value(b)?
                }
            }
        };
        Some(value.rem_euclid(p))
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![Just(Tree::X), Just(Tree::Y), (0..2000u64).prop_map(Tree::Integer)];
    leaf.prop_recursive(5, 40, 3, |tree| {
        let boxed = tree.prop_map(Box::new);
        prop_oneof![
            boxed.clone().prop_map(Tree::Negative),
            (prop::sample::select(vec!['+', '-', '*', '/']), boxed.clone(), boxed.clone())
                .prop_map(|(sign, a, b)| Tree::Binary(sign, a, b)),
            (boxed.clone(), -3..7i64).prop_map(|(a, n)| Tree::Power(a, n)),
            (boxed.clone(), boxed.clone(), boxed.clone()).prop_map(|(c, a, b)| Tree::IfOdd(c, a, b)),
            (boxed.clone(), boxed.clone(), boxed).prop_map(|(c, a, b)| Tree::IfEqual(c, a, b)),
        ]
    })
}

proptest! {
    #[test]
    fn values_are_those_of_the_tree(
        tree in trees(),
        prime in prop::sample::select(vec![2u16, 3, 5, 97, 1021]),
        x in 0..1021u16,
        y in 0..1021u16,
    ) {
        let (x, y) = (x % prime, y % prime);
        let text = tree.text(0);
        prop_assume!(text.len() < 900); // fewer than MAX_TOKENS
        let parsed = parse_value(&text).unwrap();
        let value = parsed.evaluate(Point { algebra: &Algebra::Modular(prime), x, y });
        let expected = tree.value(i128::from(x), i128::from(y), i128::from(prime));
        prop_assert_eq!(value.ok().map(i128::from), expected, "{} at {}, {} mod {}", text, x, y, prime);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "[xy0-9+*/^()=! ifthenlsodva⁻²·-]{0,60}") {
        if let Err(error) = parse_value(&text) {
            prop_assert!(text.get(error.span.start..error.span.end).is_some(), "the span lies in the text");
        }
        let _ = parse_condition(&text);
    }

    #[test]
    fn inverses_exist_just_for_units(m in 2..1025u16, a in 0..1024u16) {
        let a = a % m;
        let by_search = (0..m).find(|&b| u32::from(a) * u32::from(b) % u32::from(m) == 1);
        let common = (1..=m).rev().find(|d| m % d == 0 && a % d == 0).unwrap();
        match Algebra::Modular(m).inverse(a) {
            Ok(b) => prop_assert_eq!(Some(b), by_search),
            Err(unit) => prop_assert_eq!((None, common), (by_search, unit.gcd)),
        }
    }
}

fn modular(text: &str, x: u16, y: u16) -> u16 {
    parse_value(text).unwrap().evaluate(Point { algebra: &Algebra::Modular(97), x, y }).unwrap()
}

#[test]
fn spellings_mean_the_same() {
    for (fancy, plain) in [
        ("x² · y⁻¹", "x^2 * y^-1"),
        ("x × y − 1", "x*y - 1"),
        ("x^(-1)", "x^-1"),
        ("x^((3))", "x^3"),
        ("if x ≠ y then 1 else 2", "if x != y then 1 else 2"),
        ("if y even then x else y", "if y odd then y else x"),
        ("----x", "x"),
    ] {
        for (x, y) in [(5, 7), (96, 2), (3, 3)] {
            assert_eq!(modular(fancy, x, y), modular(plain, x, y), "{fancy}");
        }
    }
}

#[test]
fn corners_of_arithmetic() {
    assert_eq!(modular("0^0 + 97^0", 0, 0), 2);
    assert_eq!(modular("-x^2", 3, 0), 97 - 9);
    assert_eq!(modular("x^y", 2, 10), 1024 % 97);
    // the exponent counts modulo 96 by Fermat: 18446744073709551615 = 96·192153584101141162 + 63
    assert_eq!(modular("x^18446744073709551615", 5, 0), modular("x^63", 5, 0));
    assert_eq!(modular("18446744073709551615", 0, 0), (u64::MAX % 97) as u16);
    assert_eq!(modular("if x odd and y odd or x == 4 then 1 else 0", 4, 2), 1);
    assert_eq!(modular("if (x == 4 or y == 4) and x odd then 1 else 0", 4, 2), 0);
    assert_eq!(modular("2 * if x odd then 3 else 4 + 5", 1, 0), 6);
}

#[test]
fn a_group_has_products_powers_and_equality() {
    let algebra = Algebra::Symmetric(SymmetricGroup::new(3).unwrap());
    let value =
        |text: &str, x, y| parse_value(text).and_then(|e| e.evaluate(Point { algebra: &algebra, x, y }));
    // 3 is the cycle 1 → 2 → 3 → 1 (231), 4 its inverse (312), 1 swaps 2 and 3
    assert_eq!(value("x^2", 3, 0).unwrap(), 4);
    assert_eq!(value("x^-1 * x * y", 3, 1).unwrap(), 1);
    assert_eq!(value("x^-7", 3, 0).unwrap(), 4);
    assert_eq!(value("if x == y then x else x^0", 3, 1).unwrap(), 0);
    for text in ["x + y", "x - y", "-x", "x / y", "x * 2", "x^y", "if x odd then x else y"] {
        let error = value(text, 3, 1).unwrap_err();
        assert!(matches!(error.fault, Fault::NotInGroup { .. }), "{text}: {}", error.fault);
    }
}

#[test]
fn length_and_depth_are_bounded_and_long_is_not_deep() {
    let sum = |terms: usize| vec!["1"; terms].join("+");
    assert_eq!(modular(&sum(MAX_TOKENS / 2), 0, 0), (MAX_TOKENS / 2 % 97) as u16);
    assert!(matches!(parse_value(&sum(MAX_TOKENS)).unwrap_err().fault, Fault::TooLong { .. }));
    let nested = |depth: usize| format!("{}x{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(modular(&nested(MAX_DEPTH), 5, 0), 5);
    assert!(matches!(parse_value(&nested(MAX_DEPTH + 1)).unwrap_err().fault, Fault::TooDeep { .. }));
}

#[test]
fn residues_are_compared_by_their_representatives() {
    let algebra = Algebra::Modular(97);
    let count = |text: &str| {
        let condition = parse_condition(text).unwrap();
        let holds = |x, y| condition.holds(Point { algebra: &algebra, x, y }).unwrap();
        (0..97).flat_map(|x| (0..97).map(move |y| (x, y))).filter(|&(x, y)| holds(x, y)).count()
    };
    // 97·98/2 pairs with x ≤ y, 97·96/2 with x < y
    for (text, expected) in
        [("x <= y", 4753), ("x ≤ y", 4753), ("y >= x", 4753), ("x < y", 4656), ("x > y", 4656)]
    {
        assert_eq!(count(text), expected, "{text}");
    }
    assert_eq!(count("x < y or x >= y"), 97 * 97);
    assert_eq!(count("x < 0"), 0, "nothing is below 0");
    // 96 + 1 is 0, which is below 1
    assert_eq!(count("x + 1 < 1"), 97);
    let value = parse_value("if x <= y then 1 else 0").unwrap();
    let at = |x, y| value.evaluate(Point { algebra: &algebra, x, y }).unwrap();
    assert_eq!([at(3, 3), at(3, 2), at(0, 96)], [1, 0, 1]);
}

#[test]
fn units_are_counted_by_eulers_function() {
    for (modulus, phi) in [(12, 4), (97, 96), (360, 96), (1024, 512)] {
        let algebra = Algebra::Modular(modulus);
        let holds = |text: &str, x, y| {
            parse_condition(text).unwrap().holds(Point { algebra: &algebra, x, y }).unwrap()
        };
        assert_eq!((0..modulus).filter(|&y| holds("y unit", 0, y)).count(), phi, "{modulus}");
        assert!(
            holds("units", 1, modulus - 1) && !holds("units", 0, 1) && !holds("units", 1, 0),
            "{modulus}"
        );
    }
}

#[test]
fn an_order_and_units_have_no_meaning_in_a_group() {
    let algebra = Algebra::Group(crate::kinds::operations::task::Group::parse("D4").unwrap());
    for text in ["x <= y", "x unit", "x odd"] {
        let fault =
            parse_condition(text).unwrap().holds(Point { algebra: &algebra, x: 0, y: 0 }).unwrap_err().fault;
        assert!(matches!(fault, Fault::NotInGroup { .. }), "{text}: {fault}");
    }
    for text in ["x <= ", "x < y < x", "unit", "x units", "x unit unit", "units y", "x =< y"] {
        assert!(parse_condition(text).is_err(), "{text}");
    }
}
