//! Any keys and values merged into a config: never a panic; what is accepted passes its checks, can stand in a
//! file, and merging the same again changes nothing.
#![no_main]

use arbitrary::Arbitrary;
use groklab::kinds::operations::config::{Preset, RunConfig, apply_overrides, parse_override};
use libfuzzer_sys::fuzz_target;
use toml::Value;

/// Keys there are, so that the fuzzer need not guess them.
const KEYS: [&str; 26] = [
    "train_fraction",
    "seed",
    "split_seed",
    "model.n_layers",
    "model.d_model",
    "model.n_heads",
    "model.d_mlp",
    "model.norm",
    "model.final_norm",
    "model.activation",
    "model.positions",
    "model.bias",
    "model.tied",
    "model.embedding_std",
    "model.linear_init",
    "model.init_scale",
    "optim.name",
    "optim.learning_rate",
    "optim.beta2",
    "optim.warmup_steps",
    "data.batch_size",
    "data.last_batch",
    "train.max_epochs",
    "train.patience",
    "probe.every",
    "probe.dense_until",
];

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    power: bool,
    fraction: f64,
    seed: u64,
    pairs: Vec<Pair<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Pair<'a> {
    /// As typed after `--set`.
    Text(&'a str),
    Known(u8, &'a str),
    Integer(u8, i64),
    Float(u8, f64),
}

fn key(n: u8) -> &'static str {
    KEYS[usize::from(n) % KEYS.len()]
}

fuzz_target!(|input: Input| {
    let mut overrides = Vec::new();
    for pair in &input.pairs {
        let parsed = match pair {
            Pair::Text(text) => parse_override(text),
            Pair::Known(n, value) => parse_override(&format!("{}={value}", key(*n))),
            Pair::Integer(n, value) => Ok((key(*n).to_owned(), Value::Integer(*value))),
            Pair::Float(n, value) => Ok((key(*n).to_owned(), Value::Float(*value))),
        };
        match parsed {
            Ok(pair) => overrides.push(pair),
            Err(error) => return check_message(&error.to_string()),
        }
    }
    let preset = if input.power { Preset::Power } else { Preset::Paper };
    let start = preset.config("add", input.fraction, input.seed);
    match apply_overrides(&start, &overrides) {
        Ok(config) => {
            assert!(config.check().is_ok());
            assert_eq!(apply_overrides(&config, &overrides).unwrap(), config, "merging again");
            let text = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<RunConfig>(&text).unwrap(), config, "{text}");
        }
        Err(error) => check_message(&error.to_string()),
    }
});

fn check_message(message: &str) {
    assert!(message.len() < 2000 && !message.chars().any(char::is_control), "{message:?}");
}
