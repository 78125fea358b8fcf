//! Initial parameter values. Each parameter draws from a stream of its own name, so adding or removing
//! one leaves the others' values as they are.

use super::{Param, ParamKind, ParamLayout};
use crate::{
    kinds::operations::config::{LinearInit, ModelConfig},
    kinds::operations::data::stream,
};
use rand::Rng;
use rand_chacha::ChaCha12Rng;
use rand_distr::StandardNormal;

const POSITIONS: &str = "embed.position.weight";

/// Draws all parameters of `layout` for `seed`.
pub fn initial_parameters(config: &ModelConfig, layout: &ParamLayout, seed: u64) -> Vec<f32> {
    let mut flat = vec![0.0; layout.len()];
    for param in layout.iter() {
        let mut rng = stream(seed, &param.name, 0);
        for value in &mut flat[param.range.clone()] {
            *value = draw(config, param, &mut rng) as f32;
        }
    }
    flat
}

fn draw(config: &ModelConfig, param: &Param, rng: &mut ChaCha12Rng) -> f64 {
    match param.kind {
        ParamKind::Embedding => {
            let scale = if param.name == POSITIONS { config.position_scale } else { 1.0 };
            scale * config.embedding_std * normal(rng)
        }
        ParamKind::Gain => 1.0,
        ParamKind::Shift => 0.0,
        ParamKind::Bias { fan_in } => uniform(rng) / (fan_in as f64).sqrt(),
        ParamKind::Weight => {
            let (fan_out, fan_in) = (param.shape[0] as f64, param.shape[1] as f64);
            config.init_scale
                * match config.linear_init {
                    LinearInit::UniformFanIn => uniform(rng) / fan_in.sqrt(),
                    LinearInit::XavierUniform => uniform(rng) * (6.0 / (fan_in + fan_out)).sqrt(),
                    LinearInit::NormalFanIn => normal(rng) / fan_in.sqrt(),
                }
        }
    }
}

fn normal(rng: &mut ChaCha12Rng) -> f64 {
    rng.sample(StandardNormal)
}

/// U(−1, 1)
fn uniform(rng: &mut ChaCha12Rng) -> f64 {
    rng.random_range(-1.0..1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::operations::config::Preset;

    fn moments(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| v as f64).sum::<f64>() / n;
        (mean, (values.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    #[test]
    fn distributions_have_their_moments_and_bounds() {
        let mut config = Preset::Paper.config("add", 0.5, 0).model;
        config.bias = true;
        let layout = ParamLayout::new(&config, 97);
        let flat = initial_parameters(&config, &layout, 3);
        let of = |name: &str| &flat[layout.get(name).unwrap().range.clone()];

        // N(0, 1): 99 · 128 draws, standard errors 0.009 and 0.0063, five of each allowed
        let (mean, std) = moments(of("embed.token.weight"));
        assert!(mean.abs() < 0.045 && (std - 1.0).abs() < 0.032, "{mean} {std}");
        // U(±1/√512): standard deviation bound/√3
        let down = of("blocks.1.mlp.down.weight");
        let bound = 1.0 / 512f64.sqrt();
        assert!(down.iter().all(|&v| (v as f64).abs() <= bound));
        let (mean, std) = moments(down);
        assert!(mean.abs() < 5.0 * std / 256.0 && (std / (bound / 3f64.sqrt()) - 1.0).abs() < 0.02);
        // the bias of an up layer has 128 inputs, of a down layer 512
        let largest = |name| of(name).iter().fold(0f32, |a, v| a.max(v.abs())) as f64;
        let up = largest("blocks.0.mlp.up.bias");
        assert!(up > bound && up <= 1.0 / 128f64.sqrt());
        assert!(largest("blocks.0.mlp.down.bias") <= bound);
        assert!(of("final_norm.weight").iter().all(|&v| v == 1.0));
        assert!(of("final_norm.bias").iter().all(|&v| v == 0.0));
    }

    #[test]
    fn a_scale_of_positions_changes_nothing_else() {
        let plain = Preset::Paper.config("add", 0.5, 0).model;
        let layout = ParamLayout::new(&plain, 97);
        let draws =
            |scale| initial_parameters(&ModelConfig { position_scale: scale, ..plain.clone() }, &layout, 3);
        let (one, half) = (draws(1.0), draws(0.5));
        let positions = layout.get("embed.position.weight").unwrap().range.clone();
        for (i, (one, half)) in one.iter().zip(&half).enumerate() {
            assert_eq!(*half, if positions.contains(&i) { one / 2.0 } else { *one });
        }
    }

    #[test]
    fn a_parameter_added_changes_no_other() {
        let without = Preset::Paper.config("add", 0.5, 0).model;
        let with = ModelConfig { bias: true, ..without.clone() };
        let (a, b) = (ParamLayout::new(&without, 97), ParamLayout::new(&with, 97));
        let (u, v) = (initial_parameters(&without, &a, 5), initial_parameters(&with, &b, 5));
        for param in a.iter() {
            assert_eq!(
                u[param.range.clone()],
                v[b.get(&param.name).unwrap().range.clone()],
                "{}",
                param.name
            );
        }
    }

    #[test]
    fn the_paper_preset_has_the_parameters_it_should() {
        // E (99+4)·128, two blocks of 4·128² + 2·512·128 + 4·128, final norm 2·128, head 97·128
        let config = Preset::Paper.config("add", 0.5, 0).model;
        let expected = 103 * 128 + 2 * (4 * 128 * 128 + 2 * 512 * 128 + 4 * 128) + 256 + 97 * 128;
        assert_eq!(ParamLayout::new(&config, 97).len(), expected);
    }
}
