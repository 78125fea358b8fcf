//! Trains the preset lm-small on the synthetic language and prints losses, the language's own floor and LAR.
//!
//! ```text
//! cargo run --release -p groklab-text --features candle --example train_lm_small -- [adam|muon] [fresh|TOKENS] [STEPS] [SEED] [fused|plain]
//! ```
//! `fresh` takes new documents in every step; a number of tokens, as 16384, goes through the first so many again and
//! again and overfits; `plain` takes ordinary operations of candle. The recipe: 8 sequences of 64 a step, warm-up over 4 % of the steps, cosine to
//! zero, gradients clipped at norm 1, Adam at 4e-3 or Muon at 1e-2.

use candle_core::{DType, Device, Tensor};
use groklab_corpus::{Batches, Draw, Language, LanguageConfig, Sequences, split};
use groklab_probe::{Moments, from_tensor_and_moments};
use groklab_text::{
    model::{TextConfig, Transformer, initial_parameters},
    optim::{Adam, AdamConfig, Muon, MuonConfig, Optimizer, Schedule, Shape, clip_global_norm},
};
use std::{env, error::Error, time::Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 8;
/// Held-out documents: 4,096 targets.
const HELD_OUT: u64 = 64;

#[allow(clippy::print_stdout, reason = "an example prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let argument = |at: usize, default: &'static str| arguments.get(at).map_or(default, String::as_str);
    let (name, data) = (argument(0, "adam"), argument(1, "fresh"));
    let (steps, seed): (u64, u64) = (argument(2, "400").parse()?, argument(3, "0").parse()?);

    let config = TextConfig::LM_SMALL;
    let length = config.sequence;
    let language = Language::new(LanguageConfig::new(config.vocabulary))?;
    let document = |part, index| language.document(seed, part, index, length + 1).tokens;
    let held_out: Vec<Vec<u32>> = (0..HELD_OUT).map(|index| document("validation", index)).collect();
    let mut batches = match data {
        "fresh" => None,
        tokens => {
            let documents = tokens.parse::<u64>()? / length as u64;
            let tokens = (0..documents).flat_map(|index| document("train", index)).collect();
            let train = Sequences::of_documents("language", tokens, length)?;
            Some((Batches::new(train.rows(), BATCH, Draw::Epochs, seed)?, train))
        }
    };

    let model = Transformer::new(config.clone(), DType::F32, &Device::Cpu)?;
    let model = match argument(4, "fused") {
        "fused" => model,
        "plain" => model.plain(),
        other => return Err(format!("operations {other:?}: must be fused or plain").into()),
    };
    let mut params = initial_parameters(&config, seed);
    let mut grads = vec![0.0; params.len()];
    let (mut optimizer, rate): (Box<dyn Optimizer>, f64) = match name {
        "adam" => (Box::new(Adam::new(AdamConfig::LAR, model.layout())), 4e-3),
        "muon" => (Box::new(Muon::new(MuonConfig::LAR, model.layout())?), 1e-2),
        _ => return Err(format!("optimiser {name:?}: must be adam or muon").into()),
    };
    let schedule = Schedule { rate, warmup: steps / 25, steps, shape: Shape::Cosine };

    println!("{name}, {data} tokens, {steps} steps, seed {seed}: {} parameters", params.len());
    println!("floor of the language {:.3} nats a token\n", language.floor(length));
    println!("  step   train     val     lar   ms/step");
    let (mut sum, mut count, mut clock) = (0.0, 0u32, Instant::now());
    let mut training = 0.0;
    for step in 0..=steps {
        if step % 20 == 0 {
            training += clock.elapsed().as_secs_f64();
            model.set(&params)?;
            let (loss, lar) = validate(&model, &held_out)?;
            let train = if count == 0 { f64::NAN } else { sum / f64::from(count) };
            let pace = if step == 0 { f64::NAN } else { 1e3 * training / step as f64 };
            println!("{step:6}  {train:6.3}  {loss:6.3}   {lar:.3}  {pace:8.1}");
            (sum, count, clock) = (0.0, 0, Instant::now());
        }
        if step == steps {
            break;
        }
        let (inputs, targets) = match &mut batches {
            Some((batches, train)) => train.batch(&batches.rows_of(step)),
            None => {
                let first = step * BATCH as u64;
                let rows: Vec<_> =
                    (first..first + BATCH as u64).map(|index| document("train", index)).collect();
                split(rows.iter().map(Vec::as_slice))
            }
        };
        model.set(&params)?;
        let loss = model.loss(&inputs, &targets, length, &mut |_, _| Ok(()))?;
        model.gradients(&loss, &mut grads)?;
        clip_global_norm(&mut grads, 1.0);
        optimizer.step(&mut params, &grads, schedule.at(step))?;
        sum += f64::from(loss.to_scalar::<f32>()?);
        count += 1;
    }
    Ok(())
}

/// Loss on the held-out documents, and LAR of the unembedding over all of their tokens.
fn validate(model: &Transformer, held_out: &[Vec<u32>]) -> Result<(f64, f64), Box<dyn Error>> {
    let unembedding = model.config().unembedding();
    let mut moments = Moments::new(model.config().d_model, 0);
    let mut sum = 0.0;
    for rows in held_out.chunks(BATCH) {
        let (inputs, targets) = split(rows.iter().map(Vec::as_slice));
        let mut pool = |name: &str, x: &Tensor| {
            if name == unembedding {
                moments.add_tensor(x).map_err(candle_core::Error::wrap)?;
            }
            Ok(())
        };
        let loss = model.loss(&inputs, &targets, model.config().sequence, &mut pool)?;
        sum += f64::from(loss.to_scalar::<f32>()?) * rows.len() as f64;
    }
    let weight = model.var(unembedding).ok_or("the model has no unembedding")?;
    let (probe, _) = from_tensor_and_moments(weight, &moments)?;
    Ok((sum / held_out.len() as f64, probe.lar))
}
