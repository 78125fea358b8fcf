//! The parameters of a model, named and in order, as ranges of one flat buffer.

use std::ops::Range;

/// What a parameter is to an optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// (vocabulary, width), rows looked up.
    Embedding,
    /// (vocabulary, width), the last linear map.
    Unembedding,
    /// (outputs, inputs), a linear map between hidden states.
    Matrix,
    /// One number a channel.
    Gain,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// As in files, `blocks.0.attn.q.weight`.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// (outputs, inputs), or (channels).
    pub shape: Vec<usize>,
    /// Where it lies, row-major.
    pub range: Range<usize>,
}

/// All parameters, without gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    params: Vec<Param>,
}

impl Layout {
    /// Of (name, role, shape) in order.
    pub fn new(params: impl IntoIterator<Item = (String, Role, Vec<usize>)>) -> Self {
        let mut end = 0;
        let place = |(name, role, shape): (String, Role, Vec<usize>)| {
            let start = end;
            end += shape.iter().product::<usize>();
            Param { name, role, shape, range: start..end }
        };
        Self { params: params.into_iter().map(place).collect() }
    }

    /// Number of numbers.
    pub fn len(&self) -> usize {
        self.params.last().map_or(0, |param| param.range.end)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In order.
    pub fn iter(&self) -> std::slice::Iter<'_, Param> {
        self.params.iter()
    }

    /// In order, all.
    pub fn as_slice(&self) -> &[Param] {
        &self.params
    }

    /// By name.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|param| param.name == name)
    }
}
