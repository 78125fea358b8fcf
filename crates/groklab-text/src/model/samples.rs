//! Gradients of each sample's own loss, of any parameter of any model.
//!
//! Two ways, equal to rounding. [`sample_gradients`] takes one backward pass a sample: for every parameter, the embedding and
//! a head tied to it as well. [`sample_factors`] takes one backward pass for all: sequences do not meet in a forward pass, so
//! that behind a linear map the gradient of Σ_s loss_s splits by sample; what it gives multiplies out to the gradients of that
//! map alone.

use super::{Architecture, Decoder, ModelError};
use candle_core::{DType, Device, Result, Tensor, Var};

/// Flattened gradients of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleGradients {
    /// Of the parameter.
    pub name: String,
    /// (N, P) row-major: a sample a row. 0 where nothing reaches the parameter.
    pub stack: Vec<f64>,
    /// N.
    pub samples: usize,
    /// P.
    pub parameters: usize,
}

/// What makes up the gradients of one linear map: of sample s, Σ_t δ_st x_stᵀ.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// Of its weight.
    pub name: String,
    /// (outputs b, inputs a).
    pub shape: [usize; 2],
    /// x_st, (N·T, a) row-major.
    pub inputs: Vec<f64>,
    /// δ_st, the gradient of the mean loss of sample s by the map's outputs, (N·T, b) row-major.
    pub output_gradients: Vec<f64>,
    /// N.
    pub samples: usize,
    /// T.
    pub positions: usize,
}

/// Gradients of the mean loss of each sequence, by the parameters of these names; one backward pass a sequence. `inputs` and
/// `targets` are (N, T) ids.
///
/// # Errors
/// If ids do not fit the model, or it has no such parameter.
pub fn sample_gradients<A: Architecture>(
    model: &Decoder<A>,
    inputs: &[u32],
    targets: &[u32],
    length: usize,
    names: &[&str],
) -> std::result::Result<Vec<SampleGradients>, ModelError> {
    let vars = names
        .iter()
        .map(|&name| model.var(name).ok_or_else(|| missing(name, "the model has no such parameter")))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    check_rows(model, inputs, targets, length)?;
    let samples = inputs.len() / length;
    let mut found: Vec<_> = names
        .iter()
        .zip(&vars)
        .map(|(&name, var)| {
            let parameters = var.elem_count();
            let stack = Vec::with_capacity(samples * parameters);
            SampleGradients { name: name.into(), stack, samples, parameters }
        })
        .collect();
    for (inputs, targets) in inputs.chunks_exact(length).zip(targets.chunks_exact(length)) {
        let loss = model.loss(inputs, targets, length, &mut |_, _| Ok(()))?;
        let store = loss.backward()?;
        for (gradients, var) in found.iter_mut().zip(&vars) {
            let gradient =
                store.get(var).ok_or_else(|| ModelError::NoGradient { name: gradients.name.clone() })?;
            gradients.stack.extend(host(gradient)?);
        }
    }
    Ok(found)
}

/// Inputs and output gradients of the linear maps of these names, in the order in which the model computes them; one forward
/// and one backward pass.
///
/// # Errors
/// If ids do not fit the model, or a name is not that of a linear map with a weight of its own: the gradient of a tied
/// embedding is more than that of the head, see [`sample_gradients`].
pub fn sample_factors<A: Architecture>(
    model: &Decoder<A>,
    inputs: &[u32],
    targets: &[u32],
    length: usize,
    names: &[&str],
) -> std::result::Result<Vec<Factors>, ModelError> {
    check_rows(model, inputs, targets, length)?;
    let samples = inputs.len() / length;
    let mut taps: Vec<(String, Tensor, Var)> = Vec::new();
    let mut tap = |name: &str, x: &Tensor, y: Tensor| -> Result<Tensor> {
        if !names.contains(&name) {
            return Ok(y);
        }
        // the gradient of a zero that is added is that of the sum
        let zero = Var::zeros(y.shape(), y.dtype(), y.device())?;
        let sum = (y + zero.as_tensor())?;
        taps.push((name.into(), x.detach(), zero));
        Ok(sum)
    };
    let loss = model.tapped_loss(inputs, targets, length, &mut tap)?;
    let linear = "no linear map with a weight of its own has that name";
    for &name in names {
        let is_tied = name == "embed.weight";
        if is_tied || !taps.iter().any(|(tapped, ..)| tapped == name) {
            return Err(missing(name, linear));
        }
    }
    let store = loss.backward()?;
    let mut found = Vec::with_capacity(taps.len());
    for (name, x, zero) in taps {
        let delta = store.get(&zero).ok_or_else(|| ModelError::NoGradient { name: name.clone() })?;
        let shape = [zero.dim(1)?, x.dim(1)?];
        // the loss is the mean over all samples
        let output_gradients = host(delta)?.into_iter().map(|v| v * samples as f64).collect();
        found.push(Factors { name, shape, inputs: host(&x)?, output_gradients, samples, positions: length });
    }
    Ok(found)
}

fn check_rows<A: Architecture>(
    model: &Decoder<A>,
    inputs: &[u32],
    targets: &[u32],
    length: usize,
) -> std::result::Result<(), ModelError> {
    let most = model.config().sequence();
    if !(1..=most).contains(&length) || inputs.is_empty() || !inputs.len().is_multiple_of(length) {
        let expected = format!("1 to {most}, and a whole number of sequences");
        return Err(ModelError::Mismatch { what: "sequence length", found: length, expected });
    }
    if targets.len() != inputs.len() {
        let expected = inputs.len().to_string();
        return Err(ModelError::Mismatch { what: "number of targets", found: targets.len(), expected });
    }
    Ok(())
}

fn missing(name: &str, expected: &'static str) -> ModelError {
    ModelError::NoSuchMap { name: name.into(), expected }
}

fn host(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.detach().flatten_all()?.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec1()
}
