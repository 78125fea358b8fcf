//! The learning-rate schedule: linear warm-up, then constant.

use crate::config::OptimConfig;

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
    use crate::config::Preset;

    #[test]
    fn ten_steps_of_warm_up_start_at_zero() {
        let config = Preset::Paper.config("add", 0.5, 0).optim;
        let rates: Vec<f64> = [0, 1, 5, 9, 10, 11, 1_000_000].map(|s| learning_rate(&config, s)).to_vec();
        assert_eq!(rates, [0.0, 1e-4, 5e-4, 9e-4, 1e-3, 1e-3, 1e-3]);
        let none = OptimConfig { warmup_steps: 0, ..config };
        assert_eq!(learning_rate(&none, 0), 1e-3);
    }
}
