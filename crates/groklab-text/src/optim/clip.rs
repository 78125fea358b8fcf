//! Clipping of gradients by their global norm (Pascanu et al. 2013, arXiv 1211.5063).

/// g ← g·min(1, most/‖g‖₂) over all gradients together; gives ‖g‖₂ before, summed in f64.
///
/// A norm that is not finite is given back as it is and nothing is scaled: the caller decides.
pub fn clip_global_norm(grads: &mut [f32], most: f64) -> f64 {
    let norm = grads.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
    if norm.is_finite() && norm > most {
        let scale = most / norm;
        grads.iter_mut().for_each(|g| *g = (f64::from(*g) * scale) as f32);
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_gradients_get_the_norm_and_shorter_ones_stay() {
        let mut grads = [3.0, 0.0, -4.0];
        assert_eq!(clip_global_norm(&mut grads, 5.0), 5.0);
        assert_eq!(grads, [3.0, 0.0, -4.0]);
        assert_eq!(clip_global_norm(&mut grads, 1.0), 5.0);
        assert_eq!(grads, [0.6, 0.0, -0.8]);
        let mut diverged = [f32::INFINITY, 1.0];
        assert!(clip_global_norm(&mut diverged, 1.0).is_infinite() && diverged[1] == 1.0);
    }
}
