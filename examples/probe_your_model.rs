//! Your own candle training loop, with the log-alignment ratio printed as it trains:
//!
//! ```text
//! cargo run --release --example probe_your_model
//! ```
//!
//! A small network memorises part of the table of x + y mod 31, then groks: watch LAR rise, and k_pred and k95 fall
//! and draw together. The loop is ordinary candle; the probe is the block marked PROBE: it needs the weights of a
//! linear layer, (outputs, inputs), and the batch of its inputs.
#![allow(clippy::print_stdout)] // an example's output is its purpose

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, loss::cross_entropy};
use groklab::probe;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

const MODULUS: u32 = 31;
const WIDTH: usize = 64;
const STEPS: usize = 1000;

/// Embeddings of x and y, summed; ReLU; a linear layer; and the unembedding W that is probed.
struct Mlp {
    embed_x: Var,
    embed_y: Var,
    project: Var,
    unembed: Var,
}

impl Mlp {
    fn new(rng: &mut ChaCha8Rng) -> Result<Self> {
        let p = MODULUS as usize;
        Ok(Self {
            embed_x: normal(p, WIDTH, 0.3, rng)?,
            embed_y: normal(p, WIDTH, 0.3, rng)?,
            project: normal(WIDTH, WIDTH, (2.0 / WIDTH as f64).sqrt(), rng)?,
            unembed: normal(p, WIDTH, (1.0 / WIDTH as f64).sqrt(), rng)?,
        })
    }

    fn params(&self) -> Vec<Var> {
        [&self.embed_x, &self.embed_y, &self.project, &self.unembed].map(Clone::clone).to_vec()
    }

    /// The inputs X of the unembedding, (rows, WIDTH): the other half of what a probe needs.
    fn features(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let sum = (self.embed_x.index_select(x, 0)? + self.embed_y.index_select(y, 0)?)?;
        sum.relu()?.matmul(&self.project.t()?)
    }

    /// Logits X Wᵀ, (rows, MODULUS).
    fn logits(&self, features: &Tensor) -> Result<Tensor> {
        features.matmul(&self.unembed.t()?)
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut table: Vec<(u32, u32)> = (0..MODULUS * MODULUS).map(|i| (i / MODULUS, i % MODULUS)).collect();
    table.shuffle(&mut rng);
    let (train, val) = table.split_at(table.len() * 7 / 10);
    let (train, val) = (Split::new(train)?, Split::new(val)?);

    let model = Mlp::new(&mut rng)?;
    let mut optimizer =
        AdamW::new(model.params(), ParamsAdamW { lr: 1e-2, weight_decay: 2.0, ..Default::default() })?;

    println!(
        "{:>5} {:>8} {:>9} {:>9} {:>6} {:>7} {:>4}",
        "step", "loss", "train", "val", "LAR", "k_pred", "k95"
    );
    for step in 0..=STEPS {
        let features = model.features(&train.x, &train.y)?;
        let loss = cross_entropy(&model.logits(&features)?, &train.answer)?;

        if step % 50 == 0 {
            // PROBE: W and X, nothing else. Batches too big for memory are pooled with `probe::Moments`.
            let (probe, _spectra) = probe::from_tensors(&model.unembed, &features)?;
            println!(
                "{step:>5} {:>8.4} {:>8.1}% {:>8.1}% {:>6.3} {:>7.1} {:>4}",
                loss.to_scalar::<f32>()?,
                100.0 * train.accuracy(&model)?,
                100.0 * val.accuracy(&model)?,
                probe.lar,
                probe.k_pred,
                probe.k95.map_or(f64::NAN, f64::from),
            );
        }
        optimizer.backward_step(&loss)?;
    }
    Ok(())
}

/// Rows of the table as tensors.
struct Split {
    x: Tensor,
    y: Tensor,
    answer: Tensor,
}

impl Split {
    fn new(rows: &[(u32, u32)]) -> Result<Self> {
        let column = |f: fn(&(u32, u32)) -> u32| {
            Tensor::from_iter(rows.iter().map(f).collect::<Vec<_>>(), &Device::Cpu)
        };
        Ok(Self { x: column(|r| r.0)?, y: column(|r| r.1)?, answer: column(|r| (r.0 + r.1) % MODULUS)? })
    }

    fn accuracy(&self, model: &Mlp) -> Result<f32> {
        let logits = model.logits(&model.features(&self.x, &self.y)?)?;
        logits.argmax(D::Minus1)?.eq(&self.answer)?.to_dtype(DType::F32)?.mean_all()?.to_scalar()
    }
}

/// Seeded initial values: candle's own generator cannot be seeded on the CPU.
fn normal(rows: usize, cols: usize, std: f64, rng: &mut ChaCha8Rng) -> Result<Var> {
    let normal = Normal::new(0.0, std).map_err(candle_core::Error::wrap)?;
    let values: Vec<f32> = (0..rows * cols).map(|_| normal.sample(rng) as f32).collect();
    Var::from_vec(values, (rows, cols), &Device::Cpu)
}
