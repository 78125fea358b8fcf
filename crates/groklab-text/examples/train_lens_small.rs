//! Trains the toy of Spectral Lens (arXiv 2605.05683) at half its width and prints the loss beside the spectra of
//! activations and gradients.
//!
//! ```text
//! cargo run --release -p groklab-text --example train_lens_small -- [baseline|rope|muon|untied] [BATCH] [STEPS] [RATE] [SEED]
//! ```
//! 8,000 periodic sequences of 32 over 256 ids, batches drawn with replacement, a constant learning rate: by default that of
//! the stage at batch 128 in the authors' table, whatever the batch. Validation loss over 512 further sequences; activations
//! at the last position of the first 512 training sequences; gradients of the last MLP's output map over 32 of them.

use candle_core::{DType, Device, Tensor};
use groklab_corpus::{Batches, Draw, Periodic, Sequences, split};
use groklab_probe::{Activations, Pooling, gradient_spectrum};
use groklab_text::{
    model::{Architecture, LensConfig, LensModel, Stage, sample_gradients},
    optim::{Adam, AdamConfig, Muon, MuonConfig, Optimizer},
};
use std::{env, error::Error, time::Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TRAIN: usize = 8_000;
const MEASURED: usize = 512;
const GRADIENTS: usize = 32;

#[allow(clippy::print_stdout, reason = "an example prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let argument = |at: usize, default: &'static str| arguments.get(at).map_or(default, String::as_str);
    let name = argument(0, "untied");
    let stage = Stage::ALL
        .into_iter()
        .find(|stage| stage.name() == name)
        .ok_or_else(|| format!("no stage {name:?}"))?;
    let (batch, steps): (usize, u64) = (argument(1, "128").parse()?, argument(2, "500").parse()?);
    let default = match stage {
        Stage::Baseline | Stage::Muon => "1.697e-3",
        Stage::Rope => "2.4e-3",
        Stage::Untied => "1.2e-3",
    };
    let (rate, seed): (f64, u64) = (argument(3, default).parse()?, argument(4, "0").parse()?);

    let config = LensConfig::preset("lens-small", stage)?;
    let length = config.sequence;
    let periodic = Periodic::new(config.vocabulary, seed + 303)?;
    let tokens =
        |rows: std::ops::Range<usize>| rows.flat_map(|i| periodic.sequence(i as u64, length + 1)).collect();
    let train = Sequences::of_documents("periodic", tokens(0..TRAIN), length)?;
    let held_out = Sequences::of_documents("periodic", tokens(TRAIN..TRAIN + MEASURED), length)?;
    let mut batches = Batches::new(train.rows(), batch, Draw::WithReplacement, seed)?;

    let mut params = config.initial_parameters(seed);
    let model = LensModel::new(config, DType::F32, &Device::Cpu)?;
    let mut grads = vec![0.0; params.len()];
    let mut optimizer: Box<dyn Optimizer> = match stage {
        Stage::Baseline | Stage::Rope => Box::new(Adam::new(AdamConfig::LENS, model.layout())),
        Stage::Muon | Stage::Untied => Box::new(Muon::new(MuonConfig::LENS, model.layout())?),
    };
    println!("{name}, batch {batch}, rate {rate}, seed {seed}: {} parameters", params.len());
    println!("  step     val   rankme  top10  a_head  (R2)   a_tail  (R2)  grad s1  g_tail  ms/step");
    let (mut training, mut clock) = (0.0, Instant::now());
    for step in 0..=steps {
        if step % 50 == 0 {
            training += clock.elapsed().as_secs_f64();
            model.set(&params)?;
            let loss = validate(&model, &held_out, &mut None)?;
            let mut last = Some(Activations::new(model.config().d_model, Pooling::Last));
            validate(&model, &train, &mut last)?;
            let shape = last.ok_or("nothing pooled")?.spectrum()?.shape();
            let rows: Vec<_> = (0..GRADIENTS).map(|row| train.row(row)).collect();
            let (inputs, targets) = split(rows.iter().copied());
            let names = ["blocks.1.mlp.down.weight"];
            let found = &sample_gradients(&model, &inputs, &targets, length, &names)?[0];
            let spectrum = gradient_spectrum(&found.stack, found.samples, found.parameters)?;
            let (_, tail) = spectrum.head_and_tail();
            let (h, t) = (shape.head, shape.tail);
            let pace = 1e3 * training / step as f64;
            println!(
                "{step:6}  {loss:6.3}  {:7.2}  {:.3}  {:6.2}  ({:.2})  {:6.2}  ({:.2})  {:7.4}  {:6.2}  {pace:7.1}",
                shape.rankme,
                shape.top10,
                h.alpha,
                h.r2,
                t.alpha,
                t.r2,
                spectrum.singular_values[0],
                tail.alpha
            );
            clock = Instant::now();
        }
        if step == steps {
            break;
        }
        let (inputs, targets) = train.batch(&batches.rows_of(step));
        model.set(&params)?;
        let loss = model.loss(&inputs, &targets, length, &mut |_, _| Ok(()))?;
        model.gradients(&loss, &mut grads)?;
        optimizer.step(&mut params, &grads, rate)?;
    }
    Ok(())
}

/// Loss over the first sequences, and if asked for what their head reads.
fn validate(
    model: &LensModel,
    sequences: &Sequences,
    pool: &mut Option<Activations>,
) -> Result<f64, Box<dyn Error>> {
    let (length, head) = (model.config().sequence, model.config().unembedding());
    let mut sum = 0.0;
    for first in (0..MEASURED).step_by(128) {
        let rows: Vec<_> = (first..first + 128).map(|row| sequences.row(row)).collect();
        let (inputs, targets) = split(rows.iter().copied());
        let mut observe = |name: &str, x: &Tensor| {
            if let (Some(pool), true) = (pool.as_mut(), name == head) {
                let x = x.detach().flatten_all()?.to_vec1::<f32>()?;
                pool.add(&x, length).map_err(candle_core::Error::wrap)?;
            }
            Ok(())
        };
        let loss = model.loss(&inputs, &targets, length, &mut observe)?;
        sum += f64::from(loss.to_scalar::<f32>()?) * rows.len() as f64;
    }
    Ok(sum / MEASURED as f64)
}
