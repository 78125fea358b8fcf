//! The model: forward pass, loss and flat gradients.

use super::{
    ModelError, TextConfig,
    operations::{Rope, cross_entropy, rms_norm, softmax},
};
use crate::Layout;
use candle_core::{DType, Device, Result, Tensor, Var};

/// Is shown the inputs of each linear map, (B·T, inputs), by the name of its weight, in the order they are computed.
pub type Observer<'a> = &'a mut dyn FnMut(&str, &Tensor) -> Result<()>;

/// Parameters on a device, and what is computed with them. f32 to train, f64 to check.
pub struct Transformer {
    config: TextConfig,
    layout: Layout,
    vars: Vec<Var>,
    rope: Rope,
    /// −∞ above the diagonal, near enough: (T, T).
    mask: Tensor,
    device: Device,
    dtype: DType,
}

impl Transformer {
    /// With all parameters zero; [`Self::set`] gives them values.
    ///
    /// # Errors
    /// If sizes do not fit together, or the device fails.
    pub fn new(config: TextConfig, dtype: DType, device: &Device) -> std::result::Result<Self, ModelError> {
        config.check()?;
        let layout = config.layout();
        let vars = layout
            .iter()
            .map(|param| Var::zeros(param.shape.as_slice(), dtype, device))
            .collect::<Result<Vec<_>>>()?;
        let length = config.sequence;
        let mask: Vec<f32> =
            (0..length).flat_map(|t| (0..length).map(move |s| if s <= t { 0.0 } else { -1e30 })).collect();
        let mask =
            Tensor::from_vec(mask, (length, length), &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?;
        let rope = Rope::new(length, config.d_head(), config.rope_base, dtype, device)?;
        Ok(Self { config, layout, vars, rope, mask, device: device.clone(), dtype })
    }

    /// Sizes.
    pub fn config(&self) -> &TextConfig {
        &self.config
    }

    /// Order of the flat buffers.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The parameter of this name.
    pub fn var(&self, name: &str) -> Option<&Var> {
        self.layout.iter().position(|param| param.name == name).map(|at| &self.vars[at])
    }

    /// Copies parameters in.
    ///
    /// # Errors
    /// If the buffer has another length than the layout.
    pub fn set<T: candle_core::WithDType>(&self, params: &[T]) -> std::result::Result<(), ModelError> {
        if params.len() != self.layout.len() {
            let expected = self.layout.len().to_string();
            return Err(ModelError::Mismatch { what: "number of parameters", found: params.len(), expected });
        }
        for (param, var) in self.layout.iter().zip(&self.vars) {
            let values =
                Tensor::from_slice(&params[param.range.clone()], param.shape.as_slice(), &Device::Cpu)?;
            var.set(&values.to_dtype(self.dtype)?.to_device(&self.device)?)?;
        }
        Ok(())
    }

    /// Logits, (B·T, V), of `inputs`, (B, T) ids row-major, T at most the sequence of the config.
    ///
    /// # Errors
    /// If ids do not make whole sequences or are not in the vocabulary, or an operation fails.
    pub fn logits(
        &self,
        inputs: &[u32],
        length: usize,
        observe: Observer,
    ) -> std::result::Result<Tensor, ModelError> {
        self.check_ids("input id", inputs)?;
        if length == 0
            || length > self.config.sequence
            || inputs.is_empty()
            || !inputs.len().is_multiple_of(length)
        {
            let expected = format!("1 to {}, and a whole number of sequences", self.config.sequence);
            return Err(ModelError::Mismatch { what: "sequence length", found: length, expected });
        }
        Ok(self.forward(inputs, length, observe)?)
    }

    /// Mean loss in nats over all targets; `inputs` and `targets` are (B, T) ids.
    ///
    /// # Errors
    /// As [`Self::logits`].
    pub fn loss(
        &self,
        inputs: &[u32],
        targets: &[u32],
        length: usize,
        observe: Observer,
    ) -> std::result::Result<Tensor, ModelError> {
        self.check_ids("target id", targets)?;
        if targets.len() != inputs.len() {
            let expected = inputs.len().to_string();
            return Err(ModelError::Mismatch { what: "number of targets", found: targets.len(), expected });
        }
        let logits = self.logits(inputs, length, observe)?;
        Ok(cross_entropy(&logits, &Tensor::from_slice(targets, targets.len(), &self.device)?)?)
    }

    /// Writes the gradients of a loss into `grads`, in the order of the layout.
    ///
    /// # Errors
    /// If a parameter has none, or one is not finite.
    pub fn gradients<T: candle_core::WithDType>(
        &self,
        loss: &Tensor,
        grads: &mut [T],
    ) -> std::result::Result<(), ModelError> {
        if grads.len() != self.layout.len() {
            let expected = self.layout.len().to_string();
            return Err(ModelError::Mismatch { what: "number of gradients", found: grads.len(), expected });
        }
        let store = loss.backward()?;
        for (param, var) in self.layout.iter().zip(&self.vars) {
            let gradient =
                store.get(var).ok_or_else(|| ModelError::NoGradient { name: param.name.clone() })?;
            let values =
                gradient.flatten_all()?.to_device(&Device::Cpu)?.to_dtype(T::DTYPE)?.to_vec1::<T>()?;
            if let Some(value) = values.iter().map(|v| v.to_f64()).find(|v| !v.is_finite()) {
                return Err(ModelError::NotFinite { name: param.name.clone(), value });
            }
            grads[param.range.clone()].copy_from_slice(&values);
        }
        Ok(())
    }

    fn forward(&self, inputs: &[u32], length: usize, observe: Observer) -> Result<Tensor> {
        let TextConfig { d_model: d, heads, epsilon, .. } = self.config;
        let (rows, d_head) = (inputs.len() / length, self.config.d_head());
        let mut vars =
            self.vars.iter().zip(self.layout.iter()).map(|(var, param)| (var.as_tensor(), &param.name));
        let mut next =
            || vars.next().ok_or_else(|| candle_core::Error::Msg("layout without parameters".into()));
        let ids = Tensor::from_slice(inputs, inputs.len(), &self.device)?;
        let (embedding, embedding_name) = next()?;
        let mut x = (embedding.index_select(&ids, 0)? * (d as f64).sqrt())?; // (B·T, d)
        // (B·T, d) → (B·H, T, d_head)
        let split = |x: Tensor| x.reshape((rows, length, heads, d_head))?.transpose(1, 2)?.contiguous();
        let batched = (rows * heads, length, d_head);
        let mask = self.mask.narrow(0, 0, length)?.narrow(1, 0, length)?;
        for _ in 0..self.config.layers {
            let h = rms_norm(&x, next()?.0, epsilon)?;
            let mut map = |x: &Tensor| {
                let (weight, name) = next()?;
                observe(name, x)?;
                x.matmul(&weight.t()?) // weight (out, in)
            };
            let q = self.rope.apply(&split(map(&h)?)?)?.reshape(batched)?;
            let k = self.rope.apply(&split(map(&h)?)?)?.reshape(batched)?;
            let v = split(map(&h)?)?.reshape(batched)?;
            let scores = (q.matmul(&k.transpose(1, 2)?.contiguous()?)? / (d_head as f64).sqrt())?; // (B·H, T, T)
            let weights = softmax(&scores.broadcast_add(&mask)?)?;
            let mixed = weights.matmul(&v)?.reshape((rows, heads, length, d_head))?;
            let mixed = mixed.transpose(1, 2)?.contiguous()?.reshape((rows * length, d))?;
            let attention = map(&mixed)?;
            x = (x + rms_norm(&attention, next()?.0, epsilon)?)?;

            let h = rms_norm(&x, next()?.0, epsilon)?;
            let mut map = |x: &Tensor| {
                let (weight, name) = next()?;
                observe(name, x)?;
                x.matmul(&weight.t()?)
            };
            let gate = map(&h)?.gelu()?; // the tanh form
            let hidden = (gate * map(&h)?)?; // (B·T, d_ff)
            let mlp = map(&hidden)?;
            x = (x + rms_norm(&mlp, next()?.0, epsilon)?)?;
        }
        let h = rms_norm(&x, next()?.0, epsilon)?;
        let (unembedding, name) = if self.config.tied { (embedding, embedding_name) } else { next()? };
        observe(name, &h)?;
        h.matmul(&unembedding.t()?) // (B·T, V)
    }

    fn check_ids(&self, what: &'static str, ids: &[u32]) -> std::result::Result<(), ModelError> {
        let vocabulary = self.config.vocabulary;
        match ids.iter().find(|&&id| id as usize >= vocabulary) {
            Some(&id) => {
                let expected = format!("0 to {}", vocabulary - 1);
                Err(ModelError::Mismatch { what, found: id as usize, expected })
            }
            None => Ok(()),
        }
    }
}
