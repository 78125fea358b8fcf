//! The parameters of any model as one flat buffer: names, shapes and places.

use std::ops::Range;

/// One named tensor of a flat buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// As in safetensors files: `blocks.0.attn.q.weight`.
    pub name: String,
    /// Row-major.
    pub shape: Vec<usize>,
    /// Place in the buffer.
    pub range: Range<usize>,
}

/// The ordered tensors of a flat buffer, without gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    tensors: Vec<Tensor>,
}

impl Layout {
    /// Of names and shapes, one after the other.
    pub fn new(tensors: impl IntoIterator<Item = (String, Vec<usize>)>) -> Self {
        let mut end = 0;
        let place = |(name, shape): (String, Vec<usize>)| {
            let start = end;
            end += shape.iter().product::<usize>();
            Tensor { name, shape, range: start..end }
        };
        Self { tensors: tensors.into_iter().map(place).collect() }
    }

    /// Numbers in the buffer.
    pub fn len(&self) -> usize {
        self.tensors.last().map_or(0, |tensor| tensor.range.end)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tensors in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Tensor> {
        self.tensors.iter()
    }
}
