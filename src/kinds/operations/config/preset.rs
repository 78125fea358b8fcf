//! Named starting points; each key can still be overridden.

use super::*;

/// A named starting point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The log-alignment study (arXiv 2605.28975), with what it leaves unsaid settled by its figures:
    /// pre-LN and final LN, exact GELU, learned positions, embeddings ~ N(0,1), no linear biases.
    #[default]
    Paper,
    /// Power et al. 2022 (arXiv 2201.02177): post-LN, ReLU, sinusoidal positions, no final norm.
    Power,
}

impl Preset {
    /// The preset's config for one run.
    pub fn config(self, task: &str, train_fraction: f64, seed: u64) -> RunConfig {
        let task = task.to_owned();
        RunConfig { task, train_fraction, seed, split_seed: seed, ..self.read() }
    }

    #[allow(clippy::expect_used, reason = "a file of this program, which a test reads")]
    fn read(self) -> RunConfig {
        let text = match self {
            Self::Paper => include_str!("../presets/paper.toml"),
            Self::Power => include_str!("../presets/power.toml"),
        };
        toml::from_str(text).expect("the preset is a config")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_are_complete_and_usable() {
        for preset in [Preset::Paper, Preset::Power] {
            let config = preset.config("add", 0.5, 3);
            config.check().unwrap();
            assert_eq!((config.seed, config.split_seed), (3, 3));
        }
    }
}
