//! Learning rates: linear warm-up, then constant or a cosine to zero (Loshchilov & Hutter 2017, arXiv 1608.03983).

/// What follows the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The full rate.
    Constant,
    /// ½(1 + cos π·s), s from 0 at the end of the warm-up to 1 at the last step's end.
    Cosine,
}

/// A learning rate by step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The full rate.
    pub rate: f64,
    /// Steps of warm-up: step t, from 0, has t/warmup of the rate, so the first moves nothing.
    pub warmup: u64,
    /// All steps, the warm-up among them. A constant rate does not look at it.
    pub steps: u64,
    /// After the warm-up.
    pub shape: Shape,
}

impl Schedule {
    /// Rate of `step`, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.rate * step as f64 / self.warmup as f64;
        }
        match self.shape {
            Shape::Constant => self.rate,
            Shape::Cosine => {
                let length = self.steps.saturating_sub(self.warmup).max(1) as f64;
                let share = ((step - self.warmup) as f64 / length).min(1.0);
                self.rate * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_in_a_line_and_falls_as_half_a_cosine() {
        let schedule = Schedule { rate: 2.0, warmup: 4, steps: 12, shape: Shape::Cosine };
        let expected = [
            (0, 0.0),
            (1, 0.5),
            (3, 1.5),
            (4, 2.0),
            (6, 1.0 + 0.5f64.sqrt()),
            (8, 1.0),
            (12, 0.0),
            (99, 0.0),
        ];
        for (step, rate) in expected {
            assert!((schedule.at(step) - rate).abs() < 1e-12, "{step}: {}", schedule.at(step));
        }
        let constant = Schedule { shape: Shape::Constant, ..schedule };
        assert_eq!((constant.at(2), constant.at(4), constant.at(1_000_000)), (1.0, 2.0, 2.0));
        assert_eq!(Schedule { warmup: 0, ..constant }.at(0), 2.0);
    }
}
