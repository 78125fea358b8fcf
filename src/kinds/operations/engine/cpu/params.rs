//! Where each layer's parameters lie in the flat buffer.

use super::{attention::Heads, linear::Linear};
use crate::{
    kinds::operations::config::{ModelConfig, Norm, Sequence},
    kinds::operations::engine::EngineError,
    kinds::operations::model::{ParamKind, ParamLayout},
};
use std::ops::Range;

/// Parameters of one block. Gain and shift of a norm are adjacent, so are the weights of k and v.
#[derive(Clone, Debug)]
pub(in crate::kinds::operations::engine) struct BlockParams {
    pub norm1: Option<Range<usize>>,
    pub q: Linear,
    pub kv: Linear,
    pub o: Linear,
    pub norm2: Option<Range<usize>>,
    pub up: Linear,
    pub down: Linear,
}

/// All parameters and the choices that shape the arithmetic.
#[derive(Clone, Debug)]
pub(in crate::kinds::operations::engine) struct Params {
    pub n_symbols: usize,
    pub sequence: Sequence,
    pub d_model: usize,
    pub d_mlp: usize,
    pub heads: Heads,
    pub norm: Norm,
    pub tokens: Range<usize>,
    pub positions: Option<Range<usize>>,
    pub blocks: Vec<BlockParams>,
    pub final_norm: Option<Range<usize>>,
    pub unembed: Linear,
    /// Gradients that are added up from zero; all others are overwritten.
    pub summed: Vec<Range<usize>>,
    pub len: usize,
}

impl Params {
    pub fn new(config: &ModelConfig, n_symbols: usize) -> Result<Self, EngineError> {
        let (d, m) = (config.d_model, config.d_mlp);
        let positive = n_symbols > 0 && config.n_layers > 0 && d > 0 && m > 0 && config.n_heads > 0;
        if !positive || !d.is_multiple_of(config.n_heads) {
            return Err(EngineError::Shape(format!(
                "{} layers of width {d} with {} heads and {m} hidden units, {n_symbols} symbols: \
                 all must be positive and the width a multiple of the heads",
                config.n_layers, config.n_heads
            )));
        }
        let layout = ParamLayout::new(config, n_symbols);
        let place = |name: &str| layout.get(name).map(|p| p.range.clone());
        let need = |name: String| {
            place(&name).ok_or_else(|| EngineError::Shape(format!("the layout has no parameter {name}")))
        };
        let pair =
            |first: String, second: String| Ok::<_, EngineError>(need(first)?.start..need(second)?.end);
        let norm = |name: String| match place(&format!("{name}.weight")) {
            Some(_) => pair(format!("{name}.weight"), format!("{name}.bias")).map(Some),
            None => Ok(None),
        };
        // the linear layers `first` to `last`, whose weights (and biases) are adjacent, as one
        let linear = |slot: usize, first: String, last: String, inputs: usize| {
            let weight = pair(format!("{first}.weight"), format!("{last}.weight"))?;
            let bias = match config.bias {
                true => Some(pair(format!("{first}.bias"), format!("{last}.bias"))?),
                false => None,
            };
            let outputs = weight.len() / inputs;
            Ok::<_, EngineError>(Linear { weight, bias, inputs, outputs, slot })
        };
        let blocks = (0..config.n_layers).map(|l| {
            let name = |part: &str| format!("blocks.{l}.{part}");
            Ok(BlockParams {
                norm1: norm(name("norm1"))?,
                q: linear(5 * l, name("attn.q"), name("attn.q"), d)?,
                kv: linear(5 * l + 1, name("attn.k"), name("attn.v"), d)?,
                o: linear(5 * l + 2, name("attn.o"), name("attn.o"), d)?,
                norm2: norm(name("norm2"))?,
                up: linear(5 * l + 3, name("mlp.up"), name("mlp.up"), d)?,
                down: linear(5 * l + 4, name("mlp.down"), name("mlp.down"), m)?,
            })
        });
        let weight = layout.unembedding(n_symbols, d);
        Ok(Self {
            n_symbols,
            sequence: config.sequence,
            d_model: d,
            d_mlp: m,
            heads: Heads { n_heads: config.n_heads, d_head: config.d_head() },
            norm: config.norm,
            tokens: need("embed.token.weight".into())?,
            positions: place("embed.position.weight"),
            blocks: blocks.collect::<Result<_, EngineError>>()?,
            final_norm: norm("final_norm".into())?,
            unembed: Linear { weight, bias: None, inputs: d, outputs: n_symbols, slot: 5 * config.n_layers },
            summed: layout.iter().filter(|p| p.kind != ParamKind::Weight).map(|p| p.range.clone()).collect(),
            len: layout.len(),
        })
    }

    /// Those that are multiplied whole: not those of which an [`Attention`](super::attend::Attention) takes a head at a time.
    pub fn whole_linears(&self) -> impl Iterator<Item = &Linear> {
        let last = self.blocks.len() - 1;
        let blocks = self.blocks.iter().enumerate().flat_map(move |(l, b)| {
            let kv = (l == 0 || l < last).then_some(&b.kv);
            let o = (l > 0).then_some(&b.o);
            [Some(&b.q), kv, o, Some(&b.up), Some(&b.down)].into_iter().flatten()
        });
        blocks.chain([&self.unembed])
    }

    /// Every linear layer, in the order of their slots.
    pub fn linears(&self) -> impl Iterator<Item = &Linear> {
        let blocks = self.blocks.iter().flat_map(|b| [&b.q, &b.kv, &b.o, &b.up, &b.down]);
        blocks.chain([&self.unembed])
    }
}
