//! One quantity against the epoch, over the seeds of a group.

use std::collections::BTreeMap;

/// The runs alive at one epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// Completed epochs.
    pub epoch: u64,
    /// Runs behind it: those evaluated at this epoch whose value is finite.
    pub runs: usize,
    /// Mean over them.
    pub mean: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
}

/// Mean, least and greatest value at every epoch, or step, of all runs together, epochs increasing; what is not finite is
/// left out.
///
/// Runs end at different epochs, so the mean can step where one of them leaves.
pub fn mean_curve(values: impl IntoIterator<Item = (u64, f64)>) -> Vec<CurvePoint> {
    let mut points: BTreeMap<u64, CurvePoint> = BTreeMap::new();
    for (epoch, value) in values.into_iter().filter(|(_, value)| value.is_finite()) {
        let point =
            points.entry(epoch).or_insert(CurvePoint { epoch, runs: 0, mean: 0.0, min: value, max: value });
        point.runs += 1;
        // running mean
        point.mean += (value - point.mean) / point.runs as f64;
        point.min = point.min.min(value);
        point.max = point.max.max(value);
    }
    points.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_what_is_finite() {
        let values = [(1, 2.0), (0, 1.0), (1, 4.0), (1, f64::NAN), (1, 9.0)];
        let [first, second] = mean_curve(values)[..] else { panic!("two epochs") };
        assert_eq!((first.epoch, first.runs, first.mean), (0, 1, 1.0));
        assert_eq!((second.epoch, second.runs, second.mean, second.min, second.max), (1, 3, 5.0, 2.0, 9.0));
    }
}
