//! Forward passes of an evaluation, and what is pooled over them.

use super::feed::Batch;
use crate::run::Failure;
use candle_core::{DType, Device, Tensor};
use groklab_probe::{Moments, Probe, Spectra, lar_from_norms, probe, square_sum};
use groklab_text::{
    Param,
    model::{AnyConfig, Architecture, Decoder},
};

/// Is shown the inputs of the unembedding, and the logits.
type Seen<'a> = &'a mut dyn FnMut(&[f32], &[f32]) -> Result<(), Failure>;

/// What was measured of the model as it stands.
#[derive(Debug)]
pub struct Measured {
    /// Mean loss over the training sequences of the pool, nats.
    pub pool_loss: f64,
    /// Mean loss over the held-out sequences, nats.
    pub val_loss: f64,
    /// The unembedding and its inputs over the pool; undefined where numbers are no longer finite.
    pub probe: Probe,
    /// The same, whole.
    pub spectra: Option<Spectra>,
    /// LAR over the held-out sequences.
    pub lar_val: f64,
    /// Root mean square of the unembedding's inputs over the pool.
    pub activation_rms: f64,
    /// ‖X Wᵀ‖² and ‖X‖² over the pool of each linear map, in the order of its name's list; empty if not asked for.
    pub energies: Vec<[f64; 2]>,
}

/// The model and its linear maps, the unembedding last.
pub struct Subject<'a> {
    /// With the parameters set.
    pub model: &'a Decoder<AnyConfig>,
    /// The same parameters.
    pub params: &'a [f32],
    /// Linear maps in the order in which the model shows their inputs.
    pub maps: &'a [(String, &'a Param)],
    /// Whether the energies of all maps are wanted.
    pub all_maps: bool,
}

impl Subject<'_> {
    /// Over the training sequences of `pool` and those held out.
    pub fn measure(&self, pool: &[Batch], held_out: &[Batch]) -> Result<Measured, Failure> {
        let config = self.model.config();
        let (m, n) = (config.vocabulary(), config.width());
        let mut energies = vec![[0.0; 2]; if self.all_maps { self.maps.len() } else { 0 }];
        let mut moments = Moments::new(n, m);
        let pool_loss = self.forward(pool, &mut energies, &mut |x, logits| Ok(moments.add(x, logits)?))?;
        let mut held_out_energies = [0.0; 2];
        let val_loss = self.forward(held_out, &mut [], &mut |x, logits| {
            held_out_energies[0] += square_sum(logits);
            held_out_energies[1] += square_sum(x);
            Ok(())
        })?;
        if let Some(last) = energies.last_mut() {
            *last = [moments.output_square_sum, moments.input_square_sum()];
        }
        let range = self.maps.last().map_or(0..0, |(_, param)| param.range.clone());
        let weights = &self.params[range];
        let is_finite = [pool_loss, val_loss, moments.input_square_sum(), moments.output_square_sum]
            .iter()
            .all(|v| v.is_finite())
            && self.params.iter().all(|p| p.is_finite());
        let probed = if is_finite { Some(probe(weights, m, n, &moments)?) } else { None };
        let [output, input] = held_out_energies;
        Ok(Measured {
            pool_loss,
            val_loss,
            probe: probed.as_ref().map_or(Probe::UNDEFINED, |(probe, _)| *probe),
            spectra: probed.map(|(_, spectra)| spectra),
            lar_val: lar_from_norms(output, square_sum(weights), input, n),
            activation_rms: (moments.input_square_sum() / (moments.rows as f64 * n as f64)).sqrt(),
            energies,
        })
    }

    /// Mean loss over `batches`. `seen` gets the inputs of the unembedding and the logits of each; `energies` is added to.
    fn forward(&self, batches: &[Batch], energies: &mut [[f64; 2]], seen: Seen) -> Result<f64, Failure> {
        let config = self.model.config();
        let (mut sum, mut count) = (0.0, 0);
        for (inputs, targets) in batches {
            let (mut at, mut last) = (0, None);
            let mut observe = |name: &str, x: &Tensor| {
                if at + 1 == self.maps.len() {
                    last = Some(x.detach());
                } else if let (Some(energy), Some(weight)) = (energies.get_mut(at), self.model.var(name)) {
                    let x = x.detach();
                    let outputs = x.matmul(&weight.as_detached_tensor().t()?)?;
                    energy[0] += square_sum(&host(&outputs)?);
                    energy[1] += square_sum(&host(&x)?);
                }
                at += 1;
                Ok(())
            };
            let logits = self.model.logits(inputs, config.sequence(), &mut observe)?.detach();
            let loss = f64::from(self.model.mean_loss(&logits, targets)?.to_scalar::<f32>()?);
            sum += loss * targets.len() as f64;
            count += targets.len();
            let x = last.ok_or("the model did not show the inputs of its unembedding")?;
            seen(&host(&x)?, &host(&logits)?)?;
        }
        Ok(sum / count as f64)
    }
}

/// Row-major on the host.
pub fn host(x: &Tensor) -> candle_core::Result<Vec<f32>> {
    x.flatten_all()?.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.to_vec1()
}
