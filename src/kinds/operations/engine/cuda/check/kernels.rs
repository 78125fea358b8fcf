//! Each kernel alone, on three replicas: a full batch, a smaller one, and one that pauses.

use super::{
    Note,
    rig::{BATCHES, D, HEADS, ROWS, Rig, STRIDE, V, step},
    worst, worst_f64,
};
use crate::{
    kinds::operations::config::{Activation, Decay, ModelConfig, Preset, Sequence},
    kinds::operations::engine::{
        EngineError, Precision, Tally,
        cpu::{
            activation,
            attention::{self, Heads, Projections},
            loss::cross_entropy,
            norm,
            rows::{Rows, symbol_rows},
        },
        cuda::{
            buffers::CHUNK,
            device::{Arg, Grid, Kernel, Matrix},
            step::{Inputs, NORM_WARPS, attention_grid},
        },
        samples::small_model,
    },
    kinds::operations::model::ParamLayout,
    kinds::operations::optim::{AdamW, decayed_ranges},
    probe::Moments,
};
use candle_core::cuda_backend::CudaDevice;
use pulp::Arch;

type Checked = Result<f64, EngineError>;

pub(super) fn check(device: &CudaDevice, precision: Precision, note: Note<'_>) {
    // two f32 computations of sums of some dozen terms
    const F32: f64 = 2e-6;
    let product = if precision == Precision::Tf32 { 2e-3 } else { F32 };
    let rig_of = |sequence, name: &str| Rig::new(device, precision, name, sequence);
    let rig = |name: &str| rig_of(Sequence::WithOperator, name);
    for (sequence, of) in [(Sequence::WithOperator, ""), (Sequence::WithoutOperator, " of x y =")] {
        note(&format!("embedding{of}"), 0.0, rig_of(sequence, "embed").and_then(Rig::embed));
        let name = format!("gather, residual sum and bias{of}");
        note(&name, 0.0, rig_of(sequence, "start_sum").and_then(Rig::start_sum));
        attention(&|| rig_of(sequence, "attention"), of, F32, note);
    }
    note("product of gradients and slopes", 0.0, rig("multiply").and_then(Rig::multiply));
    note("column sums", F32, rig("chunks").and_then(Rig::chunks));
    note("LayerNorm and its gradients", F32, rig("norm").and_then(Rig::norm));
    for (name, kind) in [("GELU and its slope", Activation::Gelu), ("ReLU and its slope", Activation::Relu)] {
        note(name, F32, rig("activate").and_then(|rig| rig.activate(kind)));
    }
    note("cross-entropy, its gradient and counts", F32, rig("loss").and_then(Rig::loss));
    note("Gram matrix and column sums in f64", 1e-13, rig("moments").and_then(Rig::moments));
    note("AdamW; paused and stopped replicas stand still", F32, rig("adamw").and_then(Rig::adamw));
    note("the three kinds of batched products", product, rig("products").and_then(Rig::products));
}

/// Of every layer.
fn attention(rig: &dyn Fn() -> Result<Rig, EngineError>, of: &str, tolerance: f64, note: Note<'_>) {
    for (first, last) in [(true, false), (false, false), (false, true), (true, true)] {
        let layer = match (first, last) {
            (true, true) => "an only",
            (true, false) => "a first",
            (false, false) => "a middle",
            (false, true) => "a last",
        };
        let name = format!("attention of {layer} layer{of} and its gradients");
        // vectors of all lengths: which of them a model takes is its heads' width's
        let attention = |vector| rig()?.attention(first, last, vector);
        let error = [1, 2, 4].into_iter().try_fold(0f64, |error, v| Ok(error.max(attention(v)?)));
        note(&name, tolerance, error);
    }
}

impl Rig {
    fn embed(mut self) -> Checked {
        let (operators, n_ctx) = (self.sequence.operators(), self.sequence.positions());
        let (n, vocabulary) = (2 * V + operators + 1, self.sequence.vocabulary(V));
        let (tokens, positions) = (self.draw(vocabulary * D), self.draw(n_ctx * D));
        let [t, p] = [self.put(&tokens)?, self.put(&positions)?];
        let out = self.place(n * D)?;
        let args = [Arg::At(t), Arg::At(p), Arg::Long(STRIDE as i64), Arg::At(out)];
        self.launch(Kernel::embed, (true, false), Grid::elements(n * D), &args)?;
        // (token, position) of every row: x at 0, the operator if there is one, y, `=`
        let mut rows: Vec<(usize, usize)> = (0..V).map(|x| (x, 0)).collect();
        rows.extend((0..operators).map(|_| (V, 1)));
        rows.extend((0..V).map(|y| (y, n_ctx - 2)));
        rows.push((vocabulary - 1, n_ctx - 1));
        let forward = [0, 1, 2].map(|r| {
            let sum = |&(token, position): &(usize, usize)| {
                (0..D).map(|c| tokens[r][token * D + c] + positions[r][position * D + c]).collect::<Vec<_>>()
            };
            rows.iter().flat_map(sum).collect::<Vec<_>>()
        });
        let mut error = self.compare(out, &forward)?;

        // integers, so that sums in any order are exact
        let slopes = self.draw(n * D).map(|v| v.iter().map(|x| (8.0 * x).round()).collect::<Vec<_>>());
        for tied in [false, true] {
            let before =
                self.draw(vocabulary * D).map(|v| v.iter().map(|x| (8.0 * x).round()).collect::<Vec<_>>());
            let [from, d_tokens] = [self.put(&slopes)?, self.put(&before)?];
            let d_positions = self.place(n_ctx * D)?;
            let args = [Arg::At(from), Arg::At(d_tokens), Arg::At(d_positions), Arg::Int(tied.into())];
            let grid = Grid::elements((vocabulary + n_ctx) * D);
            self.launch(Kernel::embed_backward, (true, false), grid, &args)?;
            let mut sums = [0, 1, 2].map(|r| (before[r].clone(), vec![0f32; n_ctx * D]));
            for (r, (by_token, by_position)) in sums.iter_mut().enumerate() {
                let kept = if tied { V * D } else { 0 };
                by_token[kept..].fill(0.0);
                for (i, &(token, position)) in rows.iter().enumerate() {
                    for c in 0..D {
                        by_token[token * D + c] += slopes[r][i * D + c];
                        by_position[position * D + c] += slopes[r][i * D + c];
                    }
                }
            }
            error = error.max(self.compare(d_tokens, &sums.clone().map(|s| s.0))?);
            error = error.max(self.compare(d_positions, &sums.map(|s| s.1))?);
        }
        Ok(error)
    }

    fn start_sum(mut self) -> Checked {
        let n = symbol_rows(self.sequence, V) + 2 * ROWS;
        let (source, bias) = (self.draw(n * D), self.draw(D));
        let [from, b] = [self.put(&source)?, self.put(&bias)?];
        let mut error = 0f64;
        for (by_own, first, has_source, has_bias, vector) in [
            (true, true, true, true, 1),
            (true, false, true, false, 2),
            (false, false, true, true, 4),
            (false, false, false, true, 4),
        ] {
            let out = self.place(n * D)?;
            let at = |given: bool, at: usize| if given { Arg::At(at) } else { Arg::Null };
            let places = [Arg::At(self.packed), at(has_source, from), at(has_bias, b), Arg::At(out)];
            let sizes = [n as i32, D as i32, by_own.into(), vector].map(Arg::Int);
            let args = [places.as_slice(), &sizes].concat();
            self.launch(Kernel::start_sum, (first, false), Grid::elements(n * D / vector as usize), &args)?;
            let expected = [0, 1, 2].map(|r| {
                let mut rows = Rows::new(self.sequence, V);
                rows.set_batch(&self.padded(r));
                let outputs = rows.outputs(first, false);
                let value = |i: usize| {
                    let row = if by_own { outputs[i / D].own as usize } else { i / D };
                    let source = if has_source { source[r][row * D + i % D] } else { 0.0 };
                    source + if has_bias { bias[r][i % D] } else { 0.0 }
                };
                (0..n * D).map(value).collect::<Vec<_>>()
            });
            error = error.max(self.compare(out, &expected)?);
        }
        Ok(error)
    }

    fn multiply(mut self) -> Checked {
        let (a, b) = (self.draw(1000), self.draw(1000));
        let [out, by] = [self.put(&a)?, self.put(&b)?];
        let args = [Arg::At(out), Arg::At(by), Arg::Int(1000)];
        self.launch(Kernel::multiply, (false, false), Grid::elements(1000), &args)?;
        let expected = [0, 1, 2].map(|r| a[r].iter().zip(&b[r]).map(|(a, b)| a * b).collect());
        self.compare(out, &expected)
    }

    fn chunks(mut self) -> Checked {
        let (n, width) = (2 * CHUNK + 5, 150);
        let x = self.draw(n * width);
        let from = self.put(&x)?;
        let [partial, out] = [self.place(3 * width)?, self.place(width)?];
        let sizes = [n, width, CHUNK].map(|n| Arg::Int(n as i32));
        let args = [[Arg::At(from), Arg::At(partial)].as_slice(), &sizes].concat();
        self.launch(Kernel::chunk_sums, (false, false), Grid::blocks(3, 128), &args)?;
        let args = [Arg::At(partial), Arg::At(out), Arg::Int(3), Arg::Int(width as i32)];
        self.launch(Kernel::add_chunks, (false, false), Grid::elements(width), &args)?;
        let expected = [0, 1, 2].map(|r| {
            let sum = |c: usize| (0..n).map(|i| f64::from(x[r][i * width + c])).sum::<f64>() as f32;
            (0..width).map(sum).collect()
        });
        self.compare(out, &expected)
    }

    fn norm(mut self) -> Checked {
        let (arch, n) = (Arch::new(), CHUNK + 7);
        let chunks = n.div_ceil(CHUNK);
        let (x, affine, dy, before) =
            (self.draw(n * D), self.draw(2 * D), self.draw(n * D), self.draw(n * D));
        let [x_at, a_at, dy_at] = [self.put(&x)?, self.put(&affine)?, self.put(&dy)?];
        let [y_at, stats_at, partial, d_affine] =
            [self.place(n * D)?, self.place(2 * n)?, self.place(chunks * 2 * D)?, self.place(2 * D)?];
        let places = [x_at, a_at, y_at, stats_at].map(Arg::At);
        let args = [places.as_slice(), &[Arg::Int(n as i32)]].concat();
        self.launch(Kernel::norm_forward, (false, false), Grid::warps(n), &args)?;
        let mut error = 0f64;
        for add in [true, false] {
            let dx = self.put(&before)?;
            let places = [x_at, stats_at, a_at, dy_at, dx, partial].map(Arg::At);
            let sizes = [n, CHUNK, usize::from(add)].map(|n| Arg::Int(n as i32));
            let args = [places.as_slice(), &sizes].concat();
            self.launch(Kernel::norm_backward, (false, false), Grid::blocks(chunks, 32 * NORM_WARPS), &args)?;
            let args = [Arg::At(partial), Arg::At(d_affine), Arg::Int(chunks as i32), Arg::Int(2 * D as i32)];
            self.launch(Kernel::add_chunks, (false, false), Grid::elements(2 * D), &args)?;
            let expected = [0, 1, 2].map(|r| {
                let (mut y, mut stats) = (vec![0.0; n * D], vec![norm::Stats::default(); n]);
                norm::forward(arch, &x[r], &affine[r], &mut y, &mut stats);
                let mut slope = if add { before[r].clone() } else { vec![0.0; n * D] };
                let mut sums = vec![0.0; 2 * D];
                norm::backward(arch, (&x[r], &stats), &affine[r], &dy[r], &mut slope, &mut sums);
                (y, slope, sums)
            });
            for (at, expected) in [
                (y_at, expected.clone().map(|e| e.0)),
                (dx, expected.clone().map(|e| e.1)),
                (d_affine, expected.map(|e| e.2)),
            ] {
                error = error.max(self.compare(at, &expected)?);
            }
        }
        Ok(error)
    }

    fn activate(mut self, kind: Activation) -> Checked {
        let n = 4000;
        // from the far tail to the far tail
        let x = self.draw(n).map(|x| x.iter().map(|x| 8.0 * x).collect::<Vec<_>>());
        let (slope, out) = (self.put(&x)?, self.place(n)?);
        let gelu = i32::from(kind == Activation::Gelu);
        let args = [Arg::At(slope), Arg::At(out), Arg::Int(n as i32), Arg::Int(gelu)];
        self.launch(Kernel::activate, (false, false), Grid::elements(n), &args)?;
        let expected = x.map(|x| {
            let (mut derivative, mut value) = (x.clone(), vec![0.0; n]);
            activation::activate(Arch::new(), kind, &mut derivative, &mut value);
            (value, derivative)
        });
        let error = self.compare(out, &expected.clone().map(|e| e.0))?;
        Ok(error.max(self.compare(slope, &expected.map(|e| e.1))?))
    }

    fn attention(mut self, first: bool, last: bool, vector: usize) -> Checked {
        let (arch, heads) = (Arch::new(), Heads { n_heads: HEADS, d_head: D / HEADS });
        let rows = [0, 1, 2].map(|r| {
            let mut rows = Rows::new(self.sequence, V);
            rows.set_batch(&self.padded(r));
            rows
        });
        let (n_in, n_out) = (rows[0].n_inputs(first), rows[0].outputs(first, last).len());
        let queries = rows[0].queries(first, last);
        let (q, kv) = (self.draw(queries.len() * D), self.draw(n_in * 2 * D));
        let (mut d_out, mut d_sum) = (self.draw(n_out * D), self.draw(n_out * D));
        for r in 0..3 {
            // equations that are not in the batch have no gradient
            let symbols = if last { 0 } else { symbol_rows(self.sequence, V) };
            for i in (symbols..n_out).filter(|i| (i - symbols) % ROWS >= BATCHES[r]) {
                d_out[r][i * D..][..D].fill(0.0);
                d_sum[r][i * D..][..D].fill(0.0);
            }
        }
        let [q_at, kv_at, d_out_at, d_sum_at] =
            [self.put(&q)?, self.put(&kv)?, self.put(&d_out)?, self.put(&d_sum)?];
        let [weights, out, scores] =
            [self.place(n_out * HEADS * 4)?, self.place(n_out * D)?, self.place(n_out * HEADS * 4)?];
        let [d_q, d_kv, d_h] =
            [self.place(queries.len() * D)?, self.place(n_in * 2 * D)?, self.place(n_in * D)?];
        let pairs = attention_grid(n_out * HEADS, D / HEADS, vector);
        let sizes = [n_out as i32, vector as i32].map(Arg::Int);
        let places = [self.packed, q_at, kv_at, weights, out].map(Arg::At);
        self.launch(Kernel::attention_forward, (first, last), pairs, &[places.as_slice(), &sizes].concat())?;
        let places = [self.packed, kv_at, weights, d_out_at, scores].map(Arg::At);
        self.launch(Kernel::scores_backward, (first, last), pairs, &[places.as_slice(), &sizes].concat())?;
        let places =
            [self.packed, self.updates, q_at, kv_at, weights, scores, d_out_at, d_sum_at, d_q, d_kv, d_h]
                .map(Arg::At);
        for (inputs, rows, vector, grid) in Inputs::of_layer(first, (self.sequence, V, n_in), D, vector) {
            let range = [inputs as i32, rows as i32, vector as i32].map(Arg::Int);
            let args = [places.as_slice(), &range].concat();
            self.launch(inputs.kernel(), (first, last), grid, &args)?;
        }

        let expected = [0, 1, 2].map(|r| {
            let outputs = rows[r].outputs(first, last);
            let inputs = Projections { q: &q[r], kv: &kv[r], first_query: queries.start };
            let (mut weights, mut out) = (vec![0.0; n_out * HEADS * 4], vec![0.0; n_out * D]);
            attention::forward(arch, heads, outputs, inputs, &mut weights, &mut out);
            let (mut d_q, mut d_kv) = (vec![0.0; queries.len() * D], vec![0.0; n_in * 2 * D]);
            let given = (weights.as_slice(), d_out[r].as_slice());
            attention::backward(arch, heads, outputs, inputs, given, (&mut d_q, &mut d_kv));
            let mut d_h = vec![0.0; n_in * D];
            for (i, row) in outputs.iter().enumerate() {
                for c in 0..D {
                    d_h[row.own as usize * D + c] += d_sum[r][i * D + c];
                }
            }
            [weights, out, d_q, d_kv, d_h]
        });
        let mut error = 0f64;
        for (i, at) in [weights, out, d_q, d_kv, d_h].into_iter().enumerate() {
            error = error.max(self.compare(at, &[0, 1, 2].map(|r| expected[r][i].clone()))?);
        }
        Ok(error)
    }

    fn loss(mut self) -> Checked {
        let mut logits = self.draw(ROWS * V).map(|z| z.iter().map(|z| 5.0 * z).collect::<Vec<_>>());
        // a tie, and a row so certain that its loss is exactly zero
        let answer = usize::from(self.batches[0][1].answer);
        logits[0][..V].fill(1.0);
        logits[0][V + answer] = 500.0;
        let z_at = self.put(&logits)?;
        let [losses, flags, squares, counts, means] =
            [self.place(ROWS)?, self.place(ROWS)?, self.place(2 * ROWS)?, self.place(8)?, self.place(4)?];
        let stopped = self.place(4)?;
        let places = [self.packed, self.updates, z_at, losses, flags].map(Arg::At);
        let warps = Grid::warps(ROWS);
        let args = [places.as_slice(), &[Arg::At(squares), Arg::Int(0), Arg::Null]].concat();
        self.launch(Kernel::cross_entropy, (true, true), warps, &args)?;
        for r in 0..3 {
            self.gpu.clear(counts + 4 * r * STRIDE, 32)?;
        }
        let args = [self.updates, losses, flags, squares, counts].map(Arg::At);
        self.launch(Kernel::tally, (true, true), Grid::blocks(1, 128), &args)?;
        let args = [self.updates, losses, means, stopped].map(Arg::At);
        self.launch(Kernel::mean_loss, (true, true), Grid::blocks(1, 128), &args)?;
        let args = [places.as_slice(), &[Arg::Null, Arg::Int(1), Arg::Null]].concat();
        self.launch(Kernel::cross_entropy, (true, true), warps, &args)?;

        let means = self.get(means, 3, 0)?;
        let mut error = 0f64;
        for r in 0..3 {
            let n = BATCHES[r];
            let square: f64 = logits[r][..n * V].iter().map(|&z| f64::from(z) * f64::from(z)).sum();
            let mut tally = Tally::default();
            let mut slopes = logits[r].clone();
            slopes[n * V..].fill(0.0);
            cross_entropy(Arch::new(), &self.batches[r], &mut slopes[..n * V], 1.0 / n as f32, &mut tally);
            error = error.max(worst(&self.get(z_at, ROWS * V, r)?, &slopes));
            let e = tally.evaluation();
            let got = self.get_f64(counts, 4, r)?;
            if n == 0 {
                error = error.max(worst_f64(&got, &[0.0; 4]));
                continue;
            }
            let rows = n as f64;
            let expected = [e.loss * rows, e.accuracy * rows, e.zero_loss_share * rows, square];
            for (got, expected) in got.iter().zip(&expected) {
                error = error.max(worst_f64(&[*got], &[*expected]));
            }
            error = error.max(worst_f64(&[f64::from(means[r])], &[e.loss]));
        }
        Ok(error)
    }

    fn moments(mut self) -> Checked {
        let x = self.draw(ROWS * D);
        let from = self.put(&x)?;
        let [wide, sums, gram] = [self.place(2 * ROWS * D)?, self.place(2 * D)?, self.place(2 * D * D)?];
        for r in 0..3 {
            self.gpu.clear(sums + 4 * r * STRIDE, 8 * D)?;
            self.gpu.clear(gram + 4 * r * STRIDE, 8 * D * D)?;
        }
        let args = [self.updates, from, wide].map(Arg::At);
        self.launch(Kernel::widen, (false, true), Grid::elements(ROWS * D), &args)?;
        // twice: both are added to
        for _ in 0..2 {
            let columns = Grid::tiles(D.div_ceil(32), 1, (32, 8, 1));
            self.launch(Kernel::column_sums, (false, true), columns, &[Arg::At(wide), Arg::At(sums)])?;
            self.gpu.add_gram(gram, wide, [ROWS, D], (3, STRIDE / 2))?;
        }
        let mut error = 0f64;
        for r in 0..3 {
            let mut moments = Moments::new(D, 0);
            for _ in 0..2 {
                moments.add(&x[r][..BATCHES[r] * D], &[])?;
            }
            error = error.max(worst_f64(&self.get_f64(sums, D, r)?, &moments.sum));
            error = error.max(worst_f64(&self.get_f64(gram, D * D, r)?, &moments.gram));
        }
        Ok(error)
    }

    fn adamw(mut self) -> Checked {
        let model = ModelConfig { d_model: 10, d_mlp: 12, ..small_model(1) };
        let layout = ParamLayout::new(&model, V);
        let n = layout.len();
        let mut config = Preset::Paper.config("", 0.5, 0).optim;
        config.decay = Decay::Matrices;
        let mut decayed = vec![0u8; n.next_multiple_of(4)];
        for range in decayed_ranges(config.decay, &layout) {
            decayed[range].fill(1);
        }
        let [params, mut grads, mut m] = [self.draw(n), self.draw(n), self.draw(n)];
        let mut v = self.draw(n).map(|v| v.iter().map(|v| v.abs()).collect::<Vec<_>>());
        // every other gradient is so small that epsilon decides the step
        for (values, by) in [(&mut grads, 1e-9), (&mut m, 1e-9), (&mut v, 1e-18)] {
            values.iter_mut().flat_map(|values| values.iter_mut().step_by(2)).for_each(|value| *value *= by);
        }
        let [p_at, g_at, m_at, v_at] = [self.put(&params)?, self.put(&grads)?, self.put(&m)?, self.put(&v)?];
        let [d_at, stopped] = [self.place(n)?, self.place(4)?];
        self.gpu.upload(d_at, &decayed)?;
        // the first steps, the second has a loss that was not finite, the third has no batch
        self.gpu.upload(stopped, bytemuck::cast_slice(&[0i32, 1, 0]))?;
        let places = [self.updates, stopped, d_at, p_at, g_at, m_at, v_at].map(Arg::At);
        let args = [places.as_slice(), &[Arg::Int(n as i32)]].concat();
        self.launch(Kernel::adamw, (false, false), Grid::elements(n.div_ceil(4)), &args)?;
        let mut adamw = AdamW::new(&config, &layout);
        (adamw.m, adamw.v) = (m[0].clone(), v[0].clone());
        let mut updated = params[0].clone();
        adamw.update(&step(), &mut updated, &grads[0]);
        let mut error = 0f64;
        for (at, before, after) in [(p_at, &params, &updated), (m_at, &m, &adamw.m), (v_at, &v, &adamw.v)] {
            error = error.max(self.compare(at, &[after.clone(), before[1].clone(), before[2].clone()])?);
        }
        Ok(error)
    }

    fn products(mut self) -> Checked {
        let [n, inputs, outputs] = [37, 24, 50];
        let (x, w, dy) = (self.draw(n * inputs), self.draw(outputs * inputs), self.draw(n * outputs));
        let (y, dx) = (self.draw(n * outputs), self.draw(n * inputs));
        let [x_at, w_at, dy_at] = [self.put(&x)?, self.put(&w)?, self.put(&dy)?];
        let [y_at, dx_at, dw_at] = [self.put(&y)?, self.put(&dx)?, self.place(outputs * inputs)?];
        let matrix = |at: usize, width: usize| Matrix { at, width };
        let batch = (3, STRIDE);
        self.gpu.forward((matrix(y_at, outputs), 1.0), matrix(x_at, inputs), w_at, n, batch)?;
        self.gpu.backward_input((matrix(dx_at, inputs), 0.0), matrix(dy_at, outputs), w_at, n, batch)?;
        self.gpu.backward_weight(dw_at, matrix(dy_at, outputs), matrix(x_at, inputs), n, batch)?;
        let product = |len: usize,
                       [rows, columns]: [usize; 2],
                       a: &dyn Fn(usize, usize) -> f32,
                       b: &dyn Fn(usize, usize) -> f32| {
            let dot =
                |i: usize, j: usize| (0..len).map(|k| f64::from(a(i, k)) * f64::from(b(k, j))).sum::<f64>();
            (0..rows * columns).map(|ij| dot(ij / columns, ij % columns) as f32).collect::<Vec<_>>()
        };
        let expected = [0, 1, 2].map(|r| {
            let (x, w, dy) = (&x[r], &w[r], &dy[r]);
            let mut sum = product(inputs, [n, outputs], &|i, k| x[i * inputs + k], &|k, j| w[j * inputs + k]);
            sum.iter_mut().zip(&y[r]).for_each(|(sum, y)| *sum += y);
            let d_x = product(outputs, [n, inputs], &|i, k| dy[i * outputs + k], &|k, j| w[k * inputs + j]);
            let d_w = product(n, [outputs, inputs], &|i, k| dy[k * outputs + i], &|k, j| x[k * inputs + j]);
            [sum, d_x, d_w]
        });
        let mut error = 0f64;
        for (i, at) in [y_at, dx_at, dw_at].into_iter().enumerate() {
            error = error.max(self.compare(at, &[0, 1, 2].map(|r| expected[r][i].clone()))?);
        }
        Ok(error)
    }
}
