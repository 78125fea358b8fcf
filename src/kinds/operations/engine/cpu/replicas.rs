//! For tests: replicas that the factored engine computes one after the other. A run on them gives the bits of a run alone.

use super::FactoredEngine;
use crate::{
    kinds::operations::config::{OptimConfig, Preset},
    kinds::operations::engine::{
        Engine, EngineError, Evaluated, ReplicaEpoch, ReplicaState, Replicas, Shape,
    },
    kinds::operations::model::ParamLayout,
    kinds::operations::optim::AdamW,
    kinds::operations::task::Equation,
};

/// A device without a device.
pub(crate) struct CpuReplicas {
    engine: FactoredEngine,
    shape: Shape,
    layout: ParamLayout,
    slots: Vec<Option<Slot>>,
    grads: Vec<f32>,
    /// Computes an epoch when it is started, not when it is finished: the one seems slow to the host, the other quick.
    is_eager: bool,
    on_the_way: Option<OnTheWay>,
}

enum OnTheWay {
    Epochs(Vec<ReplicaEpoch>),
    Losses(Vec<Vec<f32>>),
}

struct Slot {
    params: Vec<f32>,
    adamw: AdamW,
    train: Vec<Equation>,
    val: Vec<Equation>,
}

impl CpuReplicas {
    pub(crate) fn new(shape: &Shape, slots: usize, is_eager: bool) -> Result<Self, EngineError> {
        let layout = ParamLayout::new(&shape.model, shape.n_symbols);
        Ok(Self {
            engine: FactoredEngine::new(&shape.model, shape.n_symbols)?,
            shape: shape.clone(),
            grads: vec![0.0; layout.len()],
            layout,
            slots: (0..slots).map(|_| None).collect(),
            is_eager,
            on_the_way: None,
        })
    }

    fn slot(&mut self, slot: usize) -> &mut Slot {
        assert!(self.on_the_way.is_none(), "an epoch is on the way");
        self.slots[slot].as_mut().expect("loaded")
    }

    fn compute(&mut self, epochs: &[ReplicaEpoch]) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut all = Vec::new();
        for ReplicaEpoch { slot, steps } in epochs {
            let Slot { params, adamw, .. } = self.slots[*slot].as_mut().expect("loaded");
            let mut losses = Vec::new();
            assert!(!steps.is_empty(), "an epoch without steps");
            for step in steps {
                assert!(step.batch.len() <= self.shape.batch_size);
                let loss = self.engine.pulled(params, &step.batch, step.pull, &mut self.grads)?;
                losses.push(loss);
                if !loss.is_finite() {
                    break;
                }
                adamw.update(&step.update, params, &self.grads);
            }
            all.push(losses);
        }
        Ok(all)
    }
}

impl Replicas for CpuReplicas {
    fn slots(&self) -> usize {
        self.slots.len()
    }

    fn describe(&self) -> String {
        "replicas (cpu)".to_owned()
    }

    fn load(&mut self, slot: usize, state: &ReplicaState<'_>) -> Result<(), EngineError> {
        assert!(self.on_the_way.is_none(), "an epoch is on the way");
        // of the config only what is decayed counts here: the numbers come with the steps
        let config = Preset::Paper.config("", 0.5, 0).optim;
        let mut adamw = AdamW::new(&OptimConfig { decay: self.shape.decay, ..config }, &self.layout);
        (adamw.m, adamw.v) = (state.m.to_vec(), state.v.to_vec());
        let (train, val) = (state.train.to_vec(), state.val.to_vec());
        self.slots[slot] = Some(Slot { params: state.params.to_vec(), adamw, train, val });
        Ok(())
    }

    fn start_epoch(&mut self, epochs: &[ReplicaEpoch]) -> Result<(), EngineError> {
        assert!(self.on_the_way.is_none(), "an epoch is on the way");
        self.on_the_way = Some(match self.is_eager {
            true => OnTheWay::Losses(self.compute(epochs)?),
            false => OnTheWay::Epochs(epochs.to_vec()),
        });
        Ok(())
    }

    fn finish_epoch(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        match self.on_the_way.take().expect("an epoch was started") {
            OnTheWay::Losses(losses) => Ok(losses),
            OnTheWay::Epochs(epochs) => self.compute(&epochs),
        }
    }

    fn evaluate(&mut self, slots: &[usize]) -> Result<Vec<Evaluated>, EngineError> {
        let (n, m) = (self.shape.model.d_model, self.shape.n_symbols);
        let of_slot = |&slot: &usize| {
            self.slot(slot);
            let Slot { params, train, val, .. } = self.slots[slot].as_ref().expect("loaded");
            Evaluated::by(&mut self.engine, params, [train.as_slice(), val], (m, n))
        };
        slots.iter().map(of_slot).collect()
    }

    fn read_params(&mut self, slot: usize, params: &mut [f32]) -> Result<(), EngineError> {
        params.copy_from_slice(&self.slot(slot).params);
        Ok(())
    }

    fn read_moments(&mut self, slot: usize, m: &mut [f32], v: &mut [f32]) -> Result<(), EngineError> {
        let Slot { adamw, .. } = self.slot(slot);
        m.copy_from_slice(&adamw.m);
        v.copy_from_slice(&adamw.v);
        Ok(())
    }
}
