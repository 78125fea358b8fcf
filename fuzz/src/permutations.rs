//! The language over S_n, on lists of images: the elements are all lists in lexicographic order, found by making
//! every list and sorting; (a·b)(i) = a(b(i)); a power is a product written out.

use crate::tree::{Condition, Exponent, Tree};

type Images = Vec<usize>;

/// The answers, x-major.
pub fn table(tree: &Tree, n: usize) -> Vec<u16> {
    let elements = elements(n);
    let number = |images: Images| elements.iter().position(|e| *e == images).unwrap() as u16;
    elements
        .iter()
        .flat_map(|x| elements.iter().map(move |y| (x, y)))
        .map(|(x, y)| number(tree.images(x, y)))
        .collect()
}

fn elements(n: usize) -> Vec<Images> {
    let mut lists: Vec<Images> = vec![Vec::new()];
    for _ in 0..n {
        let longer = |list: &Images| (0..n).map(|i| [&list[..], &[i]].concat()).collect::<Vec<_>>();
        lists = lists.iter().flat_map(longer).collect();
    }
    lists.retain(|list| (0..n).all(|i| list.contains(&i)));
    lists.sort();
    lists
}

fn product(a: &Images, b: &Images) -> Images {
    b.iter().map(|&i| a[i]).collect()
}

fn inverse(a: &Images) -> Images {
    (0..a.len()).map(|i| a.iter().position(|&image| image == i).unwrap()).collect()
}

impl Tree {
    fn images(&self, x: &Images, y: &Images) -> Images {
        match self {
            Self::X => x.clone(),
            Self::Y => y.clone(),
            Self::Multiply(a, b) => product(&a.images(x, y), &b.images(x, y)),
            Self::Power(a, Exponent::Integer(negative, n)) => {
                let a = a.images(x, y);
                let a = if *negative { inverse(&a) } else { a };
                (0..*n).fold((0..a.len()).collect(), |power, _| product(&power, &a))
            }
            Self::If(condition, then, otherwise) => {
                let holds = match &**condition {
                    Condition::Equal(a, b) => a.images(x, y) == b.images(x, y),
                    Condition::Unequal(a, b) => a.images(x, y) != b.images(x, y),
                    other => unreachable!("{other:?} is not drawn for a group"),
                };
                if holds { then.images(x, y) } else { otherwise.images(x, y) }
            }
            other => unreachable!("{other:?} is not drawn for a group"),
        }
    }
}
