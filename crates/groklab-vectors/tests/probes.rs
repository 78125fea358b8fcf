//! Probes against networks whose answers are known in closed form.
#![allow(missing_docs, clippy::unwrap_used)]

use groklab_vectors::{
    mlp::{Engine, Init, Loss, Mlp},
    probe::{
        accuracy, alignment, fourier_norms, gini, jacobian_stats, moved, neuron_cosines, noisy_accuracy,
        pgd_accuracy,
    },
    samples::{Samples, digits},
};

fn close(found: f64, wanted: f64) {
    assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
}

/// A linear network: J is its matrix at every x.
#[test]
fn of_a_linear_map_everything_is_known() {
    let mlp = Mlp::new(&[3, 2], false, 2.0).unwrap();
    let mut engine = Engine::new(&mlp);
    let params = [3.0, 0.0, 0.0, 0.0, 4.0, 0.0]; // J = diag(6, 8), a third input unseen
    let x = [1.0, 2.0, 2.0];
    let stats = jacobian_stats(&mut engine, &params, &x).unwrap();
    close(stats.norm, 10.0);
    close(stats.first_share.unwrap(), 0.64);
    close(stats.first_alignment.unwrap(), 2.0 / 3.0);
    let found = alignment(&mut engine, &params, &x, &[1]).unwrap();
    close(found.centroid_norm, 10.0);
    close(found.logit_sum, 22.0);
    close(found.centroid.unwrap(), 22.0 / 30.0);
    // half of (−6, 8, 0)
    close(found.class.unwrap(), 10.0 / 30.0);
    assert_eq!(alignment(&mut engine, &params, &[0.0; 3], &[1]).unwrap().centroid, None);
    assert_eq!(jacobian_stats(&mut engine, &[0.0; 6], &x).unwrap().first_share, None);
    assert!(
        alignment(&mut engine, &params, &x, &[2]).is_err()
            && jacobian_stats(&mut engine, &params, &[]).is_err()
    );
}

/// One output: the sign of y counts.
#[test]
fn with_one_output_the_class_alignment_is_y_times_the_cosine() {
    let mlp = Mlp::new(&[2, 1], false, 1.0).unwrap();
    let mut engine = Engine::new(&mlp);
    let inputs = [3.0, 4.0, -3.0, -4.0];
    let found = alignment(&mut engine, &[1.0, 0.0], &inputs, &[1, 0]).unwrap();
    close(found.class.unwrap(), 0.6);
    close(found.centroid.unwrap(), 0.0);
}

/// The Gram matrix's first pair in a net with many outputs: no other unit vector is stretched more, and Jᵀ of it is.
#[test]
fn the_first_singular_value_is_the_largest_stretch() {
    let mlp = Mlp::new(&[64, 20, 10], true, 1.0).unwrap();
    let params = Init::Uniform { scale: 4.0 }.draw(&mlp, 1).unwrap();
    let mut engine = Engine::new(&mlp);
    let row = digits().unwrap().row(3).to_vec();
    let stats = jacobian_stats(&mut engine, &params, &row).unwrap();
    // power iteration on J Jᵀ, J row by row
    engine.forward(&params, &row).unwrap();
    let jacobian: Vec<Vec<f64>> = (0..10)
        .map(|c| {
            let mut v = [0.0; 10];
            v[c] = 1.0;
            engine.pull_back(&params, &v).unwrap().iter().map(|&g| g.into()).collect()
        })
        .collect();
    let energy: f64 = jacobian.iter().flatten().map(|g| g * g).sum();
    let (mut u, mut square) = (vec![1.0; 10], 0.0);
    let mut right = vec![0.0; 64];
    for _ in 0..20_000 {
        right = (0..64).map(|j| (0..10).map(|c| u[c] * jacobian[c][j]).sum()).collect();
        u = jacobian.iter().map(|row| row.iter().zip(&right).map(|(a, b)| a * b).sum()).collect();
        square = u.iter().map(|u| u * u).sum::<f64>().sqrt();
        u.iter_mut().for_each(|u| *u /= square);
    }
    close(stats.norm, energy.sqrt());
    close(stats.first_share.unwrap(), square / energy);
    let dot: f64 = right.iter().zip(&row).map(|(a, b)| a * f64::from(*b)).sum();
    let norms =
        right.iter().map(|a| a * a).sum::<f64>() * row.iter().map(|b| f64::from(*b).powi(2)).sum::<f64>();
    close(stats.first_alignment.unwrap(), (dot / norms.sqrt()).abs());
}

/// f = x₁ − x₂ of two outputs: a row is turned when 2ε exceeds its margin, and not before.
#[test]
fn pgd_turns_exactly_the_rows_within_reach() {
    let mlp = Mlp::new(&[2, 2], false, 1.0).unwrap();
    let mut engine = Engine::new(&mlp);
    let params = [1.0, 0.0, 0.0, 1.0];
    let (inputs, labels) = ([1.0, 0.0, 0.0, 1.0, 0.3, 0.0, 0.0, 0.1], [0, 1, 0, 1]);
    let mut attack = |epsilon| {
        pgd_accuracy(&mut engine, &params, (&inputs, &labels), Loss::CrossEntropy, epsilon, 10).unwrap()
    };
    assert_eq!([0.0, 0.04, 0.1, 0.16, 0.49, 0.51].map(&mut attack), [1.0, 1.0, 0.75, 0.5, 0.5, 0.0]);
    // two normals differ by N(0, 2): right with Φ(margin/√2)
    let (many, labels) = ([1.0, 0.0].repeat(20_000), vec![0; 20_000]);
    let found = noisy_accuracy(&mut engine, &params, &many, &labels, 1.0, 0).unwrap();
    assert!((found - 0.7602).abs() < 0.015, "{found}");
    assert_eq!(accuracy(&mut engine, &params, &many, &labels).unwrap(), 1.0);
}

#[test]
fn neurons_and_weights() {
    let samples = Samples::new(vec![1.0, 0.0, 3.0, 0.0, 0.0, -1.0], 2, vec![1, 1, 0], 2).unwrap();
    let mlp = Mlp::new(&[2, 4, 1], false, 1.0).unwrap();
    // class means: (2, 0) of class 1, (0, −1) of class 0
    let params = [3.0, 4.0, 3.0, 4.0, 0.0, 0.0, 1.0, 1.0, 0.5, -0.5, 1.0, 0.0];
    let found = neuron_cosines(&mlp, &params, &samples).unwrap();
    close(found[0].unwrap(), 0.6);
    close(found[1].unwrap(), -0.8);
    assert_eq!(found[2..], [None, None]);
    let mut after = params;
    after[0] += 3.0;
    close(moved(&mlp, &params, &after).unwrap().unwrap(), 3.0 / 52f64.sqrt());
    assert_eq!(moved(&mlp, &[0.0; 12], &params).unwrap(), None);
    assert!(neuron_cosines(&Mlp::new(&[2, 6], false, 1.0).unwrap(), &params, &samples).is_err());
}

#[test]
fn fourier_norms_and_their_gini() {
    // 2 + cos(2π·3x/7): 14 at k = 0, 7/2 at k = 3
    let wave: Vec<f32> = (0..7).map(|x| 2.0 + (std::f32::consts::TAU * 3.0 * x as f32 / 7.0).cos()).collect();
    for (found, wanted) in fourier_norms(&wave, 1).iter().zip([14.0, 0.0, 0.0, 3.5]) {
        assert!((found - wanted).abs() < 1e-5, "{found} {wanted}");
    }
    assert_eq!(gini(&[2.0; 5]), Some(0.0));
    close(gini(&[0.0, 0.0, 3.0, 0.0]).unwrap(), 0.75);
    close(gini(&[3.0, 1.0, 4.0, 2.0]).unwrap(), 0.25);
    assert_eq!((gini(&[0.0; 3]), gini(&[])), (None, None));
}
