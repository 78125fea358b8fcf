//! Where a step spends its time; costs a branch a stage unless switched on.

use std::time::Instant;

/// A kind of work in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Index, embedding look-ups and their gradient, residual gathers and scatters, transposed weights.
    Gather,
    /// LayerNorm, forward and backward.
    Norms,
    /// Scores, softmax, mixing, and their gradient.
    Attention,
    /// Matrix products.
    Products,
    /// The non-linearity and the product with its derivative.
    Activation,
    /// Cross-entropy and its gradient.
    Loss,
}

impl Stage {
    /// All stages, in the order of [`StageTimes::seconds`].
    pub const ALL: [Self; 6] =
        [Self::Gather, Self::Norms, Self::Attention, Self::Products, Self::Activation, Self::Loss];
}

/// Seconds by stage, added up since they were switched on.
#[derive(Clone, Debug, Default)]
pub struct StageTimes {
    last: Option<Instant>,
    seconds: [f64; Stage::ALL.len()],
}

impl StageTimes {
    /// Starts from zero.
    pub fn switch_on(&mut self) {
        *self = Self { last: Some(Instant::now()), ..Self::default() };
    }

    /// Seconds spent in a stage.
    pub fn seconds(&self, stage: Stage) -> f64 {
        self.seconds[stage as usize]
    }

    /// Forgets the time since the last mark: it was spent elsewhere.
    pub(super) fn skip(&mut self) {
        if self.last.is_some() {
            self.last = Some(Instant::now());
        }
    }

    /// Books the time since the last mark on `stage`.
    pub(super) fn mark(&mut self, stage: Stage) {
        if let Some(last) = self.last {
            let now = Instant::now();
            self.seconds[stage as usize] += (now - last).as_secs_f64();
            self.last = Some(now);
        }
    }
}
