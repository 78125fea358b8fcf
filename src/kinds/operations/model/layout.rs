//! The parameters of the transformer as one flat, ordered buffer.
//!
//! Names and shapes follow PyTorch: `blocks.0.attn.q.weight` is (out, in). The order is fixed,
//! so a parameter vector, its gradient and the moments of AdamW are plain slices of equal length.
//! Within a block the weights of q, k and v are adjacent: together they are one (3·d_model, d_model) matrix.

use crate::kinds::operations::config::{ModelConfig, Norm, Positions};
use crate::run::Layout;
use std::ops::Range;

/// What a parameter is; decides its initial distribution and whether `decay = "matrices"` reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Token or position embedding.
    Embedding,
    /// Weight of a linear layer, (out, in).
    Weight,
    /// Bias of a linear layer with the given number of inputs.
    Bias {
        /// Inputs of the layer the bias belongs to.
        fan_in: usize,
    },
    /// Gain of a LayerNorm, initially 1.
    Gain,
    /// Shift of a LayerNorm, initially 0.
    Shift,
}

/// One named parameter and its place in the flat buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// PyTorch-style name.
    pub name: String,
    /// Shape, row-major.
    pub shape: Vec<usize>,
    /// Place in the flat buffer.
    pub range: Range<usize>,
    /// What it is.
    pub kind: ParamKind,
}

/// The ordered parameters of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamLayout {
    params: Vec<Param>,
}

impl ParamLayout {
    /// Layout for `n_symbols` operands; behind them in the vocabulary come the operator, if there is one, and `=`.
    pub fn new(config: &ModelConfig, n_symbols: usize) -> Self {
        let (d, m) = (config.d_model, config.d_mlp);
        let mut layout = Self { params: Vec::new() };
        layout.push(
            "embed.token.weight".into(),
            &[config.sequence.vocabulary(n_symbols), d],
            ParamKind::Embedding,
        );
        if config.positions == Positions::Learned {
            layout.push(
                "embed.position.weight".into(),
                &[config.sequence.positions(), d],
                ParamKind::Embedding,
            );
        }
        for l in 0..config.n_layers {
            if config.norm != Norm::None {
                layout.push_norm(format!("blocks.{l}.norm1"), d);
            }
            for name in ["q", "k", "v", "o"] {
                layout.push(format!("blocks.{l}.attn.{name}.weight"), &[d, d], ParamKind::Weight);
            }
            if config.bias {
                for name in ["q", "k", "v", "o"] {
                    layout.push(format!("blocks.{l}.attn.{name}.bias"), &[d], ParamKind::Bias { fan_in: d });
                }
            }
            if config.norm != Norm::None {
                layout.push_norm(format!("blocks.{l}.norm2"), d);
            }
            layout.push(format!("blocks.{l}.mlp.up.weight"), &[m, d], ParamKind::Weight);
            layout.push(format!("blocks.{l}.mlp.down.weight"), &[d, m], ParamKind::Weight);
            if config.bias {
                layout.push(format!("blocks.{l}.mlp.up.bias"), &[m], ParamKind::Bias { fan_in: d });
                layout.push(format!("blocks.{l}.mlp.down.bias"), &[d], ParamKind::Bias { fan_in: m });
            }
        }
        if config.final_norm {
            layout.push_norm("final_norm".into(), d);
        }
        if !config.tied {
            layout.push("unembed.weight".into(), &[n_symbols, d], ParamKind::Weight);
        }
        layout
    }

    /// Names, shapes and places alone.
    pub fn tensors(&self) -> Layout {
        Layout::new(self.params.iter().map(|param| (param.name.clone(), param.shape.clone())))
    }

    fn push(&mut self, name: String, shape: &[usize], kind: ParamKind) {
        let start = self.len();
        let range = start..start + shape.iter().product::<usize>();
        self.params.push(Param { name, shape: shape.to_vec(), range, kind });
    }

    fn push_norm(&mut self, name: String, d: usize) {
        self.push(format!("{name}.weight"), &[d], ParamKind::Gain);
        self.push(format!("{name}.bias"), &[d], ParamKind::Shift);
    }

    /// Total number of scalars.
    pub fn len(&self) -> usize {
        self.params.last().map_or(0, |p| p.range.end)
    }

    /// Never true for a valid model.
    pub fn is_empty(&self) -> bool {
        self.params.is_empty()
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = &Param> {
        self.params.iter()
    }

    /// The parameter of that name, if this model has it.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|p| p.name == name)
    }

    /// Place of the unembedding W, (n_symbols, d_model): the first rows of the token embedding when tied.
    pub fn unembedding(&self, n_symbols: usize, d_model: usize) -> Range<usize> {
        let start = self.get("unembed.weight").map_or(0, |p| p.range.start);
        start..start + n_symbols * d_model
    }
}
