//! A model of any architecture: its parameters, forward pass, loss and flat gradients.

use super::{
    Architecture, ModelError, Observer, Pass, Tap, TextConfig, fused,
    operations::{Rope, cross_entropy, log_alignment},
};
use crate::Layout;
use candle_core::{DType, Device, Result, Tensor, Var};

/// A decoder of Gemma-2 blocks.
pub type Transformer = Decoder<TextConfig>;

/// Parameters on a device, and what is computed with them. f32 to train, f64 to check.
pub struct Decoder<A> {
    config: A,
    layout: Layout,
    vars: Vec<Var>,
    rope: Rope,
    /// −∞ above the diagonal, near enough: (T, T).
    mask: Tensor,
    device: Device,
    dtype: DType,
    fused: bool,
}

impl<A: Architecture> Decoder<A> {
    /// With all parameters zero; [`Self::set`] gives them values. In f32 on the CPU each operation is one node of the graph,
    /// on one core; otherwise the model is made of ordinary operations of candle, as [`Self::plain`] is everywhere.
    ///
    /// # Errors
    /// If sizes do not fit together, or the device fails.
    pub fn new(config: A, dtype: DType, device: &Device) -> std::result::Result<Self, ModelError> {
        config.check()?;
        let layout = config.layout();
        let vars = layout
            .iter()
            .map(|param| Var::zeros(param.shape.as_slice(), dtype, device))
            .collect::<Result<Vec<_>>>()?;
        let length = config.sequence();
        let mask: Vec<f32> =
            (0..length).flat_map(|t| (0..length).map(move |s| if s <= t { 0.0 } else { -1e30 })).collect();
        let mask =
            Tensor::from_vec(mask, (length, length), &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?;
        let rope = Rope::new(length, config.d_head(), config.rope_base(), dtype, device)?;
        let fused = device.is_cpu() && dtype == DType::F32;
        Ok(Self { config, layout, vars, rope, mask, device: device.clone(), dtype, fused })
    }

    /// The same model of ordinary operations of candle.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { fused: false, ..self }
    }

    /// Whether each operation is one node of the graph.
    pub fn is_fused(&self) -> bool {
        self.fused
    }

    /// Sizes.
    pub fn config(&self) -> &A {
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
        self.tapped_logits(inputs, length, &mut |name, x, y| observe(name, x).map(|()| y))
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
        self.tapped_loss(inputs, targets, length, &mut |name, x, y| observe(name, x).map(|()| y))
    }

    /// [`Self::logits`], with something behind each linear map.
    ///
    /// # Errors
    /// As [`Self::logits`].
    pub fn tapped_logits(
        &self,
        inputs: &[u32],
        length: usize,
        tap: Tap,
    ) -> std::result::Result<Tensor, ModelError> {
        Ok(self.pass(inputs, length, tap, None)?.0)
    }

    /// The residual stream behind each block, (B·T, d), no gradients: for spectra of activations of any layer. It is not
    /// normalised; what the unembedding reads, an [`Observer`] is shown.
    ///
    /// # Errors
    /// As [`Self::logits`].
    pub fn block_outputs(
        &self,
        inputs: &[u32],
        length: usize,
    ) -> std::result::Result<Vec<Tensor>, ModelError> {
        Ok(self.pass(inputs, length, &mut |_, _, y| Ok(y), Some(Vec::new()))?.1)
    }

    /// [`Self::loss`], with something behind each linear map.
    ///
    /// # Errors
    /// As [`Self::logits`].
    pub fn tapped_loss(
        &self,
        inputs: &[u32],
        targets: &[u32],
        length: usize,
        tap: Tap,
    ) -> std::result::Result<Tensor, ModelError> {
        self.check_ids("target id", targets)?;
        if targets.len() != inputs.len() {
            let expected = inputs.len().to_string();
            return Err(ModelError::Mismatch { what: "number of targets", found: targets.len(), expected });
        }
        let logits = self.tapped_logits(inputs, length, tap)?;
        self.mean_loss(&logits, targets)
    }

    /// [`Self::loss`], and LAR of the unembedding over the same targets, a scalar with gradients too.
    ///
    /// # Errors
    /// As [`Self::logits`].
    pub fn loss_and_lar(
        &self,
        inputs: &[u32],
        targets: &[u32],
        length: usize,
    ) -> std::result::Result<(Tensor, Tensor), ModelError> {
        let (name, mut seen) = (self.config.unembedding(), None);
        let loss = self.tapped_loss(inputs, targets, length, &mut |at, x, z| {
            if at == name {
                seen = Some((x.clone(), z.clone()));
            }
            Ok(z)
        })?;
        let missing = || ModelError::NoGradient { name: name.to_owned() };
        let ((x, z), w) = seen.zip(self.var(name)).ok_or_else(missing)?;
        Ok((loss, log_alignment(&x, &z, w)?))
    }

    /// Mean loss in nats of logits, (N, V), and N targets.
    ///
    /// # Errors
    /// If they do not fit each other.
    pub fn mean_loss(&self, logits: &Tensor, targets: &[u32]) -> std::result::Result<Tensor, ModelError> {
        if self.fused {
            return Ok(logits.apply_op1(fused::CrossEntropy { targets: targets.to_vec() })?);
        }
        Ok(cross_entropy(logits, &Tensor::from_slice(targets, targets.len(), &self.device)?)?)
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

    fn pass(
        &self,
        inputs: &[u32],
        length: usize,
        tap: Tap,
        states: Option<Vec<Tensor>>,
    ) -> std::result::Result<(Tensor, Vec<Tensor>), ModelError> {
        self.check_ids("input id", inputs)?;
        if length == 0
            || length > self.config.sequence()
            || inputs.is_empty()
            || !inputs.len().is_multiple_of(length)
        {
            let expected = format!("1 to {}, and a whole number of sequences", self.config.sequence());
            return Err(ModelError::Mismatch { what: "sequence length", found: length, expected });
        }
        let mut pass = Pass {
            params: self.vars.iter().zip(self.layout.as_slice()),
            tap,
            rope: &self.rope,
            fused: self.fused,
            mask: self.mask.narrow(0, 0, length)?.narrow(1, 0, length)?,
            rows: inputs.len() / length,
            length,
            states,
        };
        let ids = Tensor::from_slice(inputs, inputs.len(), &self.device)?;
        let logits = self.config.forward(&mut pass, &ids)?;
        Ok((logits, pass.states.unwrap_or_default()))
    }

    fn check_ids(&self, what: &'static str, ids: &[u32]) -> std::result::Result<(), ModelError> {
        let vocabulary = self.config.vocabulary();
        match ids.iter().find(|&&id| id as usize >= vocabulary) {
            Some(&id) => {
                let expected = format!("0 to {}", vocabulary - 1);
                Err(ModelError::Mismatch { what, found: id as usize, expected })
            }
            None => Ok(()),
        }
    }
}
