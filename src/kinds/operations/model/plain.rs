//! The transformer in ordinary candle operations: the readable reference that every engine must agree with.
//!
//! Input `x op y =` or `x y =` under a causal mask; logits are read at the last position.
//! Shapes in comments: B rows, T = 4 or 3 positions, d = d_model, H heads of width d_head, V symbols.

use super::ParamLayout;
use crate::{
    kinds::operations::config::{Activation, ModelConfig, Norm, Positions, Sequence},
    kinds::operations::task::Equation,
};
use candle_core::{D, DType, Device, Result, Tensor, bail};

/// Added to the variance in every LayerNorm.
pub const NORM_EPSILON: f64 = 1e-5;

/// The model's parameters as candle tensors, in the order of its layout.
pub struct PlainModel<'a> {
    pub(super) config: &'a ModelConfig,
    layout: &'a ParamLayout,
    tensors: Vec<Tensor>,
    n_symbols: usize,
}

/// What a forward pass gives.
pub struct Output {
    /// Inputs X of the unembedding, (B, d).
    pub x: Tensor,
    /// X Wᵀ, (B, V).
    pub products: Tensor,
    /// c·X Wᵀ, (B, V), c the output scale.
    pub logits: Tensor,
}

/// What a forward pass shows on its way.
pub enum Seen<'s> {
    /// A linear layer, by the name of its weight W without `.weight`; the unembedding is `unembed`, tied or not.
    Linear {
        /// Which.
        name: &'s str,
        /// h, (B, T, in); (B, in) for the unembedding.
        input: &'s Tensor,
        /// h Wᵀ, before a bias, (B·T, out).
        output: &'s Tensor,
    },
    /// What the positions of a block look at.
    Attention {
        /// Which block, from 0.
        block: usize,
        /// Weights of the keys, (B, H, T, T); each row sums to 1.
        weights: &'s Tensor,
    },
}

/// Sees a forward pass go by.
type Eye<'e> = dyn FnMut(Seen) -> Result<()> + 'e;

impl<'a> PlainModel<'a> {
    /// `tensors` are the parameters in the order of `layout`; variables give gradients.
    pub fn new(
        config: &'a ModelConfig,
        layout: &'a ParamLayout,
        n_symbols: usize,
        tensors: Vec<Tensor>,
    ) -> Self {
        Self { config, layout, tensors, n_symbols }
    }

    /// The same model, through which no gradient goes.
    pub(super) fn detached(&self) -> Self {
        Self { tensors: self.tensors.iter().map(Tensor::detach).collect(), ..*self }
    }

    /// Runs the rows through the model.
    pub fn forward(&self, rows: &[Equation]) -> Result<Output> {
        self.forward_seen(rows, &mut |_| Ok(()))
    }

    /// [`forward`](Self::forward); `eye` sees the linear layers and the attention, in the order of their computation.
    pub fn forward_seen(&self, rows: &[Equation], eye: &mut Eye) -> Result<Output> {
        let mut h = self.embed(rows)?; // (B, T, d)
        for l in 0..self.config.n_layers {
            h = self.block(l, &h, eye)?;
        }
        let mut x = h.narrow(1, h.dim(1)? - 1, 1)?.squeeze(1)?.contiguous()?; // (B, d)
        if self.config.final_norm {
            x = self.norm("final_norm", &x)?;
        }
        let products = x.matmul(&self.unembedding()?.t()?)?; // (B, V)
        eye(Seen::Linear { name: "unembed", input: &x, output: &products })?;
        let logits = self.scaled(&products)?;
        Ok(Output { x, products, logits })
    }

    /// c·z.
    pub(super) fn scaled(&self, z: &Tensor) -> Result<Tensor> {
        let scale = self.config.output_scale;
        if scale == 1.0 { Ok(z.clone()) } else { z * scale }
    }

    /// Mean cross-entropy of the rows, a scalar.
    pub fn loss(&self, rows: &[Equation]) -> Result<Tensor> {
        self.loss_of(&self.forward(rows)?, rows)
    }

    /// Mean cross-entropy of the rows that gave `output`, a scalar.
    pub fn loss_of(&self, output: &Output, rows: &[Equation]) -> Result<Tensor> {
        cross_entropy(&output.logits, rows)
    }

    /// x: the embedded tokens, (B, T, d).
    pub(super) fn embed(&self, rows: &[Equation]) -> Result<Tensor> {
        let (sequence, d) = (self.config.sequence, self.config.d_model);
        let (v, n_ctx) = (self.n_symbols as u32, sequence.positions());
        let tokens: Vec<u32> = match sequence {
            Sequence::WithOperator => rows.iter().flat_map(|r| [r.x.into(), v, r.y.into(), v + 1]).collect(),
            Sequence::WithoutOperator => rows.iter().flat_map(|r| [r.x.into(), r.y.into(), v]).collect(),
        };
        let table = self.get("embed.token.weight")?; // (vocabulary, d)
        let tokens = Tensor::from_vec(tokens, rows.len() * n_ctx, table.device())?;
        let positions = match self.config.positions {
            Positions::Learned => self.get("embed.position.weight")?.clone(),
            Positions::Sinusoidal => {
                Tensor::from_vec(sinusoidal_positions(n_ctx, d), (n_ctx, d), &Device::Cpu)?
                    .to_dtype(table.dtype())?
                    .to_device(table.device())?
            }
        };
        table.index_select(&tokens, 0)?.reshape((rows.len(), n_ctx, d))?.broadcast_add(&positions)
    }

    fn block(&self, l: usize, h: &Tensor, eye: &mut Eye) -> Result<Tensor> {
        let [norm1, norm2] = [1, 2].map(|i| format!("blocks.{l}.norm{i}"));
        match self.config.norm {
            Norm::Pre => {
                let h = (h + self.attention(l, &self.norm(&norm1, h)?, eye)?)?;
                &h + self.mlp(l, &self.norm(&norm2, &h)?, eye)?
            }
            Norm::Post => {
                let h = self.norm(&norm1, &(h + self.attention(l, h, eye)?)?)?;
                self.norm(&norm2, &(&h + self.mlp(l, &h, eye)?)?)
            }
            Norm::None => {
                let h = (h + self.attention(l, h, eye)?)?;
                &h + self.mlp(l, &h, eye)?
            }
        }
    }

    fn attention(&self, l: usize, h: &Tensor, eye: &mut Eye) -> Result<Tensor> {
        let (b, t, d) = h.dims3()?;
        let (n_heads, d_head) = (self.config.n_heads, self.config.d_head());
        let mut heads = |name: &str| -> Result<Tensor> {
            self.linear(&format!("blocks.{l}.attn.{name}"), h, eye)?
                .reshape((b, t, n_heads, d_head))?
                .transpose(1, 2)?
                .contiguous()? // (B, H, T, d_head)
                .reshape((b * n_heads, t, d_head))
        };
        let (q, k, v) = (heads("q")?, heads("k")?, heads("v")?);
        let scores = (q.matmul(&k.t()?.contiguous()?)? / (d_head as f64).sqrt())?; // (B·H, T, T)
        let weights = candle_nn::ops::softmax(&scores.broadcast_add(&causal_mask(t, &scores)?)?, D::Minus1)?;
        eye(Seen::Attention { block: l, weights: &weights.reshape((b, n_heads, t, t))? })?;
        let mixed = weights
            .matmul(&v)? // (B·H, T, d_head)
            .reshape((b, n_heads, t, d_head))?
            .transpose(1, 2)?
            .reshape((b, t, d))?;
        self.linear(&format!("blocks.{l}.attn.o"), &mixed, eye)
    }

    fn mlp(&self, l: usize, h: &Tensor, eye: &mut Eye) -> Result<Tensor> {
        let hidden = self.linear(&format!("blocks.{l}.mlp.up"), h, eye)?; // (B, T, d_mlp)
        let hidden = match self.config.activation {
            Activation::Gelu => hidden.gelu_erf()?,
            // candle's relu has slope 1 at 0, PyTorch's has 0
            Activation::Relu => (&hidden * hidden.gt(0.0)?.to_dtype(hidden.dtype())?)?,
        };
        self.linear(&format!("blocks.{l}.mlp.down"), &hidden, eye)
    }

    /// h Wᵀ + b over the last dimension.
    fn linear(&self, name: &str, h: &Tensor, eye: &mut Eye) -> Result<Tensor> {
        let weight = self.get(&format!("{name}.weight"))?; // (out, in)
        let mut shape = h.dims().to_vec();
        let width = shape.pop().unwrap_or(1);
        let rows = h.elem_count() / width;
        shape.push(weight.dim(0)?);
        let out = h.reshape((rows, width))?.matmul(&weight.t()?)?;
        eye(Seen::Linear { name, input: h, output: &out })?;
        let out = out.reshape(shape)?;
        if self.config.bias { out.broadcast_add(self.get(&format!("{name}.bias"))?) } else { Ok(out) }
    }

    /// (h − mean)/√(variance + ε)·gain + shift; candle's fused LayerNorm has no gradient.
    fn norm(&self, name: &str, h: &Tensor) -> Result<Tensor> {
        let (gain, shift) = (self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?);
        candle_nn::ops::layer_norm_slow(h, gain, shift, NORM_EPSILON as f32)
    }

    /// W, (V, d).
    pub(super) fn unembedding(&self) -> Result<Tensor> {
        match self.config.tied {
            true => self.get("embed.token.weight")?.narrow(0, 0, self.n_symbols),
            false => self.get("unembed.weight").cloned(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Result<&Tensor> {
        match self.layout.iter().position(|p| p.name == name) {
            Some(i) => Ok(&self.tensors[i]),
            None => bail!("the model has no parameter {name}"),
        }
    }
}

/// Mean cross-entropy of (B, V) logits, a scalar.
pub(super) fn cross_entropy(logits: &Tensor, rows: &[Equation]) -> Result<Tensor> {
    let answers: Vec<u32> = rows.iter().map(|r| r.answer.into()).collect();
    let answers = Tensor::from_vec(answers, (rows.len(), 1), logits.device())?;
    // the maximum is a shift that cancels: detached, it costs no gradient
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?; // (B, 1)
    (log_sum - shifted.gather(&answers, D::Minus1)?)?.mean_all()
}

/// 0 on and below the diagonal, −∞ above, (T, T).
pub(super) fn causal_mask(t: usize, like: &Tensor) -> Result<Tensor> {
    let mask: Vec<f32> = (0..t * t).map(|i| if i % t > i / t { f32::NEG_INFINITY } else { 0.0 }).collect();
    Tensor::from_vec(mask, (t, t), &Device::Cpu)?.to_dtype(like.dtype())?.to_device(like.device())
}

/// sin(t/10000^(i/d)) in even columns i, cos(t/10000^((i−1)/d)) in odd ones; (T, d) row-major (Vaswani et al. 2017, §3.5).
pub fn sinusoidal_positions(n_ctx: usize, d_model: usize) -> Vec<f64> {
    let angle = |t: usize, i: usize| t as f64 / 10_000f64.powf((i - i % 2) as f64 / d_model as f64);
    (0..n_ctx)
        .flat_map(|t| {
            (0..d_model).map(move |i| if i % 2 == 0 { angle(t, i).sin() } else { angle(t, i).cos() })
        })
        .collect()
}

/// The flat buffer cut into tensors of `dtype` on `device`, in the order of `layout`.
pub fn tensors(layout: &ParamLayout, flat: &[f32], dtype: DType, device: &Device) -> Result<Vec<Tensor>> {
    layout
        .iter()
        .map(|p| {
            Tensor::from_slice(&flat[p.range.clone()], p.shape.as_slice(), &Device::Cpu)?
                .to_dtype(dtype)?
                .to_device(device)
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        kinds::operations::config::{LinearInit, Preset},
        kinds::operations::model::initial_parameters,
    };
    use candle_core::Var;

    pub const SYMBOLS: usize = 5;

    pub fn small(preset: Preset) -> ModelConfig {
        ModelConfig { d_model: 8, n_heads: 2, d_mlp: 12, ..preset.config("add", 0.5, 0).model }
    }

    /// Every branch of the model at least once.
    pub fn variants() -> Vec<(&'static str, ModelConfig)> {
        let paper = small(Preset::Paper);
        vec![
            ("paper", paper.clone()),
            ("power", small(Preset::Power)),
            (
                "no norm, biases",
                ModelConfig { norm: Norm::None, final_norm: false, bias: true, ..paper.clone() },
            ),
            ("output scale", ModelConfig { output_scale: 0.3, ..small(Preset::Power) }),
            ("tied, one layer", ModelConfig { tied: true, n_layers: 1, ..paper.clone() }),
            ("no operator", ModelConfig { sequence: Sequence::WithoutOperator, tied: true, ..paper.clone() }),
            (
                "no operator, sinusoids",
                ModelConfig { sequence: Sequence::WithoutOperator, ..small(Preset::Power) },
            ),
            (
                "post, biases, three layers, other init",
                ModelConfig {
                    bias: true,
                    n_layers: 3,
                    linear_init: LinearInit::NormalFanIn,
                    ..small(Preset::Power)
                },
            ),
        ]
    }

    pub fn rows() -> Vec<Equation> {
        // repeated operands, and a symbol (4) that never appears
        [(0, 1, 1), (1, 1, 2), (0, 1, 3), (2, 3, 0), (3, 0, 4), (2, 2, 4)]
            .map(|(x, y, answer)| Equation { x, y, answer })
            .to_vec()
    }

    pub fn vars(layout: &ParamLayout, flat: &[f32], dtype: DType) -> Vec<Var> {
        tensors(layout, flat, dtype, &Device::Cpu)
            .unwrap()
            .iter()
            .map(|t| Var::from_tensor(t).unwrap())
            .collect()
    }

    pub fn model<'a>(config: &'a ModelConfig, layout: &'a ParamLayout, vars: &[Var]) -> PlainModel<'a> {
        PlainModel::new(config, layout, SYMBOLS, vars.iter().map(|v| v.as_tensor().clone()).collect())
    }

    #[test]
    fn every_parameter_gets_a_finite_and_non_zero_gradient() {
        for (name, config) in variants() {
            let layout = ParamLayout::new(&config, SYMBOLS);
            let vars = vars(&layout, &initial_parameters(&config, &layout, 1), DType::F32);
            let grads = model(&config, &layout, &vars).loss(&rows()).unwrap().backward().unwrap();
            for (param, var) in layout.iter().zip(&vars) {
                let grad = grads.get(var).unwrap_or_else(|| panic!("{name}: none for {}", param.name));
                let grad = grad.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert!(grad.iter().all(|g| g.is_finite()), "{name}: {}", param.name);
                // a key bias shifts all scores of a query alike: its gradient is zero but for rounding
                if !param.name.ends_with("attn.k.bias") {
                    assert!(grad.iter().any(|g| g.abs() > 1e-7), "{name}: zero for {}", param.name);
                }
            }
        }
    }

    #[test]
    fn gradients_are_finite_differences_in_f64() {
        for (name, config) in variants() {
            let layout = ParamLayout::new(&config, SYMBOLS);
            let vars = vars(&layout, &initial_parameters(&config, &layout, 2), DType::F64);
            let model = model(&config, &layout, &vars);
            let loss = || model.loss(&rows()).unwrap().to_scalar::<f64>().unwrap();
            let grads = model.loss(&rows()).unwrap().backward().unwrap();
            for (param, var) in layout.iter().zip(&vars) {
                let grad = grads.get(var).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
                let largest = grad.iter().fold(0f64, |a, g| a.max(g.abs())).max(1e-3);
                let start = var.flatten_all().unwrap().to_vec1::<f64>().unwrap();
                for i in (0..start.len()).step_by(start.len().div_ceil(6)) {
                    let at = |delta: f64| {
                        let mut moved = start.clone();
                        moved[i] += delta;
                        var.set(&Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap()).unwrap();
                        loss()
                    };
                    let h = 1e-5;
                    let numeric = (at(h) - at(-h)) / (2.0 * h);
                    at(0.0);
                    let error = (numeric - grad[i]).abs() / largest;
                    assert!(error < 2e-6, "{name}: {}[{i}] {numeric} {} ({error:e})", param.name, grad[i]);
                }
            }
        }
    }

    #[test]
    fn earlier_positions_never_see_later_ones_and_the_operands_order_matters() {
        let config = small(Preset::Paper);
        let layout = ParamLayout::new(&config, SYMBOLS);
        let flat = initial_parameters(&config, &layout, 3);
        let vars = vars(&layout, &flat, DType::F32);
        let model = model(&config, &layout, &vars);
        let one = |x, y| {
            let h = model.embed(&[Equation { x, y, answer: 0 }]).unwrap();
            let h = model.block(0, &h, &mut |_| Ok(())).unwrap();
            (0..4)
                .map(|t| h.narrow(1, t, 1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap())
                .collect::<Vec<_>>()
        };
        let (a, b) = (one(1, 2), one(1, 3));
        assert_eq!((&a[0], &a[1]), (&b[0], &b[1]));
        assert_ne!(a[2], b[2]);
        assert_ne!(a[3], b[3]);
    }

    #[test]
    fn sinusoids_are_the_closed_form() {
        let p = sinusoidal_positions(4, 6);
        assert_eq!(p[..6], [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        let expected = (3.0 / 10_000f64.powf(2.0 / 6.0)).cos();
        assert!((p[3 * 6 + 3] - expected).abs() < 1e-15);
    }
}
