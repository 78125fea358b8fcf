//! Terms that pull at LAR and at what it is made of: LAR as a regulariser instead of a diagnostic.
//!
//! With X the inputs of the unembedding for the rows of a batch, (B, n), W the unembedding, (m, n), and p its squared
//! singular values over their sum, LAR = 1 + log_n( ‖X Wᵀ‖ / (‖X‖·‖W‖) ) (arXiv 2605.28975; `groklab_probe::lar_from_norms`).

use serde::{Deserialize, Serialize};

/// Loss − lar_strength·LAR − sigma_p_strength·(1 + ½ log_n Σ p²) + norm_strength·log_n ‖W‖, all norms Frobenius.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlignmentConfig {
    /// λ, of the batch's LAR; above 0 it is raised, below 0 lowered.
    pub lar_strength: f64,
    /// μ, of what LAR would be if the inputs had the spectrum of W: Σp² = n·σ_p² + 1/n, of W alone.
    pub sigma_p_strength: f64,
    /// ν, of the norm of W; above 0 it shrinks.
    pub norm_strength: f64,
    /// The first epoch with these terms, from 1.
    pub from_epoch: u64,
    /// The last epoch with them; 0: all that follow.
    pub to_epoch: u64,
}

/// The strengths of a step's terms, at least one of them not zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pull {
    /// λ
    pub lar: f64,
    /// μ
    pub sigma_p: f64,
    /// ν
    pub norm: f64,
}

impl Default for AlignmentConfig {
    fn default() -> Self {
        Self { lar_strength: 0.0, sigma_p_strength: 0.0, norm_strength: 0.0, from_epoch: 1, to_epoch: 0 }
    }
}

impl AlignmentConfig {
    /// Whether any epoch has a term.
    pub fn is_on(&self) -> bool {
        self.strengths().iter().any(|s| *s != 0.0)
    }

    /// λ, μ, ν.
    pub(super) fn strengths(&self) -> [f64; 3] {
        [self.lar_strength, self.sigma_p_strength, self.norm_strength]
    }

    /// The terms of `epoch`, from 1; none outside of the epochs that have them.
    pub fn pull(&self, epoch: u64) -> Option<Pull> {
        let is_within = epoch >= self.from_epoch && (self.to_epoch == 0 || epoch <= self.to_epoch);
        let [lar, sigma_p, norm] = self.strengths();
        (is_within && self.is_on()).then_some(Pull { lar, sigma_p, norm })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_there_from_one_epoch_to_another() {
        let of = |from_epoch, to_epoch| AlignmentConfig {
            lar_strength: -0.5,
            from_epoch,
            to_epoch,
            ..AlignmentConfig::default()
        };
        let epochs = |c: AlignmentConfig| (1..=6).filter(|&e| c.pull(e).is_some()).collect::<Vec<_>>();
        assert_eq!(epochs(of(1, 0)), [1, 2, 3, 4, 5, 6]);
        assert_eq!(epochs(of(3, 5)), [3, 4, 5]);
        assert_eq!(epochs(of(5, 0)), [5, 6]);
        assert!(epochs(AlignmentConfig::default()).is_empty());
        assert_eq!(of(1, 0).pull(1), Some(Pull { lar: -0.5, sigma_p: 0.0, norm: 0.0 }));
    }
}
