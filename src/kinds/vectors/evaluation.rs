//! What an evaluation sees: both sides of the split, the last layer's alignment, and the dearer probes that are asked for.

use super::{
    TARGET,
    config::{Config, Diagnostic, Quantity, TargetConfig},
    train::Trainer,
};
use crate::{
    probe::{Moments, Probe, Spectra, probe, weight_norm},
    run::{Failure, Planned},
};
use groklab_vectors::{
    mlp::{Engine, Loss, Mlp, correct, directions},
    probe::{Alignment, JacobianStats, alignment, jacobian_stats, moved, neuron_cosines},
    samples::Samples,
};

/// Rows of a forward pass: their activations stay in L2.
pub(super) const BLOCK: usize = 256;
/// Widest inputs of a layer that is probed: its covariance is decomposed at every evaluation.
const MAX_PROBED: usize = 1024;

/// The numbers that columns are made of.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub train: Side,
    pub val: Side,
    /// Of the last layer.
    pub last: Probe,
    pub penalty: f64,
    pub jacobian: Option<JacobianStats>,
    pub neurons: Option<Neurons>,
    pub moved: f64,
    pub weight_norm: f64,
    alignments: Option<[Alignment; 2]>,
}

/// One side of the split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Side {
    pub loss: f64,
    pub accuracy: f64,
    pub zero_loss_share: f64,
}

impl Side {
    /// Whether these rows reach the target, if it is of them.
    pub fn reaches(&self, target: &TargetConfig) -> bool {
        match target.quantity {
            Quantity::None => false,
            Quantity::TrainAccuracy | Quantity::ValAccuracy => self.accuracy >= target.at,
            Quantity::TrainLoss => self.loss <= target.at,
        }
    }
}

/// Where the neurons of a network of two layers point; means of those for which it is defined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neurons {
    pub cosine: f64,
    pub angle: f64,
}

/// The inputs of each layer over the training rows; None where they are not probed.
pub(super) type Pooled = Vec<Option<Moments>>;

impl Seen {
    /// A mean over the training rows, side 0, or the validation rows, side 1; NaN where it was not asked for.
    pub fn alignment(&self, side: usize, of: fn(&Alignment) -> Option<f64>) -> f64 {
        self.alignments.as_ref().and_then(|sides| of(&sides[side])).unwrap_or(f64::NAN)
    }

    /// Whether all losses are finite.
    pub fn is_finite(&self) -> bool {
        self.train.loss.is_finite() && self.val.loss.is_finite()
    }
}

impl Trainer<'_> {
    /// Whether the target, which is looked at between evaluations, is reached for the first time.
    pub(super) fn reaches_target(&mut self) -> Result<bool, Failure> {
        let (config, epoch) = (&self.run.config, self.course.next_epoch);
        let target = &config.target;
        let is_looked_at = target.every > 0 && epoch.is_multiple_of(target.every);
        if !is_looked_at || self.run.cadence().is_due(epoch) || self.course.milestones.get(TARGET).is_some() {
            return Ok(false);
        }
        let samples = if target.quantity.is_of_train() { &self.train } else { &self.val };
        let side = side(&mut self.engine, &self.params, samples, config.model.loss(), &mut [])?;
        Ok(side.reaches(target))
    }

    /// Evaluates at the present parameters; the spectra are those of the last layer, where it has any. Changes nothing.
    pub(super) fn see(&mut self) -> Result<(Seen, Pooled, Option<Spectra>), Failure> {
        let config = &self.run.config;
        let loss = config.model.loss();
        let mut pooled = pools(config, &self.mlp);
        let train = side(&mut self.engine, &self.params, &self.train, loss, &mut pooled)?;
        let val = side(&mut self.engine, &self.params, &self.val, loss, &mut [])?;
        let last = self.mlp.layers() - 1;
        let probed = layer(&self.mlp, &self.params, last, pooled[last].as_ref())?;
        let (last, spectra) = probed.map_or((Probe::UNDEFINED, None), |(p, spectra)| (p, Some(spectra)));
        let seen = Seen {
            train,
            val,
            last,
            penalty: self.penalty()?,
            jacobian: self.jacobian()?,
            neurons: self.neurons()?,
            moved: moved(&self.mlp, &self.start, &self.params)?.unwrap_or(f64::NAN),
            weight_norm: weight_norm(&self.params),
            alignments: self.alignments()?,
        };
        Ok((seen, pooled, spectra))
    }

    /// R of the training rows, with the directions of the next step.
    fn penalty(&mut self) -> Result<f64, Failure> {
        let config = &self.run.config;
        if config.jacobian.strength == 0.0 && !config.asks(Diagnostic::Jacobian) {
            return Ok(f64::NAN);
        }
        let outputs = self.mlp.outputs();
        let mut v = vec![0.0; self.train.rows() * outputs];
        directions(config.seed, self.course.step + 1, outputs, &mut v);
        let mut sum = 0.0;
        for (x, v) in self.train.inputs().chunks(BLOCK * self.mlp.inputs()).zip(v.chunks(BLOCK * outputs)) {
            self.engine.forward(&self.params, x)?;
            sum += self.engine.mean_norm(&self.params, v)? * (v.len() / outputs) as f64;
        }
        Ok(sum / self.train.rows() as f64)
    }

    fn jacobian(&mut self) -> Result<Option<JacobianStats>, Failure> {
        let config = &self.run.config;
        if !config.asks(Diagnostic::Jacobian) {
            return Ok(None);
        }
        let (inputs, _) = first(&self.train, config.probe.jacobian_rows);
        Ok(Some(jacobian_stats(&mut self.engine, &self.params, inputs)?))
    }

    fn alignments(&mut self) -> Result<Option<[Alignment; 2]>, Failure> {
        let config = &self.run.config;
        if !config.asks(Diagnostic::Alignment) {
            return Ok(None);
        }
        let mut of = |samples: &Samples| {
            let (inputs, labels) = first(samples, config.probe.rows);
            alignment(&mut self.engine, &self.params, inputs, labels)
        };
        Ok(Some([of(&self.train)?, of(&self.val)?]))
    }

    fn neurons(&self) -> Result<Option<Neurons>, Failure> {
        if !self.run.config.asks(Diagnostic::Neurons) {
            return Ok(None);
        }
        let cosines = neuron_cosines(&self.mlp, &self.params, &self.train)?;
        let cosines: Vec<f64> = cosines.into_iter().flatten().collect();
        let mean = |of: fn(f64) -> f64| cosines.iter().map(|&c| of(c)).sum::<f64>() / cosines.len() as f64;
        // rounding may leave a cosine above 1
        Ok(Some(Neurons { cosine: mean(|c| c), angle: mean(|c| c.clamp(-1.0, 1.0).acos()) }))
    }
}

/// Inputs and labels of at most so many rows, from the first on.
pub(super) fn first(samples: &Samples, rows: usize) -> (&[f32], &[u32]) {
    let rows = rows.min(samples.rows());
    (&samples.inputs()[..rows * samples.width()], &samples.labels()[..rows])
}

/// Whether the inputs of layer `l` are few enough, and more than one.
pub(super) fn is_probed(mlp: &Mlp, l: usize) -> bool {
    (2..=MAX_PROBED).contains(&mlp.widths()[l])
}

/// Room for the inputs of the layers that are probed.
fn pools(config: &Config, mlp: &Mlp) -> Pooled {
    let is_wanted = |l: usize| l + 1 == mlp.layers() || config.asks(Diagnostic::Layers);
    let pool = |l: usize| (is_wanted(l) && is_probed(mlp, l)).then(|| Moments::new(mlp.widths()[l], 0));
    (0..mlp.layers()).map(pool).collect()
}

/// Loss and accuracy of all rows; pools what the layers read of them.
fn side(
    engine: &mut Engine,
    params: &[f32],
    samples: &Samples,
    loss: Loss,
    pooled: &mut [Option<Moments>],
) -> Result<Side, Failure> {
    let outputs = engine.mlp().outputs();
    let (mut sum, mut right, mut zeros) = (0.0, 0, 0);
    let mut losses = Vec::new();
    let blocks = samples.inputs().chunks(BLOCK * samples.width()).zip(samples.labels().chunks(BLOCK));
    for (block, (inputs, labels)) in blocks.enumerate() {
        // weights are packed once for all blocks
        let logits = match block {
            0 => engine.forward(params, inputs)?,
            _ => engine.forward_again(params, inputs)?,
        };
        right += correct(logits, outputs, labels);
        loss.of_rows(logits, outputs, labels, &mut losses)?;
        for row in &losses {
            sum += row;
            zeros += usize::from(*row as f32 == 0.0);
        }
        for (l, moments) in pooled.iter_mut().enumerate() {
            let x = if l == 0 { inputs } else { engine.activations(l - 1) };
            moments.as_mut().map_or(Ok(()), |moments| moments.add(x, &[]))?;
        }
    }
    let n = samples.rows() as f64;
    Ok(Side { loss: sum / n, accuracy: right as f64 / n, zero_loss_share: zeros as f64 / n })
}

/// The probe of layer `l`; None where it is not probed, or a number is not finite.
pub(super) fn layer(
    mlp: &Mlp,
    params: &[f32],
    l: usize,
    moments: Option<&Moments>,
) -> Result<Option<(Probe, Spectra)>, Failure> {
    let w = &params[mlp.weight(l)];
    let usable = |moments: &&Moments| {
        w.iter().all(|w| w.is_finite()) && moments.gram.iter().chain(&moments.sum).all(|v| v.is_finite())
    };
    let Some(moments) = moments.filter(usable) else { return Ok(None) };
    Ok(Some(probe(w, mlp.widths()[l + 1], mlp.widths()[l], moments)?))
}
