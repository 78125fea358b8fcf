//! Whether a config can be computed with: ranges, and what fits together.

use super::{
    config::{ArchitectureName, Config, DrawName, OptimizerName},
    diagnostics,
    source::Source,
};
use crate::run::{ConfigError, Rule, require};

/// Largest number of ids.
const MAX_VOCABULARY: usize = 1 << 20;
/// Largest size of anything else: keeps products of sizes far from overflow.
const MAX_SIZE: usize = 1 << 16;

impl Config {
    /// Ranges, and what fits together; looks at no data.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rules = self.data_rules().into_iter().chain(self.model_rules()).chain(self.optim_rules());
        require(rules.chain(self.probe_rules()))?;
        require([self.matrices_rule()])?;
        diagnostics::choose(&self.probe.diagnostics).map(drop)
    }

    fn data_rules(&self) -> Vec<Rule> {
        let data = &self.data;
        let source = Source::parse(&data.source);
        let least = match source {
            // the twelve classes of the language need their least sizes
            Some(Source::Language) => 169,
            // the least period
            Some(Source::Periodic) => 5,
            _ => 256,
        };
        let is_bytes = matches!(source, Some(Source::Bytes(_)));
        let is_whole = self.model.n_ctx > 0 && data.tokens.is_multiple_of(self.model.n_ctx);
        let is_hex = |digest: &str| digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        let sources = "it is language, periodic, text:PATH or bytes:PATH";
        let is_file = source.as_ref().is_some_and(|source| !source.is_drawn());
        let is_set = data.tokens > 0 || is_file;
        vec![
            (source.is_some(), "data.source", data.source.clone(), sources),
            (
                data.digest.is_empty() || (is_hex(&data.digest) && is_file),
                "data.digest",
                data.digest.clone(),
                "it is empty, or of a text the 64 hexadecimal digits of its SHA-256",
            ),
            (
                (least..=MAX_VOCABULARY).contains(&data.vocabulary) && (!is_bytes || data.vocabulary == 256),
                "data.vocabulary",
                data.vocabulary.to_string(),
                "it is 169 to 1048576 of the language, 5 to 1048576 of periodic sequences, 256 to 1048576 of a text, and 256 of bytes",
            ),
            size("data.batch_size", data.batch_size),
            size("data.held_out", data.held_out),
            (
                is_whole && (data.tokens == 0 || data.tokens >= self.tokens_per_step()),
                "data.tokens",
                data.tokens.to_string(),
                "it is 0, or a multiple of model.n_ctx that holds at least one batch",
            ),
            (
                is_set || data.draw == DrawName::Epochs,
                "data.draw",
                "replacement".to_owned(),
                "new sequences in each step (data.tokens = 0) are drawn by epochs; replacement needs a training set",
            ),
        ]
    }

    fn model_rules(&self) -> Vec<Rule> {
        let model = &self.model;
        let is_even = model.n_heads > 0 && model.d_model.is_multiple_of(2 * model.n_heads);
        vec![
            size("model.n_layers", model.n_layers),
            size("model.d_mlp", model.d_mlp),
            size("model.n_ctx", model.n_ctx),
            size("model.n_heads", model.n_heads),
            size("model.d_model", model.d_model),
            (
                is_even,
                "model.d_model",
                model.d_model.to_string(),
                "each of model.n_heads heads has a whole, even number of channels",
            ),
            (
                model.architecture == ArchitectureName::Lens || model.rotary,
                "model.rotary",
                model.rotary.to_string(),
                "positions of gemma are rotary; learned ones are a switch of lens",
            ),
            (
                !model.zero_head || (model.architecture == ArchitectureName::Lens && !model.tied),
                "model.zero_head",
                model.zero_head.to_string(),
                "it is a switch of lens, for an unembedding of its own (model.tied = false): tied to it, the embedding \
                 would begin at zero and stay there",
            ),
            (
                model.architecture == ArchitectureName::Lens || !model.normalised_embedding,
                "model.normalised_embedding",
                model.normalised_embedding.to_string(),
                "it is a switch of lens",
            ),
            above_zero("model.rope_base", model.rope_base),
            above_zero("model.norm_epsilon", model.norm_epsilon),
        ]
    }

    fn optim_rules(&self) -> Vec<Rule> {
        let optim = &self.optim;
        let decay = optim.weight_decay;
        let fits = decay == 0.0 || (decay > 0.0 && optim.name != OptimizerName::Adam);
        let steps = optim.schedule_steps;
        vec![
            above_zero("optim.learning_rate", optim.learning_rate),
            share("optim.beta1", optim.beta1),
            share("optim.beta2", optim.beta2),
            above_zero("optim.epsilon", optim.epsilon),
            (
                fits && decay.is_finite(),
                "optim.weight_decay",
                format!("{decay:?}"),
                "it is 0 with adam, and 0 or more with adamw and muon",
            ),
            (steps > 0, "optim.schedule_steps", steps.to_string(), "it is 1 or more"),
            (
                optim.warmup_steps <= steps,
                "optim.warmup_steps",
                optim.warmup_steps.to_string(),
                "it is at most optim.schedule_steps",
            ),
            (
                (-1e6..=1e6).contains(&self.alignment.lar_strength),
                "alignment.lar_strength",
                format!("{:?}", self.alignment.lar_strength),
                "-1e6 ≤ lar_strength ≤ 1e6",
            ),
            (
                optim.clip.is_finite() && optim.clip >= 0.0,
                "optim.clip",
                format!("{:?}", optim.clip),
                "it is a number above 0, or 0 for none",
            ),
            above_zero("optim.muon.learning_rate", optim.muon.learning_rate),
            above_zero("optim.muon.matrix_rate", optim.muon.matrix_rate),
            share("optim.muon.momentum", optim.muon.momentum),
            (
                (1..=100).contains(&optim.muon.iterations),
                "optim.muon.iterations",
                optim.muon.iterations.to_string(),
                "it is 1 to 100",
            ),
        ]
    }

    /// Of a config whose sizes are in range.
    fn matrices_rule(&self) -> Rule {
        let names = &self.probe.gradients.matrices;
        let unknown = |(at, name): &(usize, &String)| names[..*at].contains(name) || !self.has_matrix(name);
        let unknown = names.iter().enumerate().find(unknown).map(|(_, name)| name.clone());
        (
            unknown.is_none(),
            "probe.gradients.matrices",
            unknown.unwrap_or_default(),
            "each is a matrix of this model, as blocks.0.attn.o, embed, or unembed where model.tied = false, and \
             stands there once",
        )
    }

    fn probe_rules(&self) -> Vec<Rule> {
        let every = self.probe.every;
        let (activations, gradients) = (&self.probe.activations, &self.probe.gradients);
        let target = self.target.val_loss;
        vec![
            (
                target.is_finite() && target >= 0.0,
                "target.val_loss",
                format!("{target:?}"),
                "it is a number above 0, or 0 for none",
            ),
            (
                activations.layer <= self.model.n_layers,
                "probe.activations.layer",
                activations.layer.to_string(),
                "it is 0 for what the unembedding reads, or a block from 1 to model.n_layers",
            ),
            (
                (2..=MAX_SIZE).contains(&activations.sequences),
                "probe.activations.sequences",
                activations.sequences.to_string(),
                "it is 2 to 65536",
            ),
            (
                (1..=4096).contains(&gradients.sequences),
                "probe.gradients.sequences",
                gradients.sequences.to_string(),
                "it is 1 to 4096",
            ),
            (every > 0, "probe.every", every.to_string(), "it is 1 or more"),
            (
                (1..=1 << 24).contains(&self.probe.tokens),
                "probe.tokens",
                self.probe.tokens.to_string(),
                "it is 1 to 16777216",
            ),
        ]
    }
}

fn size(key: &'static str, value: usize) -> Rule {
    ((1..=MAX_SIZE).contains(&value), key, value.to_string(), "it is 1 to 65536")
}

fn above_zero(key: &'static str, value: f64) -> Rule {
    (value.is_finite() && value > 0.0, key, format!("{value:?}"), "it is a number above 0")
}

fn share(key: &'static str, value: f64) -> Rule {
    ((0.0..1.0).contains(&value), key, format!("{value:?}"), "it is 0 or more and below 1")
}
