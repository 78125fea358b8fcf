//! An independent oracle in f64: the plain transformer over `x op y =` or `x y =`, one scalar at a time, on a reverse-mode tape.
//!
//! Nothing here is shared with the engine but the layout of the parameters. On request every operation, forward and
//! backward, is off by a random share of f32's rounding, or of what the engine promises of exp and GELU (Monte Carlo arithmetic,
//! Parker 1997): the spread of such results is what f32 can do at a given case, whatever the order of operations.

use crate::{
    kinds::operations::config::{Activation, ModelConfig, Norm, Positions, Sequence},
    kinds::operations::model::ParamLayout,
    kinds::operations::task::Equation,
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

type Id = usize;
type Row = Vec<Id>;

/// Scalars with the partial derivatives to what they were computed from.
#[derive(Default)]
struct Tape {
    values: Vec<f64>,
    edges: Vec<(Id, f64)>,
    ends: Vec<usize>,
    rounding: Option<ChaCha8Rng>,
}

impl Tape {
    /// The result of one operation: exact, or off by at most half a unit in the last place of an f32.
    fn rounded(&mut self, x: f64) -> f64 {
        x + self.off(x.abs() * f64::from(f32::EPSILON) / 2.0)
    }

    /// An error within this bound; 0 where all is exact.
    fn off(&mut self, bound: f64) -> f64 {
        self.rounding.as_mut().map_or(0.0, |rng| bound * rng.random_range(-1.0..1.0))
    }

    fn push(&mut self, value: f64, edges: impl IntoIterator<Item = (Id, f64)>) -> Id {
        let value = self.rounded(value);
        self.values.push(value);
        for (parent, partial) in edges {
            let partial = if partial == 1.0 { 1.0 } else { self.rounded(partial) };
            self.edges.push((parent, partial));
        }
        self.ends.push(self.edges.len());
        self.values.len() - 1
    }

    fn constant(&mut self, value: f64) -> Id {
        self.push(value, [])
    }

    fn add(&mut self, a: Id, b: Id) -> Id {
        self.push(self.values[a] + self.values[b], [(a, 1.0), (b, 1.0)])
    }

    fn mul(&mut self, a: Id, b: Id) -> Id {
        let (x, y) = (self.values[a], self.values[b]);
        self.push(x * y, [(a, y), (b, x)])
    }

    fn scale(&mut self, a: Id, factor: f64) -> Id {
        self.push(self.values[a] * factor, [(a, factor)])
    }

    fn div(&mut self, a: Id, b: Id) -> Id {
        let (x, y) = (self.values[a], self.values[b]);
        self.push(x / y, [(a, 1.0 / y), (b, -x / (y * y))])
    }

    fn dot(&mut self, a: &[Id], b: &[Id]) -> Id {
        let mut value = 0.0;
        for (&a, &b) in a.iter().zip(b) {
            value = self.rounded(value + self.values[a] * self.values[b]);
        }
        let pairs = a.iter().zip(b);
        let edges: Vec<_> = pairs.flat_map(|(&a, &b)| [(a, self.values[b]), (b, self.values[a])]).collect();
        self.push(value, edges)
    }

    fn sum(&mut self, a: &[Id]) -> Id {
        let mut value = 0.0;
        for &a in a {
            value = self.rounded(value + self.values[a]);
        }
        self.push(value, a.iter().map(|&a| (a, 1.0)))
    }

    fn exp(&mut self, a: Id) -> Id {
        let y = self.values[a].exp();
        // what `vector.rs` promises
        let y = y + self.off(3e-7 * y);
        self.push(y, [(a, y)])
    }

    /// a − max a, the maximum as a constant: of scores of −360 the softmax's 1/y² would be beyond f64.
    fn below_max(&mut self, a: &[Id]) -> Row {
        let max = a.iter().map(|&a| self.values[a]).fold(f64::NEG_INFINITY, f64::max);
        a.iter().map(|&a| self.push(self.values[a] - max, [(a, 1.0)])).collect()
    }

    fn ln(&mut self, a: Id) -> Id {
        let x = self.values[a];
        self.push(x.ln(), [(a, 1.0 / x)])
    }

    fn sqrt(&mut self, a: Id) -> Id {
        let y = self.values[a].sqrt();
        self.push(y, [(a, 0.5 / y)])
    }

    fn activation(&mut self, kind: Activation, a: Id) -> Id {
        let x = self.values[a];
        let (y, slope) = match kind {
            Activation::Relu => (x.max(0.0), f64::from(u8::from(x > 0.0))),
            Activation::Gelu => {
                let upper = 0.5 * libm::erfc(-x / 2f64.sqrt());
                let y = x * upper;
                let slope = upper + x * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
                // what `activation.rs` promises
                (y + self.off(1e-6 * y.abs()), slope + self.off(1e-6))
            }
        };
        self.push(y, [(a, slope)])
    }

    fn gradient(&mut self, of: Id, first: usize) -> Vec<f64> {
        let mut d = vec![0.0; self.values.len()];
        d[of] = 1.0;
        for i in (0..=of).rev() {
            let start = if i == 0 { 0 } else { self.ends[i - 1] };
            for edge in start..self.ends[i] {
                let (parent, partial) = self.edges[edge];
                d[parent] = self.rounded(d[parent] + partial * d[i]);
            }
        }
        d.truncate(first);
        d
    }
}

struct Model<'a> {
    tape: Tape,
    config: &'a ModelConfig,
    layout: ParamLayout,
    v: usize,
}

impl Model<'_> {
    /// A parameter as rows; parameters are the first ids of the tape.
    fn param(&self, name: &str) -> Option<Vec<Row>> {
        let p = self.layout.get(name)?;
        let width = *p.shape.last().unwrap();
        Some(p.range.clone().collect::<Vec<_>>().chunks(width).map(<[Id]>::to_vec).collect())
    }

    fn linear(&mut self, name: &str, x: &[Id]) -> Row {
        let w = self.param(&format!("{name}.weight")).unwrap();
        let mut y: Row = w.iter().map(|w| self.tape.dot(w, x)).collect();
        if let Some(bias) = self.param(&format!("{name}.bias")) {
            y = y.iter().zip(&bias[0]).map(|(&y, &b)| self.tape.add(y, b)).collect();
        }
        y
    }

    fn norm(&mut self, name: &str, x: &[Id]) -> Row {
        let (Some(gain), Some(shift)) =
            (self.param(&format!("{name}.weight")), self.param(&format!("{name}.bias")))
        else {
            return x.to_vec();
        };
        let t = &mut self.tape;
        let n = x.len() as f64;
        let sum = t.sum(x);
        let minus_mean = t.scale(sum, -1.0 / n);
        let centered: Row = x.iter().map(|&x| t.add(x, minus_mean)).collect();
        let squares = t.dot(&centered, &centered);
        let variance = t.scale(squares, 1.0 / n);
        let epsilon = t.constant(f64::from(1e-5f32));
        let variance = t.add(variance, epsilon);
        let std = t.sqrt(variance);
        let gains = centered.iter().zip(gain[0].iter().zip(&shift[0]));
        gains
            .map(|(&c, (&g, &b))| {
                let normed = t.div(c, std);
                let y = t.mul(normed, g);
                t.add(y, b)
            })
            .collect()
    }

    fn embed(&mut self, tokens: &[usize]) -> Vec<Row> {
        let table = self.param("embed.token.weight").unwrap();
        let d = self.config.d_model;
        let positions = match self.config.positions {
            Positions::Learned => self.param("embed.position.weight").unwrap(),
            Positions::Sinusoidal => (0..4)
                .map(|pos| {
                    let angle = |i: usize| pos as f64 / 1e4f64.powf(i as f64 / d as f64);
                    let wave = |i| if i % 2 == 0 { angle(i).sin() } else { angle(i - 1).cos() };
                    (0..d).map(|i| self.tape.constant(wave(i))).collect()
                })
                .collect(),
        };
        let rows = tokens.iter().zip(&positions);
        rows.map(|(&t, p)| table[t].iter().zip(p).map(|(&a, &b)| self.tape.add(a, b)).collect()).collect()
    }

    fn attention(&mut self, l: usize, x: &[Row]) -> Vec<Row> {
        let [q, k, v] = ["q", "k", "v"].map(|name| {
            x.iter().map(|x| self.linear(&format!("blocks.{l}.attn.{name}"), x)).collect::<Vec<_>>()
        });
        let width = self.config.d_model / self.config.n_heads;
        (0..x.len())
            .map(|i| {
                let mut mixed = Row::new();
                for head in 0..self.config.n_heads {
                    let cols = head * width..(head + 1) * width;
                    let t = &mut self.tape;
                    let scores: Row = (0..=i)
                        .map(|j| {
                            let score = t.dot(&q[i][cols.clone()], &k[j][cols.clone()]);
                            t.scale(score, 1.0 / (width as f64).sqrt())
                        })
                        .collect();
                    let exps: Row = t.below_max(&scores).into_iter().map(|a| t.exp(a)).collect();
                    let total = t.sum(&exps);
                    let weights: Row = exps.iter().map(|&e| t.div(e, total)).collect();
                    for c in cols {
                        let values: Row = (0..=i).map(|j| v[j][c]).collect();
                        mixed.push(t.dot(&weights, &values));
                    }
                }
                self.linear(&format!("blocks.{l}.attn.o"), &mixed)
            })
            .collect()
    }

    fn mlp(&mut self, l: usize, x: &[Id]) -> Row {
        let hidden = self.linear(&format!("blocks.{l}.mlp.up"), x);
        let hidden: Row = hidden.iter().map(|&h| self.tape.activation(self.config.activation, h)).collect();
        self.linear(&format!("blocks.{l}.mlp.down"), &hidden)
    }

    fn plus(&mut self, a: &[Row], b: &[Row]) -> Vec<Row> {
        let t = &mut self.tape;
        let rows = a.iter().zip(b);
        rows.map(|(a, b)| a.iter().zip(b).map(|(&a, &b)| t.add(a, b)).collect()).collect()
    }

    fn block(&mut self, l: usize, h: Vec<Row>) -> Vec<Row> {
        let norm = |model: &mut Self, which: u8, rows: &[Row]| -> Vec<Row> {
            rows.iter().map(|x| model.norm(&format!("blocks.{l}.norm{which}"), x)).collect()
        };
        let pre = self.config.norm == Norm::Pre;
        let x = if pre { norm(self, 1, &h) } else { h.clone() };
        let attended = self.attention(l, &x);
        let mut h = self.plus(&h, &attended);
        if self.config.norm == Norm::Post {
            h = norm(self, 1, &h);
        }
        let x = if pre { norm(self, 2, &h) } else { h.clone() };
        let out: Vec<Row> = x.iter().map(|x| self.mlp(l, x)).collect();
        h = self.plus(&h, &out);
        if self.config.norm == Norm::Post { norm(self, 2, &h) } else { h }
    }

    fn logits(&mut self, e: &Equation) -> Row {
        let (x, y, v) = (usize::from(e.x), usize::from(e.y), self.v);
        let mut h = match self.config.sequence {
            Sequence::WithOperator => self.embed(&[x, v, y, v + 1]),
            Sequence::WithoutOperator => self.embed(&[x, y, v]),
        };
        for l in 0..self.config.n_layers {
            h = self.block(l, h);
        }
        let x = self.norm("final_norm", &h[h.len() - 1]);
        let head = self.param("unembed.weight").or_else(|| self.param("embed.token.weight")).unwrap();
        head[..self.v].iter().map(|w| self.tape.dot(w, &x)).collect()
    }
}

/// Mean loss, its gradient, and the logits of every equation.
pub(super) fn loss_gradient_logits(
    config: &ModelConfig,
    v: usize,
    params: &[f64],
    batch: &[Equation],
) -> (f64, Vec<f64>, Vec<Vec<f64>>) {
    forward_backward(config, v, params, batch, None)
}

/// The gradient with every operation rounded at random as f32 might round it.
pub(super) fn rounded_gradient(
    config: &ModelConfig,
    v: usize,
    params: &[f64],
    batch: &[Equation],
    rng: ChaCha8Rng,
) -> Vec<f64> {
    forward_backward(config, v, params, batch, Some(rng)).1
}

fn forward_backward(
    config: &ModelConfig,
    v: usize,
    params: &[f64],
    batch: &[Equation],
    rounding: Option<ChaCha8Rng>,
) -> (f64, Vec<f64>, Vec<Vec<f64>>) {
    let tape = Tape { values: params.to_vec(), edges: Vec::new(), ends: vec![0; params.len()], rounding };
    let mut model = Model { tape, config, layout: ParamLayout::new(config, v), v };
    let mut logits = Vec::new();
    let losses: Row = batch
        .iter()
        .map(|e| {
            let z = model.logits(e);
            let t = &mut model.tape;
            logits.push(z.iter().map(|&z| t.values[z]).collect());
            let z = t.below_max(&z);
            let exps: Row = z.iter().map(|&z| t.exp(z)).collect();
            let total = t.sum(&exps);
            let log_total = t.ln(total);
            let minus = t.scale(z[usize::from(e.answer)], -1.0);
            t.add(log_total, minus)
        })
        .collect();
    let sum = model.tape.sum(&losses);
    let mean = model.tape.scale(sum, 1.0 / batch.len() as f64);
    (model.tape.values[mean], model.tape.gradient(mean, params.len()), logits)
}
