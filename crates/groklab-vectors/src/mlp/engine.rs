//! Forward and backward passes of a [`Mlp`], written out over products that are packed once a step.

use super::{Loss, Mlp, ModelError, Penalty, error::check_length, penalty::FLOOR};
use groklab_kernels::{Finish, InstructionSet, Matrix, MatrixMut, Packed, multiply, multiply_once};

/// What a batch costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// Mean loss, without the penalty.
    pub loss: f64,
    /// R of the batch, before λ and the level; `None` if it was not asked for.
    pub mean_norm: Option<f64>,
}

/// A network's passes and their room, which grows to the largest batch seen; from then on nothing is allocated.
#[derive(Clone, Debug)]
pub struct Engine {
    mlp: Mlp,
    room: usize,
    /// Rows of the last forward pass.
    rows: usize,
    /// Outputs of each layer, (rows, widths[l + 1]): after ReLU, the last ones times c.
    outputs: Vec<Vec<f32>>,
    /// Cotangents of each layer's inputs before its ReLU, (rows, widths[l]); those of the outputs last.
    cotangents: Vec<Vec<f32>>,
    /// Tangents of a layer's inputs and of the next one's, (rows, widest).
    tangents: [Vec<f32>; 2],
    kernels: Kernels,
}

/// Right factors and the packing room of left ones.
#[derive(Clone, Debug)]
struct Kernels {
    /// W_lᵀ, (in, out).
    forward: Vec<Packed>,
    /// W_l, (out, in), once a backward pass has asked for it.
    backward: Vec<Packed>,
    backward_is_packed: bool,
    /// Inputs of a layer, for its weight gradient.
    inputs: Packed,
}

impl Engine {
    /// For `mlp`, with the best instruction set of this processor.
    pub fn new(mlp: &Mlp) -> Self {
        let room = || Packed::new(InstructionSet::best());
        let layers = mlp.layers();
        let kernels = Kernels {
            forward: (0..layers).map(|_| room()).collect(),
            backward: (0..layers).map(|_| room()).collect(),
            backward_is_packed: false,
            inputs: room(),
        };
        Self {
            mlp: mlp.clone(),
            room: 0,
            rows: 0,
            outputs: vec![Vec::new(); layers],
            cotangents: vec![Vec::new(); layers + 1],
            tangents: [Vec::new(), Vec::new()],
            kernels,
        }
    }

    /// The network.
    pub fn mlp(&self) -> &Mlp {
        &self.mlp
    }

    fn make_room(&mut self, rows: usize) {
        if rows > self.room {
            let widths = self.mlp.widths();
            let widest = widths.iter().max().copied().unwrap_or(0);
            self.outputs.iter_mut().zip(&widths[1..]).for_each(|(v, w)| v.resize(rows * w, 0.0));
            self.cotangents.iter_mut().zip(widths).for_each(|(v, w)| v.resize(rows * w, 0.0));
            self.tangents.iter_mut().for_each(|v| v.resize(rows * widest, 0.0));
            self.room = rows;
        }
    }

    /// Outputs f(x), (rows, C), of `inputs`, (rows, d), at `params`, in the network's layout.
    ///
    /// # Errors
    /// [`ModelError::Length`] if a buffer does not fit.
    pub fn forward(&mut self, params: &[f32], inputs: &[f32]) -> Result<&[f32], ModelError> {
        check_length("parameters", params.len(), self.mlp.parameters())?;
        for (l, packed) in self.kernels.forward.iter_mut().enumerate() {
            let shape = [self.mlp.widths()[l + 1], self.mlp.widths()[l]];
            packed.pack(Matrix::new(&params[self.mlp.weight(l)], shape)?.transposed());
        }
        self.kernels.backward_is_packed = false;
        self.forward_again(params, inputs)
    }

    /// The same for other inputs at the parameters of the last [`forward`](Self::forward), which `params` must still be: its
    /// packed weights are used again.
    ///
    /// # Errors
    /// [`ModelError::Length`] if a buffer does not fit.
    pub fn forward_again(&mut self, params: &[f32], inputs: &[f32]) -> Result<&[f32], ModelError> {
        check_length("parameters", params.len(), self.mlp.parameters())?;
        let rows = inputs.len() / self.mlp.inputs();
        check_length("inputs", inputs.len(), rows * self.mlp.inputs())?;
        self.make_room(rows);
        self.rows = rows;
        let layers = self.mlp.layers();
        for l in 0..layers {
            let (width, next) = (self.mlp.widths()[l], self.mlp.widths()[l + 1]);
            let (before, after) = self.outputs.split_at_mut(l);
            let from = before.last().map_or(inputs, |v| &v[..rows * width]);
            let packed = &self.kernels.forward[l];
            let row = self.mlp.bias(l).map(|range| &params[range]);
            let finish = Finish { row, relu: l + 1 < layers, ..Finish::default() };
            let to = MatrixMut::new(&mut after[0][..rows * next], [rows, next])?;
            multiply(to, Matrix::new(from, [rows, width])?, packed, &finish)?;
        }
        let c = self.mlp.output_scale();
        let logits = &mut self.outputs[layers - 1][..rows * self.mlp.outputs()];
        if c != 1.0 {
            logits.iter_mut().for_each(|f| *f *= c);
        }
        Ok(logits)
    }

    /// The outputs of the last forward pass, (rows, C).
    pub fn logits(&self) -> &[f32] {
        &self.outputs[self.mlp.layers() - 1][..self.rows * self.mlp.outputs()]
    }

    /// The outputs of layer `l`, from 0, after its ReLU, of the last forward pass, (rows, widths[l + 1]): the inputs of
    /// layer l + 1. Those of the last layer are [`logits`](Self::logits).
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn activations(&self, l: usize) -> &[f32] {
        &self.outputs[l][..self.rows * self.mlp.widths()[l + 1]]
    }

    /// R = mean_i √max(C‖v_iᵀJ(x_i)‖², 1e-8), what a [`Penalty`] makes small, at the last forward pass; as
    /// [`pull_back`](Self::pull_back).
    ///
    /// # Errors
    /// [`ModelError::Length`] if a buffer does not fit.
    pub fn mean_norm(&mut self, params: &[f32], v: &[f32]) -> Result<f64, ModelError> {
        let (rows, width, outputs) = (self.rows, self.mlp.inputs(), self.mlp.outputs());
        let pulled = self.pull_back(params, v)?.chunks_exact(width);
        Ok(pulled.map(|g| square(g, outputs).max(FLOOR).sqrt()).sum::<f64>() / rows as f64)
    }

    /// vᵀJ(x), (rows, d), one `v`, (rows, C), a row, at the inputs and parameters of the last forward pass, which `params`
    /// must still be.
    ///
    /// # Errors
    /// [`ModelError::Length`] if a buffer does not fit.
    pub fn pull_back(&mut self, params: &[f32], v: &[f32]) -> Result<&[f32], ModelError> {
        check_length("parameters", params.len(), self.mlp.parameters())?;
        check_length("cotangents", v.len(), self.rows * self.mlp.outputs())?;
        self.seed_cotangents(v);
        for l in (0..self.mlp.layers()).rev() {
            self.back(params, l)?;
        }
        Ok(&self.cotangents[0][..self.rows * self.mlp.inputs()])
    }

    /// Cotangents of the outputs before their scale.
    fn seed_cotangents(&mut self, v: &[f32]) {
        let c = self.mlp.output_scale();
        self.cotangents[self.mlp.layers()][..v.len()].iter_mut().zip(v).for_each(|(g, v)| *g = c * v);
    }

    /// Cotangents through layer l and the ReLU before it.
    fn back(&mut self, params: &[f32], l: usize) -> Result<(), ModelError> {
        let (rows, width, next) = (self.rows, self.mlp.widths()[l], self.mlp.widths()[l + 1]);
        if !self.kernels.backward_is_packed {
            for (l, packed) in self.kernels.backward.iter_mut().enumerate() {
                let shape = [self.mlp.widths()[l + 1], self.mlp.widths()[l]];
                packed.pack(Matrix::new(&params[self.mlp.weight(l)], shape)?);
            }
            self.kernels.backward_is_packed = true;
        }
        let gate = match l.checked_sub(1) {
            Some(l) => Some(Matrix::new(&self.outputs[l][..rows * width], [rows, width])?),
            None => None,
        };
        let (to, from) = self.cotangents.split_at_mut(l + 1);
        let to = MatrixMut::new(&mut to[l][..rows * width], [rows, width])?;
        let from = Matrix::new(&from[0][..rows * next], [rows, next])?;
        let finish = Finish { gate, ..Finish::default() };
        Ok(multiply(to, from, &self.kernels.backward[l], &finish)?)
    }

    /// Loss of a batch and the gradient of loss + penalty by the parameters, into `grads`.
    ///
    /// `inputs` are (rows, d), `labels` (rows); `penalty` comes with its directions v, (rows, C), see
    /// [`directions`](super::directions).
    ///
    /// # Errors
    /// [`ModelError`] if a buffer, a label, the loss or the penalty does not fit.
    pub fn gradient(
        &mut self,
        params: &[f32],
        inputs: &[f32],
        labels: &[u32],
        loss: Loss,
        penalty: Option<(&Penalty, &[f32])>,
        grads: &mut [f32],
    ) -> Result<Value, ModelError> {
        check_length("gradient", grads.len(), self.mlp.parameters())?;
        check_length("inputs", inputs.len(), labels.len() * self.mlp.inputs())?;
        self.forward(params, inputs)?;
        let layers = self.mlp.layers();
        let size = self.rows * self.mlp.outputs();
        let last = &mut self.cotangents[layers][..size];
        let loss = loss.gradient(&self.outputs[layers - 1][..size], self.mlp.outputs(), labels, last)?;
        let c = self.mlp.output_scale();
        last.iter_mut().for_each(|g| *g *= c);
        for l in (0..layers).rev() {
            let width = self.mlp.widths()[l];
            let from = match l.checked_sub(1) {
                Some(l) => &self.outputs[l][..self.rows * width],
                None => inputs,
            };
            let delta = &self.cotangents[l + 1];
            weight_gradient(&mut self.kernels, &self.mlp, l, (delta, from), self.rows, false, grads)?;
            if let Some(range) = self.mlp.bias(l) {
                let sums = &mut grads[range];
                sums.fill(0.0);
                for row in delta[..self.rows * sums.len()].chunks_exact(sums.len()) {
                    sums.iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
                }
            }
            if l > 0 {
                self.back(params, l)?;
            }
        }
        let mean_norm = match penalty {
            Some((penalty, v)) => Some(self.add_penalty(params, penalty, v, grads)?),
            None => None,
        };
        Ok(Value { loss, mean_norm })
    }

    /// Adds the penalty's gradient at the last forward pass; returns R.
    fn add_penalty(
        &mut self,
        params: &[f32],
        penalty: &Penalty,
        v: &[f32],
        grads: &mut [f32],
    ) -> Result<f64, ModelError> {
        penalty.check()?;
        let mean_norm = self.mean_norm(params, v)?;
        let slope = penalty.slope(mean_norm);
        if slope == 0.0 {
            return Ok(mean_norm);
        }
        let (rows, width, outputs) = (self.rows, self.mlp.inputs(), self.mlp.outputs());
        let pulled = self.cotangents[0][..rows * width].chunks_exact(width);
        for (g, t) in pulled.zip(self.tangents[0].chunks_exact_mut(width)) {
            let square = square(g, outputs);
            let scale =
                if square > FLOOR { slope * outputs as f64 / square.sqrt() / rows as f64 } else { 0.0 };
            t.iter_mut().zip(g).for_each(|(t, g)| *t = (f64::from(*g) * scale) as f32);
        }
        for l in 0..self.mlp.layers() {
            let (width, next) = (self.mlp.widths()[l], self.mlp.widths()[l + 1]);
            let [from, to] = &mut self.tangents;
            let factors = (&self.cotangents[l + 1][..], &from[..rows * width]);
            weight_gradient(&mut self.kernels, &self.mlp, l, factors, rows, true, grads)?;
            if l + 1 < self.mlp.layers() {
                let gate = Some(Matrix::new(&self.outputs[l][..rows * next], [rows, next])?);
                let finish = Finish { gate, ..Finish::default() };
                let to = MatrixMut::new(&mut to[..rows * next], [rows, next])?;
                let from = Matrix::new(&from[..rows * width], [rows, width])?;
                multiply(to, from, &self.kernels.forward[l], &finish)?;
                self.tangents.swap(0, 1);
            }
        }
        Ok(mean_norm)
    }
}

/// C‖g‖².
fn square(g: &[f32], outputs: usize) -> f64 {
    outputs as f64 * g.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>()
}

/// Δᵀ·X, (out, in), into the gradient of W_{l+1}, or added to it.
fn weight_gradient(
    kernels: &mut Kernels,
    mlp: &Mlp,
    l: usize,
    (delta, inputs): (&[f32], &[f32]),
    rows: usize,
    keep: bool,
    grads: &mut [f32],
) -> Result<(), ModelError> {
    let (width, next) = (mlp.widths()[l], mlp.widths()[l + 1]);
    let inputs = Matrix::new(inputs, [rows, width])?;
    let delta = Matrix::new(&delta[..rows * next], [rows, next])?.transposed();
    let to = MatrixMut::new(&mut grads[mlp.weight(l)], [next, width])?;
    let finish = Finish { keep, ..Finish::default() };
    Ok(multiply_once(to, delta, inputs, &finish, &mut kernels.inputs)?)
}
