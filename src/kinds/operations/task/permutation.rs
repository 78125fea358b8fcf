//! The symmetric group S_n, n ≤ 6, with its elements numbered from 0.
//!
//! Conventions: the elements are numbered in lexicographic order of their one-line notation, so 0 is the
//! identity and n! − 1 reverses; a product applies its right factor first, (a·b)(i) = a(b(i)).

/// Largest n: S7 would have 5040² rows.
pub const MAX_DEGREE: usize = 6;

/// A permutation of 0 … n−1 in one-line notation; entries from n on are unused and 0.
type OneLine = [u8; MAX_DEGREE];

/// a·a·…, `exponent` times, by squaring; the identity for none.
pub(super) fn repeated(identity: u16, a: u16, mut exponent: u64, multiply: impl Fn(u16, u16) -> u16) -> u16 {
    let (mut power, mut square) = (identity, a);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = multiply(power, square);
        }
        square = multiply(square, square);
        exponent >>= 1;
    }
    power
}

/// S_n: all permutations of n points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymmetricGroup {
    degree: usize,
    elements: Vec<OneLine>,
}

impl SymmetricGroup {
    /// S_n for n from 2 to [`MAX_DEGREE`], else `None`.
    pub fn new(degree: usize) -> Option<Self> {
        if !(2..=MAX_DEGREE).contains(&degree) {
            return None;
        }
        let order: usize = (1..=degree).product();
        let elements = (0..order).map(|rank| unrank(rank, degree)).collect();
        Some(Self { degree, elements })
    }

    /// n of S_n.
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// Number of elements, n!.
    pub fn order(&self) -> usize {
        self.elements.len()
    }

    /// Images of 0 … n−1 under the element with that number, or `None` beyond the last.
    pub fn images(&self, element: u16) -> Option<&[u8]> {
        self.elements.get(usize::from(element)).map(|p| &p[..self.degree])
    }

    /// Whether it is a product of an even number of exchanges: its inversions are even in number.
    pub(crate) fn is_even(&self, element: u16) -> bool {
        let p = &self.elements[usize::from(element)][..self.degree];
        let inversions = (0..self.degree).map(|i| p[i + 1..].iter().filter(|&&later| later < p[i]).count());
        inversions.sum::<usize>().is_multiple_of(2)
    }

    /// In one-line notation of 1 … n: `21345` exchanges 1 and 2. A number beyond the last stands for itself.
    pub fn label(&self, element: u16) -> String {
        match self.images(element) {
            Some(images) => images.iter().map(|image| char::from(b'1' + image)).collect(),
            None => element.to_string(),
        }
    }

    /// a·b: b first, then a.
    pub(crate) fn multiply(&self, a: u16, b: u16) -> u16 {
        let (a, b) = (self.elements[usize::from(a)], self.elements[usize::from(b)]);
        self.rank(std::array::from_fn(|i| a[usize::from(b[i])]))
    }

    /// The element that undoes `a`.
    pub(crate) fn inverse(&self, a: u16) -> u16 {
        let a = self.elements[usize::from(a)];
        let mut inverse = OneLine::default();
        for (i, &image) in a[..self.degree].iter().enumerate() {
            inverse[usize::from(image)] = i as u8;
        }
        self.rank(inverse)
    }

    /// a·a·…, `exponent` times; the exponent counts modulo lcm(1 … 6) = 60, a multiple of every order.
    pub(crate) fn power(&self, a: u16, exponent: u64) -> u16 {
        repeated(0, a, exponent % 60, |a, b| self.multiply(a, b))
    }

    /// Number of a permutation: its digits in the factorial base, read by Horner's rule.
    fn rank(&self, p: OneLine) -> u16 {
        let p = &p[..self.degree];
        (0..self.degree).fold(0, |rank, i| {
            let smaller_later = p[i + 1..].iter().filter(|&&later| later < p[i]).count();
            rank * (self.degree - i) as u16 + smaller_later as u16
        })
    }
}

/// The permutation with that number.
fn unrank(mut rank: usize, degree: usize) -> OneLine {
    let mut left: Vec<u8> = (0..degree as u8).collect();
    let mut p = OneLine::default();
    for (i, image) in p[..degree].iter_mut().enumerate() {
        let block: usize = (1..degree - i).product();
        *image = left.remove(rank / block);
        rank %= block;
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_is_a_product_written_out() {
        let group = SymmetricGroup::new(4).unwrap();
        for a in 0..group.order() as u16 {
            let mut product = 0;
            for exponent in 0..130 {
                assert_eq!(group.power(a, exponent), product, "{a}^{exponent}");
                product = group.multiply(product, a);
            }
        }
    }
}
