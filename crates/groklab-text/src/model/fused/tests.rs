//! Values and gradients of each operation against the ordinary ones in f64, beside what those do in f32.

use super::*;
use crate::model::{
    operations::{Rope, cross_entropy, rms_norm, softmax, unit_rms},
    tests::{DEVICE, ids, random},
};
use candle_core::{DType, Var};

type Op<'a> = &'a dyn Fn(&[Tensor]) -> Result<Tensor>;

/// Value, and the gradients of Σ value·wave by each input.
fn pass(op: Op, inputs: &[(Vec<usize>, Vec<f64>)], dtype: DType) -> Vec<Vec<f64>> {
    let vars: Vec<Var> = inputs
        .iter()
        .map(|(shape, values)| {
            let values = Tensor::from_slice(values, shape.as_slice(), &DEVICE).unwrap();
            // the same numbers in both precisions
            Var::from_tensor(&values.to_dtype(DType::F32).unwrap().to_dtype(dtype).unwrap()).unwrap()
        })
        .collect();
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let y = op(&tensors).unwrap();
    let wave = random(y.elem_count(), 1.0, 99);
    let wave = Tensor::from_vec(wave, y.shape(), &DEVICE).unwrap();
    let wave = wave.to_dtype(DType::F32).unwrap().to_dtype(dtype).unwrap();
    let store = (&y * wave).unwrap().sum_all().unwrap().backward().unwrap();
    let host = |t: &Tensor| t.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap();
    std::iter::once(host(&y)).chain(vars.iter().map(|var| host(store.get(var).unwrap()))).collect()
}

/// Errors at most four times those of ordinary operations in f32, or four roundings of the largest value.
fn check(what: &str, fused: Op, plain: Op, inputs: &[(Vec<usize>, Vec<f64>)]) {
    let exact = pass(plain, inputs, DType::F64);
    let (ours, theirs) = (pass(fused, inputs, DType::F32), pass(plain, inputs, DType::F32));
    for (i, exact) in exact.iter().enumerate() {
        let error = |found: &[f64]| found.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let largest = exact.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        let (ours, theirs) = (error(&ours[i]), error(&theirs[i]));
        assert!(
            ours <= (4.0 * theirs).max(2.4e-7 * largest),
            "{what}, {i}: {ours:e}, plain {theirs:e} of {largest}"
        );
    }
}

fn input(shape: &[usize], scale: f64, index: u64) -> (Vec<usize>, Vec<f64>) {
    (shape.to_vec(), random(shape.iter().product(), scale, index))
}

#[test]
fn linear_maps_are_those_of_candle() {
    for (case, [n, inputs, outputs]) in
        [[1, 1, 1], [3, 5, 2], [16, 64, 33], [130, 31, 257]].into_iter().enumerate()
    {
        let fused = |t: &[Tensor]| t[0].apply_op2(&t[1], Linear);
        let plain = |t: &[Tensor]| t[0].matmul(&t[1].t()?);
        let case = case as u64;
        let given = [input(&[n, inputs], 1.0, case), input(&[outputs, inputs], 0.5, case + 50)];
        check(&format!("{n} x {inputs} x {outputs}"), &fused, &plain, &given);
    }
}

#[test]
fn norms_are_those_of_candle() {
    for (case, [n, d]) in [[1, 3], [3, 2], [5, 37], [16, 64], [40, 129]].into_iter().enumerate() {
        let (epsilon, case) = (1e-6, case as u64);
        for scale in [1e-3, 1.0, 30.0] {
            let x = input(&[n, d], scale, case);
            let fused = |t: &[Tensor]| t[0].apply_op2(&t[1], Norm { epsilon });
            let plain = |t: &[Tensor]| rms_norm(&t[0], &t[1], epsilon);
            check(&format!("{n} x {d}, {scale}"), &fused, &plain, &[x.clone(), input(&[d], 0.3, case + 50)]);
            let fused = |t: &[Tensor]| t[0].apply_op1(UnitNorm { epsilon });
            check(&format!("{n} x {d}, {scale}"), &fused, &|t| unit_rms(&t[0], epsilon), &[x]);
        }
    }
}

#[test]
fn the_mlps_of_both_models_are_their_formulas() {
    for (case, [n, d]) in [[1, 9], [3, 7], [9, 64]].into_iter().enumerate() {
        let case = case as u64;
        for scale in [0.01, 1.0, 6.0] {
            let x = input(&[n, d], scale, case);
            let fused = |t: &[Tensor]| t[0].apply_op2(&t[1], GatedGelu);
            // candle's own backward pass of GELU has constants of six digits
            let plain = |t: &[Tensor]| {
                let u = ((&t[0] + (t[0].sqr()? * &t[0])?.affine(0.044715, 0.0)?)?
                    * (2.0 / std::f64::consts::PI).sqrt())?;
                ((&t[0] * 0.5)? * (u.tanh()? + 1.0)?)? * &t[1]
            };
            check(
                &format!("{n} x {d}, {scale}"),
                &fused,
                &plain,
                &[x.clone(), input(&[n, d], 1.0, case + 50)],
            );
            check(&format!("{n} x {d}"), &|t| t[0].apply_op1(ReluSquared), &|t| t[0].relu()?.sqr(), &[x]);
        }
    }
    let ends = Tensor::new(&[[-1e4f32, -100.0, 0.0, 100.0, 1e4]], &DEVICE).unwrap();
    let y = ends.apply_op2(&ends.ones_like().unwrap(), GatedGelu).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(y[0][2..], [0.0, 100.0, 1e4]);
    assert!(y[0][0].abs() < 1e-30 && y[0][1].abs() < 1e-30, "{y:?}");
}

#[test]
fn cross_entropy_is_that_of_candle() {
    for (case, [n, v]) in [[1, 1], [3, 2], [7, 13], [40, 512]].into_iter().enumerate() {
        for scale in [0.1, 3.0, 60.0] {
            let targets = ids(n, v as u32, case as u64);
            let tensor = Tensor::from_slice(&targets, n, &DEVICE).unwrap();
            let fused = |t: &[Tensor]| t[0].apply_op1(CrossEntropy { targets: targets.clone() });
            let plain = |t: &[Tensor]| cross_entropy(&t[0], &tensor);
            check(&format!("{n} x {v}, {scale}"), &fused, &plain, &[input(&[n, v], scale, case as u64)]);
        }
    }
    // equal logits: ln V to the last bit, also of a mean over many
    let zeros = Tensor::zeros((4_096, 256), DType::F32, &DEVICE).unwrap();
    let loss = zeros.apply_op1(CrossEntropy { targets: vec![7; 4_096] }).unwrap();
    assert_eq!(loss.to_scalar::<f32>().unwrap(), 256f64.ln() as f32);
    let wrong = zeros.apply_op1(CrossEntropy { targets: vec![256; 4_096] }).unwrap_err().to_string();
    assert!(wrong.starts_with("4096 targets do not fit"), "{wrong}");
}

/// One head in its own ordinary operations, so that no reshaping is shared with the model.
fn plain_attention(
    t: &[Tensor],
    [heads, length, d]: [usize; 3],
    rope: Option<&Rope>,
    norm: Option<f64>,
) -> Result<Tensor> {
    let mask: Vec<f64> =
        (0..length * length).map(|i| if i % length > i / length { -1e30 } else { 0.0 }).collect();
    let mask = Tensor::from_vec(mask, (length, length), &DEVICE)?.to_dtype(t[0].dtype())?;
    let mut sequences = Vec::new();
    for start in (0..t[0].dim(0)?).step_by(length) {
        let mut parts = Vec::new();
        for head in 0..heads {
            let part = |x: &Tensor| x.narrow(0, start, length)?.narrow(1, head * d, d)?.contiguous();
            let compared = |x: &Tensor| {
                let x = part(x)?;
                let x = norm.map_or(Ok(x.clone()), |epsilon| unit_rms(&x, epsilon))?;
                rope.map_or(Ok(x.clone()), |rope| rope.apply(&x))
            };
            let scores = (compared(&t[0])?.matmul(&compared(&t[1])?.t()?)? / (d as f64).sqrt())?;
            parts.push(softmax(&scores.broadcast_add(&mask)?)?.matmul(&part(&t[2])?)?);
        }
        sequences.push(Tensor::cat(&parts, 1)?);
    }
    Tensor::cat(&sequences, 0)
}

#[test]
fn attention_is_that_of_every_head_apart() {
    let sizes = [[1, 1, 1, 2], [2, 2, 6, 4], [3, 1, 9, 6], [1, 3, 33, 16], [2, 2, 17, 10]];
    for (case, [rows, heads, length, d]) in sizes.into_iter().enumerate() {
        for (rotary, norm) in [(false, None), (true, None), (true, Some(1e-6)), (false, Some(1e-6))] {
            let rope = |dtype| Rope::new(length, d, 10_000.0, dtype, &DEVICE).unwrap();
            let turns = rotary.then(|| rope(DType::F32).turns);
            let fused = |t: &[Tensor]| {
                t[0].apply_op3(&t[1], &t[2], Attention { heads, length, turns: turns.clone(), norm })
            };
            let plain = |t: &[Tensor]| {
                plain_attention(t, [heads, length, d], rotary.then(|| rope(t[0].dtype())).as_ref(), norm)
            };
            let part = |i| input(&[rows * length, heads * d], 1.5, 100 * case as u64 + i);
            check(
                &format!("{rows} {heads} {length} {d} {rotary} {norm:?}"),
                &fused,
                &plain,
                &[part(0), part(1), part(2)],
            );
        }
    }
}

#[test]
fn tensors_with_gaps_are_refused() {
    let x = Tensor::zeros((4, 6), DType::F32, &DEVICE).unwrap();
    let gaps = x.narrow(1, 0, 3).unwrap();
    let message = gaps.apply_op1(ReluSquared).unwrap_err().to_string();
    assert!(message.contains("with gaps"), "{message}");
}
