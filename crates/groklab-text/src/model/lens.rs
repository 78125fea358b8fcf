//! The toy of Spectral Lens (arXiv 2605.05683, the authors' public code): one backbone and four stages of improving it.
//!
//! x ← E[id]; in each block x ← x + W_o attn(RMS(x)), x ← x + W_down relu(W_up RMS(x))²; logits = head(RMS(x)). RMSNorm has no
//! gain, nothing has a bias, and W_o and W_down begin at zero.
//!
//! | stage | what it changes |
//! |---|---|
//! | `baseline` | learned positions, one joint map to q, k and v, head tied to the embedding |
//! | `rope` | rotary positions, RMSNorm of q and k in each head before they turn; q, k and v apart |
//! | `muon` | nothing: the same model under another optimiser |
//! | `untied` | a head of its own, which begins at zero, and RMSNorm right after the embedding |
//!
//! The three changes of the last stage are fields of [`LensConfig`] and can be made one by one. Tied logits begin at the
//! scale √d, for the embedding is N(0, 1), and the loss far above ln V; of a head at zero it is ln V exactly.

use super::{Architecture, Decoder, Heads, ModelError, Pass, check_sizes};
use crate::{Layout, Role};
use candle_core::{Result, Tensor};
use groklab_corpus::stream;
use rand::Rng;
use rand_distr::StandardNormal;

/// The toy with its parameters.
pub type LensModel = Decoder<LensConfig>;

/// A stage of the toy; `Muon` is the model of `Rope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the table above
pub enum Stage {
    Baseline,
    Rope,
    Muon,
    Untied,
}

impl Stage {
    /// In their order.
    pub const ALL: [Self; 4] = [Self::Baseline, Self::Rope, Self::Muon, Self::Untied];

    /// As in configs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Rope => "rope",
            Self::Muon => "muon",
            Self::Untied => "untied",
        }
    }
}

/// Sizes of the toy, and what distinguishes its stages.
#[derive(Clone, Debug, PartialEq)]
pub struct LensConfig {
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
    /// Width of the MLP.
    pub d_ff: usize,
    /// Rotary positions with RMSNorm of q and k, and q, k and v apart; else learned positions and one joint map.
    pub rotary: bool,
    /// A head of its own; else the embedding.
    pub own_head: bool,
    /// Whether that head begins at zero; else uniform as the other maps.
    pub zero_head: bool,
    /// RMSNorm right after the embedding.
    pub normalised_embedding: bool,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// Added to the mean square in RMSNorm.
    pub epsilon: f64,
}

impl LensConfig {
    /// The authors' sizes, at the stage `baseline`.
    pub const FULL: Self = Self {
        vocabulary: 1024,
        sequence: 64,
        d_model: 128,
        layers: 2,
        heads: 4,
        d_ff: 256,
        rotary: false,
        own_head: false,
        zero_head: false,
        normalised_embedding: false,
        rope_base: 10_000.0,
        epsilon: 1e-6,
    };

    /// Half as wide, half as long, a quarter of the ids.
    pub const SMALL: Self = Self { vocabulary: 256, sequence: 32, d_model: 64, d_ff: 128, ..Self::FULL };

    /// The same sizes at another stage.
    pub fn at(self, stage: Stage) -> Self {
        let last = stage == Stage::Untied;
        let rotary = stage != Stage::Baseline;
        Self { rotary, own_head: last, zero_head: last, normalised_embedding: last, ..self }
    }

    /// The preset of this name, "lens-small" or "lens-full", at a stage.
    ///
    /// # Errors
    /// If there is none.
    pub fn preset(name: &str, stage: Stage) -> std::result::Result<Self, ModelError> {
        match name {
            "lens-small" => Ok(Self::SMALL.at(stage)),
            "lens-full" => Ok(Self::FULL.at(stage)),
            _ => Err(ModelError::Preset { name: name.into(), known: "lens-small, lens-full" }),
        }
    }

    /// Whether a parameter is zero before the first step.
    fn begins_at_zero(&self, name: &str) -> bool {
        name.ends_with("attn.o.weight")
            || name.ends_with("mlp.down.weight")
            || (self.zero_head && name == "unembed.weight")
    }
}

impl Architecture for LensConfig {
    fn check(&self) -> std::result::Result<(), ModelError> {
        let sizes = [
            ("vocabulary", self.vocabulary),
            ("sequence", self.sequence),
            ("d_model", self.d_model),
            ("layers", self.layers),
            ("heads", self.heads),
            ("d_ff", self.d_ff),
        ];
        check_sizes(&sizes, self.d_model, self.heads)?;
        if self.zero_head && !self.own_head { Err(ModelError::ZeroHead) } else { Ok(()) }
    }

    fn layout(&self) -> Layout {
        let (d, ff) = (self.d_model, self.d_ff);
        let mut params = vec![("embed.weight".to_string(), Role::Embedding, vec![self.vocabulary, d])];
        if !self.rotary {
            params.push(("positions.weight".to_string(), Role::Embedding, vec![self.sequence, d]));
        }
        for block in 0..self.layers {
            let mut add = |name: &str, outputs, inputs| {
                params.push((format!("blocks.{block}.{name}.weight"), Role::Matrix, vec![outputs, inputs]));
            };
            if self.rotary {
                ["attn.q", "attn.k", "attn.v"].iter().for_each(|name| add(name, d, d));
            } else {
                add("attn.qkv", 3 * d, d);
            }
            add("attn.o", d, d);
            add("mlp.up", ff, d);
            add("mlp.down", d, ff);
        }
        if self.own_head {
            params.push(("unembed.weight".to_string(), Role::Unembedding, vec![self.vocabulary, d]));
        }
        Layout::new(params)
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
        self.d_model / self.heads
    }

    fn rope_base(&self) -> f64 {
        self.rope_base
    }

    fn unembedding(&self) -> &'static str {
        if self.own_head { "unembed.weight" } else { "embed.weight" }
    }

    /// Embedding N(0, 1), positions N(0, 0.02²), maps uniform in ±1/√inputs but for those that begin at zero.
    fn initial_parameters(&self, seed: u64) -> Vec<f32> {
        let layout = self.layout();
        let mut flat = vec![0.0; layout.len()];
        for param in layout.iter().filter(|param| !self.begins_at_zero(&param.name)) {
            let mut rng = stream(seed, &param.name, 0);
            let bound = 1.0 / (param.shape[1] as f64).sqrt();
            for value in &mut flat[param.range.clone()] {
                *value = match param.name.as_str() {
                    "embed.weight" => rng.sample::<f64, _>(StandardNormal),
                    "positions.weight" => 0.02 * rng.sample::<f64, _>(StandardNormal),
                    _ => rng.random_range(-bound..bound),
                } as f32;
            }
        }
        flat
    }

    fn forward(&self, pass: &mut Pass, ids: &Tensor) -> Result<Tensor> {
        let Self { d_model: d, heads, epsilon, .. } = *self;
        let of = Heads { count: heads, rotary: self.rotary, norm: self.rotary.then_some(epsilon) };
        let (embedding, embedding_name) = pass.param()?;
        let mut x = embedding.index_select(ids, 0)?; // (B·T, d)
        if !self.rotary {
            let positions = pass.param()?.0.narrow(0, 0, pass.length())?;
            let by_sequence = x.reshape((pass.rows(), pass.length(), d))?;
            x = by_sequence.broadcast_add(&positions)?.reshape(((), d))?;
        }
        if self.normalised_embedding {
            x = pass.unit_norm(&x, epsilon)?;
        }
        for _ in 0..self.layers {
            let h = pass.unit_norm(&x, epsilon)?;
            let [q, k, v] = if self.rotary {
                [pass.linear(&h)?, pass.linear(&h)?, pass.linear(&h)?]
            } else {
                let joint = pass.linear(&h)?; // (B·T, 3d)
                [joint.narrow(1, 0, d)?, joint.narrow(1, d, d)?, joint.narrow(1, 2 * d, d)?]
            };
            let mixed = pass.attention([&q, &k, &v], of)?;
            x = (x + pass.linear(&mixed)?)?;
            let h = pass.unit_norm(&x, epsilon)?;
            let up = pass.linear(&h)?;
            let hidden = pass.relu_squared(&up)?; // (B·T, d_ff)
            x = (x + pass.linear(&hidden)?)?;
            pass.end_block(&x);
        }
        let h = pass.unit_norm(&x, epsilon)?;
        let (head, name) = if self.own_head { pass.param()? } else { (embedding, embedding_name) };
        pass.apply(head, name, &h) // (B·T, V)
    }
}
