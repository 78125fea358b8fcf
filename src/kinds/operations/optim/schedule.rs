//! The learning-rate schedule: linear warm-up, then constant.

use crate::kinds::operations::config::OptimConfig;

/// min(1, step/warmup_steps)·learning_rate, steps counted from 0. With a warm-up the first step has rate 0.
pub fn learning_rate(config: &OptimConfig, step: u64) -> f64 {
    if step >= config.warmup_steps {
        return config.learning_rate;
    }
    config.learning_rate * step as f64 / config.warmup_steps as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::operations::config::Preset;

    #[test]
    fn ten_steps_of_warm_up_start_at_zero() {
        let config = Preset::Paper.config("add", 0.5, 0).optim;
        let expected = [(0, 0.0), (1, 1e-4), (5, 5e-4), (9, 9e-4), (10, 1e-3), (11, 1e-3), (1_000_000, 1e-3)];
        for (step, rate) in expected {
            let difference = (learning_rate(&config, step) - rate).abs();
            assert!(difference <= f64::EPSILON * rate, "step {step}: off by {difference}");
        }
        let none = OptimConfig { warmup_steps: 0, ..config };
        assert_eq!(learning_rate(&none, 0), 1e-3);
    }
}
