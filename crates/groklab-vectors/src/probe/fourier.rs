//! How sparse rows over residues are in the Fourier basis, by the Gini coefficient of the norms.

use std::f64::consts::TAU;

/// ‖Σ_x e^(−2πi k x/n) row_x‖ for k = 0 … ⌊n/2⌋, of `rows`, (n, width) row-major. Residues modulo p are n = p rows; the
/// code of GrokAlign (arXiv 2506.12284) transforms p + 1, that of the sign "=" included, which smears the peaks: pass
/// the one or the other, and say which.
pub fn fourier_norms(rows: &[f32], width: usize) -> Vec<f64> {
    let rows: Vec<&[f32]> = rows.chunks_exact(width.max(1)).collect();
    let n = rows.len();
    if n == 0 {
        return Vec::new();
    }
    let norm = |k: usize| {
        let mut sums = vec![[0.0; 2]; width];
        for (x, row) in rows.iter().enumerate() {
            // k·x mod n keeps the angle small and exact
            let (sin, cos) = (TAU * (k * x % n) as f64 / n as f64).sin_cos();
            for (sum, &v) in sums.iter_mut().zip(*row) {
                sum[0] += cos * f64::from(v);
                sum[1] += sin * f64::from(v);
            }
        }
        sums.iter().flatten().map(|s| s * s).sum::<f64>().sqrt()
    };
    (0..=n / 2).map(norm).collect()
}

/// Gini coefficient of values that are not negative, Σᵢⱼ |vᵢ − vⱼ| / (2 n Σ v) (Hurley & Rickard 2009); `None` if all
/// are 0 or there are none.
pub fn gini(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let total: f64 = sorted.iter().sum();
    let weighted: f64 = sorted.iter().enumerate().map(|(i, v)| (2.0 * i as f64 + 1.0 - n) * v).sum();
    let gini = weighted / (n * total);
    gini.is_finite().then_some(gini)
}
