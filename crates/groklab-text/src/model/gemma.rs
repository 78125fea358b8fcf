//! Gemma-2: sizes, presets, the parameters that follow from them, and the forward pass.

use super::{Architecture, Heads, ModelError, Pass, check_sizes, initial_parameters};
use crate::{Layout, Role};
use candle_core::{Result, Tensor};

/// Sizes of a Gemma-2 language model (arXiv 2408.00118) without soft-cap and sliding window, as the study of the
/// log-alignment ratio trains it (arXiv 2605.28975).
#[derive(Clone, Debug, PartialEq)]
pub struct TextConfig {
    /// Number of ids, V.
    pub vocabulary: usize,
    /// Inputs of a sequence, T.
    pub sequence: usize,
    /// Width of the residual stream, d.
    pub d_model: usize,
    /// Blocks.
    pub layers: usize,
    /// Attention heads; d/heads must be even.
    pub heads: usize,
    /// Width of the gated MLP.
    pub d_ff: usize,
    /// Whether the unembedding is the embedding.
    pub tied: bool,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// Added to the mean square in RMSNorm.
    pub epsilon: f64,
}

impl TextConfig {
    /// Two blocks of width 64 over 512 ids, sequences of 64: the smallest in which a language model overfits as large
    /// ones do. 197,184 parameters.
    pub const LM_SMALL: Self = Self {
        vocabulary: 512,
        sequence: 64,
        d_model: 64,
        layers: 2,
        heads: 4,
        d_ff: 256,
        tied: false,
        rope_base: 10_000.0,
        epsilon: 1e-6,
    };

    /// Four blocks of width 128 over 2,048 ids, sequences of 128.
    pub const LM_MEDIUM: Self = Self {
        vocabulary: 2048,
        sequence: 128,
        d_model: 128,
        layers: 4,
        heads: 8,
        d_ff: 512,
        ..Self::LM_SMALL
    };

    /// The preset of this name: "lm-small" or "lm-medium".
    ///
    /// # Errors
    /// If there is none.
    pub fn preset(name: &str) -> std::result::Result<Self, ModelError> {
        match name {
            "lm-small" => Ok(Self::LM_SMALL),
            "lm-medium" => Ok(Self::LM_MEDIUM),
            _ => Err(ModelError::Preset { name: name.into(), known: "lm-small, lm-medium" }),
        }
    }

    /// Width of a head.
    pub fn d_head(&self) -> usize {
        self.d_model / self.heads
    }

    /// All parameters in order; matrices are (outputs, inputs).
    pub fn layout(&self) -> Layout {
        let (d, ff) = (self.d_model, self.d_ff);
        let mut params = vec![("embed.weight".to_string(), Role::Embedding, vec![self.vocabulary, d])];
        for block in 0..self.layers {
            let mut add =
                |name: &str, role, shape| params.push((format!("blocks.{block}.{name}"), role, shape));
            add("norm.attn_in.gain", Role::Gain, vec![d]);
            for map in ["q", "k", "v", "o"] {
                add(&format!("attn.{map}.weight"), Role::Matrix, vec![d, d]);
            }
            add("norm.attn_out.gain", Role::Gain, vec![d]);
            add("norm.mlp_in.gain", Role::Gain, vec![d]);
            add("mlp.gate.weight", Role::Matrix, vec![ff, d]);
            add("mlp.up.weight", Role::Matrix, vec![ff, d]);
            add("mlp.down.weight", Role::Matrix, vec![d, ff]);
            add("norm.mlp_out.gain", Role::Gain, vec![d]);
        }
        params.push(("norm.final.gain".to_string(), Role::Gain, vec![d]));
        if !self.tied {
            params.push(("unembed.weight".to_string(), Role::Unembedding, vec![self.vocabulary, d]));
        }
        Layout::new(params)
    }

    /// Name of the matrix that makes logits.
    pub fn unembedding(&self) -> &'static str {
        if self.tied { "embed.weight" } else { "unembed.weight" }
    }

    /// Whether the sizes fit together.
    ///
    /// # Errors
    /// If one is 0, or heads do not divide the width into even parts.
    pub fn check(&self) -> std::result::Result<(), ModelError> {
        let sizes = [
            ("vocabulary", self.vocabulary),
            ("sequence", self.sequence),
            ("d_model", self.d_model),
            ("layers", self.layers),
            ("heads", self.heads),
            ("d_ff", self.d_ff),
        ];
        check_sizes(&sizes, self.d_model, self.heads)
    }
}

impl Architecture for TextConfig {
    fn check(&self) -> std::result::Result<(), ModelError> {
        self.check()
    }

    fn layout(&self) -> Layout {
        self.layout()
    }

    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn sequence(&self) -> usize {
        self.sequence
    }

    fn width(&self) -> usize {
        self.d_model
    }

    fn d_head(&self) -> usize {
        self.d_head()
    }

    fn rope_base(&self) -> f64 {
        self.rope_base
    }

    fn unembedding(&self) -> &'static str {
        self.unembedding()
    }

    fn initial_parameters(&self, seed: u64) -> Vec<f32> {
        initial_parameters(self, seed)
    }

    fn forward(&self, pass: &mut Pass, ids: &Tensor) -> Result<Tensor> {
        let Self { d_model, heads, epsilon, .. } = *self;
        let of = Heads { count: heads, rotary: true, norm: None };
        let (embedding, embedding_name) = pass.param()?;
        let mut x = (embedding.index_select(ids, 0)? * (d_model as f64).sqrt())?; // (B·T, d)
        for _ in 0..self.layers {
            let h = pass.norm(&x, epsilon)?;
            let (q, k, v) = (pass.linear(&h)?, pass.linear(&h)?, pass.linear(&h)?);
            let mixed = pass.attention([&q, &k, &v], of)?;
            let attention = pass.linear(&mixed)?;
            x = (x + pass.norm(&attention, epsilon)?)?;

            let h = pass.norm(&x, epsilon)?;
            let (gate, up) = (pass.linear(&h)?, pass.linear(&h)?);
            let hidden = pass.gated_gelu(&gate, &up)?; // (B·T, d_ff)
            let mlp = pass.linear(&hidden)?;
            x = (x + pass.norm(&mlp, epsilon)?)?;
            pass.end_block(&x);
        }
        let h = pass.norm(&x, epsilon)?;
        let (unembedding, name) = if self.tied { (embedding, embedding_name) } else { pass.param()? };
        pass.apply(unembedding, name, &h) // (B·T, V)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lm_small_has_its_parameters() {
        // embedding, unembedding, two blocks of 4·64² + 3·64·256, nine gains of 64
        let expected = 2 * 512 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 256) + 9 * 64;
        assert_eq!((TextConfig::LM_SMALL.layout().len(), expected), (197_184, 197_184));
        let tied = TextConfig { tied: true, ..TextConfig::LM_SMALL };
        assert_eq!(tied.layout().len(), expected - 512 * 64);
    }

    #[test]
    fn sizes_that_do_not_fit_are_named() {
        let message = |config: TextConfig| config.check().unwrap_err().to_string();
        let small = TextConfig::LM_SMALL;
        assert!(message(TextConfig { heads: 3, ..small.clone() }).starts_with("d_model = 64 with 3 heads"));
        assert!(message(TextConfig { d_ff: 0, ..small }).starts_with("d_ff = 0"));
        assert!(TextConfig::preset("lm-large").unwrap_err().to_string().contains("lm-small, lm-medium"));
        for name in ["lm-small", "lm-medium"] {
            TextConfig::preset(name).unwrap().check().unwrap();
        }
    }
}
