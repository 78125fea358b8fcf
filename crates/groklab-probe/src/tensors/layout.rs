//! Which side of a weight matrix its inputs lie on, as far as the tensor's name says so.
//!
//! A layer y = W x with W (outputs, inputs) is how PyTorch's `nn.Linear` keeps it. Others keep the transpose: GPT-2's
//! Conv1D, TransformerLens, Keras and Flax. A square matrix shows neither, and a width that fits by accident must not
//! decide against a name: names come first here, and a name that two conventions share is said to be a guess.

use super::Tensor;

/// How a weight matrix lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// (outputs, inputs).
    OutIn,
    /// (inputs, outputs).
    InOut,
}

/// What a name says about the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The layout.
    pub layout: Layout,
    /// Whose convention the name follows.
    pub convention: &'static str,
    /// Whether nobody is known to use the name with the other layout.
    pub is_certain: bool,
}

const LINEAR: Named =
    Named { layout: Layout::OutIn, convention: "PyTorch's nn.Linear and nn.Embedding", is_certain: true };
const CONV1D: Named = Named { layout: Layout::InOut, convention: "GPT-2's Conv1D", is_certain: true };
const LENS: Named = Named { layout: Layout::InOut, convention: "TransformerLens", is_certain: true };
const KERNEL: Named =
    Named { layout: Layout::InOut, convention: "the kernels of Keras and Flax", is_certain: true };

/// Names of GPT-2's layers, which nanoGPT and GPT-Neo use too, but for `nn.Linear`.
const GPT2: [&str; 4] = ["c_attn", "c_proj", "c_fc", "q_attn"];

/// What the name of `tensor` says; None if it says nothing. `all` are the tensors it lies among: of names that Conv1D and
/// `nn.Linear` share, the shape of a neighbour in the same block tells which it is.
pub fn layout(tensor: &Tensor, all: &[Tensor]) -> Option<Named> {
    // Keras writes `dense/kernel:0`
    let name = tensor.name.split(':').next().unwrap_or_default();
    let mut parts = name.rsplit(['.', '/']);
    let last = parts.next().unwrap_or_default();
    match last {
        "kernel" => return Some(KERNEL),
        "W_U" | "W_E" | "W_pos" | "W_Q" | "W_K" | "W_V" | "W_O" | "W_in" | "W_out" | "W_gate" => {
            return Some(LENS);
        }
        _ => {}
    }
    // recurrent layers and attention of PyTorch: weight_ih, weight_hh_l0, in_proj_weight
    if ["weight_ih", "weight_hh", "in_proj_weight"].iter().any(|name| last.starts_with(name)) {
        return Some(LINEAR);
    }
    let layer = if last == "weight" { parts.next()? } else { last };
    if GPT2.contains(&layer) {
        return Some(of_gpt2(tensor, layer, all));
    }
    (last == "weight").then_some(LINEAR)
}

/// Conv1D or `nn.Linear`: c_attn makes three of one, c_fc four of one, in the block of `tensor` or any other.
fn of_gpt2(tensor: &Tensor, layer: &str, all: &[Tensor]) -> Named {
    let widens = |t: &&Tensor| {
        let name = t.name.strip_suffix(".weight").unwrap_or(&t.name);
        name.ends_with("c_attn") || name.ends_with("c_fc")
    };
    let shown = |t: &Tensor| match t.shape[..] {
        [inputs, outputs] if inputs < outputs => Some(CONV1D),
        [outputs, inputs] if outputs > inputs => Some(LINEAR),
        _ => None,
    };
    let itself = Some(tensor).filter(|_| layer == "c_attn" || layer == "c_fc");
    let others = all.iter().filter(widens);
    itself.into_iter().chain(others).find_map(shown).unwrap_or(Named { is_certain: false, ..CONV1D })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{path::PathBuf, sync::Arc};

    fn tensor(name: &str, shape: [usize; 2]) -> Tensor {
        Tensor {
            name: name.into(),
            path: Arc::new(PathBuf::new()),
            dtype: "F32".into(),
            element: None,
            shape: shape.into(),
            fortran_order: false,
            big_endian: false,
            start: 0,
        }
    }

    #[test]
    fn names_say_how_a_matrix_lies() {
        let said =
            |name: &str| layout(&tensor(name, [8, 8]), &[]).map(|named| (named.layout, named.is_certain));
        for name in
            ["lm_head.weight", "model.layers.0.mlp.up_proj.weight", "lstm.weight_hh_l0", "a.in_proj_weight"]
        {
            assert_eq!(said(name), Some((Layout::OutIn, true)), "{name}");
        }
        for name in ["unembed.W_U", "W_E", "dense/kernel:0", "params.lm_head.kernel"] {
            assert_eq!(said(name), Some((Layout::InOut, true)), "{name}");
        }
        assert_eq!(said("h.0.attn.c_proj.weight"), Some((Layout::InOut, false)));
        for name in ["w", "square", "experts.gate_up_proj", "h.0.attn.c_proj.bias"] {
            assert_eq!(said(name), None, "{name}");
        }
    }

    #[test]
    fn a_neighbour_tells_conv1d_from_linear() {
        let square = tensor("h.0.attn.c_proj.weight", [8, 8]);
        for (shape, expected) in [([8, 24], Layout::InOut), ([24, 8], Layout::OutIn)] {
            let all = [tensor("h.0.attn.c_attn.weight", shape), square.clone()];
            let named = layout(&square, &all).unwrap();
            assert_eq!((named.layout, named.is_certain), (expected, true));
            assert_eq!(layout(&all[0], &[]).unwrap().layout, expected);
        }
    }
}
