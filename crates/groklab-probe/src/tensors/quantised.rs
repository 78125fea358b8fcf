//! Weights in eight bits or fewer, with the scales that make numbers of them.
//!
//! Promises: only layouts that their makers document are read; of any other the weights and all that belongs to them are
//! skipped together, with the reason, since weights without their scales are wrong numbers that look right.
//!
//! | layout | W | source |
//! |---|---|---|
//! | blocks of 128 × 128 | q · s\[i/128, j/128\] | DeepSeek-V3's `README_WEIGHTS.md`, `weight_scale_inv` |
//! | a tensor, or a row | q · s or q · s\[i\] | compressed-tensors, `weight_scale` |
//! | a row, 8-bit integers | q · s\[i\] / 127 | bitsandbytes' `SCB`, LLM.int8() |
//! | GPTQ | (q − z − 1) · s\[group\], packed along the inputs | AutoGPTQ, format `gptq` (v1) |
//! | AWQ | (q − z) · s\[group\], packed along the outputs in the order 0 2 4 6 1 3 5 7 | AutoAWQ, GEMM |

use super::{Element, Tensor, TensorError};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{Read, Seek, SeekFrom},
};

/// Edge of DeepSeek's blocks.
const BLOCK: usize = 128;
/// Where AWQ keeps the eight outputs of a word of four-bit numbers.
const AWQ_ORDER: [usize; 8] = [0, 4, 1, 5, 2, 6, 3, 7];

/// Weights and what belongs to them.
pub(super) struct Group<'a> {
    /// The layer.
    pub(super) name: String,
    /// The weights first.
    pub(super) parts: Vec<&'a Tensor>,
    /// How to read them, their shape and what to say of it; else why not.
    pub(super) found: Result<(Quantised<'a>, [usize; 2], String), String>,
}

/// Weights that can be made numbers of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Quantised<'a> {
    /// q · s, with a scale for each block of so many rows and columns, times a factor.
    Scaled { weights: &'a Tensor, scales: &'a Tensor, block: (usize, usize), factor: f32 },
    /// Packed integers with zeros and scales for groups of inputs.
    Packed {
        weights: &'a Tensor,
        zeros: &'a Tensor,
        scales: &'a Tensor,
        groups: Option<&'a Tensor>,
        bits: usize,
        is_awq: bool,
    },
}

impl Group<'_> {
    /// Whether `tensor` is one of its parts.
    pub(super) fn has(&self, tensor: &Tensor) -> bool {
        self.parts.iter().any(|part| part.name == tensor.name)
    }
}

/// The quantised layers among `tensors`.
pub(super) fn groups(tensors: &[Tensor]) -> Vec<Group<'_>> {
    let by_name: BTreeMap<&str, &Tensor> = tensors.iter().map(|t| (t.name.as_str(), t)).collect();
    let get = |name: String| by_name.get(name.as_str()).copied();
    let mut groups = Vec::new();
    for tensor in tensors {
        if let Some(layer) = tensor.name.strip_suffix(".qweight") {
            let part = |name: &str| get(format!("{layer}.{name}"));
            let (zeros, scales, index) = (part("qzeros"), part("scales"), part("g_idx"));
            let parts = [Some(tensor), zeros, scales, index, part("bias")];
            // a bias is a vector of its own, not a part of what is packed
            let parts = parts[..4].iter().flatten().copied().collect();
            let found = packed(tensor, zeros, scales, index);
            groups.push(Group { name: layer.to_owned(), parts, found });
        } else if matches!(tensor.dtype.as_str(), "I8" | "F8_E4M3" | "F8_E5M2") && tensor.shape.len() == 2 {
            let layer = tensor.name.strip_suffix("weight").unwrap_or(&tensor.name);
            let scales = get(format!("{}_scale_inv", tensor.name))
                .or_else(|| get(format!("{}_scale", tensor.name)))
                .or_else(|| get(format!("{layer}scale_weight")))
                .or_else(|| get(format!("{layer}qscale_weight")));
            let zero_point = get(format!("{}_zero_point", tensor.name));
            let rows = get(format!("{layer}SCB"));
            let Some(given) = scales.or(rows) else { continue };
            let parts = [Some(tensor), Some(given), zero_point].into_iter().flatten().collect();
            let found = match zero_point {
                Some(_) => Err(format!("has type {} with a zero point, which is not read", tensor.dtype)),
                None => scaled(tensor, given, rows.is_some()),
            };
            groups.push(Group { name: tensor.name.clone(), parts, found });
        }
    }
    let taken: BTreeSet<&str> = groups.iter().flat_map(|g| &g.parts).map(|t| t.name.as_str()).collect();
    let rest: Vec<&Tensor> = tensors.iter().filter(|t| !taken.contains(t.name.as_str())).collect();
    groups.extend(unread(&rest));
    groups
}

/// Weights packed in layouts that are not read, each with what belongs to it: scales are floats, and would pass for
/// matrices of the model.
fn unread<'a>(tensors: &[&'a Tensor]) -> Vec<Group<'a>> {
    let mut found: BTreeMap<&str, Group> = BTreeMap::new();
    for &tensor in tensors {
        let Some(owner) = Owner::of(&tensor.name) else { continue };
        let are_weights = |t: &&&Tensor| owner.is(&t.name) && Owner::of(&t.name).is_none();
        let is_matrix = |t: &Tensor| t.shape.len() > 1 && t.element.is_some();
        let mut weights = tensors.iter().filter(are_weights);
        if let Some(&packed) = weights.clone().find(|t| is_packed(&t.dtype)) {
            let group = found.entry(&packed.name).or_insert_with(|| Group {
                name: packed.name.clone(),
                parts: vec![packed],
                found: Err(format!(
                    "is packed as {} {:?}, in a layout that is not read: left alone with its scales",
                    packed.dtype, packed.shape
                )),
            });
            group.parts.push(tensor);
        } else if is_matrix(tensor) && owner.is_unmistakable && !weights.any(|t| is_matrix(t)) {
            found.entry(&tensor.name).or_insert_with(|| Group {
                name: tensor.name.clone(),
                parts: vec![tensor],
                found: Err("is called like the scales of weights that are not in these files".into()),
            });
        }
    }
    found.into_values().collect()
}

/// What something belongs to that is called like a part of quantised weights.
struct Owner<'a> {
    /// The weights' own name, or that of their layer.
    name: &'a str,
    is_layer: bool,
    /// Whether nothing else is called so.
    is_unmistakable: bool,
}

impl<'a> Owner<'a> {
    /// By the names that makers of quantised weights give to what belongs to them.
    fn of(name: &'a str) -> Option<Self> {
        /// After the name of the layer.
        const IN_LAYER: [&str; 11] = [
            "scales",
            "qzeros",
            "qscale_weight",
            "scale_weight",
            "g_idx",
            "SCB",
            "absmax",
            "quant_map",
            "scale",
            "zero",
            "zeros",
        ];
        /// After the name of the weights.
        const AFTER: [&str; 8] = [
            "_scale_inv",
            "_global_scale",
            "_scale_2",
            "_scales",
            "_scale",
            "_zero_point",
            "_zeros",
            "_g_idx",
        ];
        let (layer, last) = name.rsplit_once('.').unwrap_or(("", name));
        if let Some(at) = IN_LAYER.iter().position(|known| *known == last) {
            return (!layer.is_empty()).then_some(Self {
                name: layer,
                is_layer: true,
                is_unmistakable: at < 4,
            });
        }
        let weights = AFTER.iter().find_map(|end| name.strip_suffix(end))?;
        let is_named = !weights.is_empty() && !weights.ends_with('.');
        is_named.then_some(Self {
            name: weights,
            is_layer: false,
            is_unmistakable: weights.ends_with("weight"),
        })
    }

    /// Whether weights called `name` are those: the name itself, with `_packed` or the like after it, or a tensor of the
    /// layer.
    fn is(&self, name: &str) -> bool {
        match name.strip_prefix(self.name) {
            Some("") => true,
            Some(end) if self.is_layer => end.strip_prefix('.').is_some_and(|last| !last.contains('.')),
            Some(end) => end.starts_with('_') && !end.contains('.'),
            None => false,
        }
    }
}

/// Whether numbers of this type are weights only together with something else.
fn is_packed(dtype: &str) -> bool {
    matches!(dtype, "I8" | "U8" | "I16" | "U16" | "I32" | "U32" | "F4")
        || dtype.starts_with("F8_")
        || dtype.starts_with("F6_")
}

type Found<'a> = Result<(Quantised<'a>, [usize; 2], String), String>;

fn scaled<'a>(weights: &'a Tensor, scales: &'a Tensor, is_bitsandbytes: bool) -> Found<'a> {
    let [m, n] = weights.shape[..] else { return Err("is no matrix".into()) };
    let shape = &scales.shape;
    let count: usize = shape.iter().product();
    let grid = [m.div_ceil(BLOCK), n.div_ceil(BLOCK)];
    let (block, layout) = match count {
        0 => return Err("has scales that are empty".into()),
        1 if m > 1 => ((m, n), "one scale".to_owned()),
        _ if count == m && shape.first() == Some(&m) => ((1, n), "a scale for each row".to_owned()),
        _ if shape[..] == grid => ((BLOCK, BLOCK), format!("a scale for each {BLOCK} × {BLOCK} block")),
        _ => {
            return Err(format!(
                "has type {} and scales of shape {shape:?}, which are neither one, nor one for each of {m} rows, nor {grid:?} \
                 for blocks of {BLOCK} × {BLOCK}",
                weights.dtype
            ));
        }
    };
    if scales.element.is_none() {
        return Err(format!("has scales of type {}, which is not read", scales.dtype));
    }
    if is_bitsandbytes && (weights.dtype != "I8" || block != (1, n)) {
        return Err("has scales called SCB that are not those of bitsandbytes".into());
    }
    let factor = if is_bitsandbytes { 1.0 / 127.0 } else { 1.0 };
    let note = format!("dequantised from {}, {layout}", weights.dtype);
    Ok((Quantised::Scaled { weights, scales, block, factor }, [m, n], note))
}

fn packed<'a>(
    weights: &'a Tensor,
    zeros: Option<&'a Tensor>,
    scales: Option<&'a Tensor>,
    groups: Option<&'a Tensor>,
) -> Found<'a> {
    let (Some(zeros), Some(scales)) = (zeros, scales) else {
        return Err("is packed, without the qzeros and scales of GPTQ and AWQ".into());
    };
    let (&[rows, columns], &[z_rows, z_columns], &[s_rows, outputs]) =
        (&weights.shape[..], &zeros.shape[..], &scales.shape[..])
    else {
        return Err("is packed, with qzeros or scales that are no matrices".into());
    };
    if weights.dtype != "I32" || zeros.dtype != "I32" || scales.element.is_none() {
        return Err("is packed in other types than GPTQ and AWQ use".into());
    }
    let bits = (32 * z_columns).checked_div(outputs).unwrap_or(0);
    if !matches!(bits, 2 | 4 | 8) || 32 * z_columns != bits * outputs || z_rows != s_rows || s_rows == 0 {
        return Err(format!(
            "is packed with qzeros {:?} for scales {:?}, which is not read",
            zeros.shape, scales.shape
        ));
    }
    let is_awq = columns != outputs;
    let inputs = if is_awq { rows } else { rows * 32 / bits };
    let fits = if is_awq { columns * 32 == outputs * bits && bits == 4 } else { true };
    let in_groups = match groups {
        Some(groups) => groups.dtype == "I32" && groups.shape[..] == [inputs],
        None => inputs.is_multiple_of(s_rows),
    };
    if !fits || !in_groups || inputs == 0 {
        return Err(format!("is packed as {:?}, which fits neither GPTQ nor AWQ", weights.shape));
    }
    let how = if is_awq { "AWQ" } else { "GPTQ (v1, zeros less one)" };
    let note =
        format!("dequantised from {how}, {bits} bits, {s_rows} groups of inputs, read as (inputs, outputs)");
    Ok((Quantised::Packed { weights, zeros, scales, groups, bits, is_awq }, [inputs, outputs], note))
}

impl Quantised<'_> {
    /// The weights, row-major.
    pub(super) fn numbers(&self) -> Result<Vec<f32>, TensorError> {
        match *self {
            Self::Scaled { weights, scales, block, factor } => {
                let bytes = bytes(weights, 1)?;
                let mut numbers = vec![0f32; bytes.len()];
                match weights.element {
                    Some(element) => element.decode(&bytes, &mut numbers),
                    None => numbers.iter_mut().zip(&bytes).for_each(|(v, &b)| *v = f32::from(b as i8)),
                }
                let scales = floats(scales)?;
                let n = weights.shape[1];
                let across = n.div_ceil(block.1);
                for (i, row) in numbers.chunks_exact_mut(n).enumerate() {
                    for (j, v) in row.iter_mut().enumerate() {
                        *v *= scales[i / block.0 * across + j / block.1] * factor;
                    }
                }
                Ok(numbers)
            }
            Self::Packed { weights, zeros, scales: scale, groups, bits, is_awq } => {
                let (q, z, s) = (words(weights)?, words(zeros)?, floats(scale)?);
                let outputs = scale.shape[1];
                let inputs = if is_awq { weights.shape[0] } else { weights.shape[0] * 32 / bits };
                let group_of: Vec<usize> = match groups {
                    Some(groups) => words(groups)?.into_iter().map(|g| g as usize).collect(),
                    None => (0..inputs).map(|i| i / (inputs / scale.shape[0])).collect(),
                };
                if let Some(g) = group_of.iter().find(|&&g| g >= scale.shape[0]) {
                    let reason = format!("refers to the group {g}, and there are {}", scale.shape[0]);
                    return Err(groups.unwrap_or(weights).unfit(reason));
                }
                let (per, mask) = (32 / bits, (1u32 << bits) - 1);
                let along = |word: u32, at: usize| (word >> (bits * at) & mask) as f32;
                let place = |j: usize| if is_awq { AWQ_ORDER[j % per] } else { j % per };
                let zero = |g: usize, j: usize| along(z[g * (outputs / per) + j / per], place(j));
                let mut numbers = Vec::with_capacity(inputs * outputs);
                for (i, &g) in group_of.iter().enumerate() {
                    for j in 0..outputs {
                        let (value, shift) = if is_awq {
                            (along(q[i * (outputs / per) + j / per], place(j)), 0.0)
                        } else {
                            (along(q[i / per * outputs + j], i % per), 1.0)
                        };
                        numbers.push((value - (zero(g, j) + shift)) * s[g * outputs + j]);
                    }
                }
                Ok(numbers)
            }
        }
    }
}

/// All bytes of a tensor whose numbers take `size` each.
fn bytes(tensor: &Tensor, size: usize) -> Result<Vec<u8>, TensorError> {
    // the product fits: it was checked against the file's length
    let mut bytes = vec![0; tensor.shape.iter().product::<usize>() * size];
    let read = File::open(tensor.path.as_ref()).and_then(|mut file| {
        file.seek(SeekFrom::Start(tensor.start)).and_then(|_| file.read_exact(&mut bytes))
    });
    read.map(|()| bytes).map_err(TensorError::read(&tensor.path))
}

fn words(tensor: &Tensor) -> Result<Vec<u32>, TensorError> {
    Ok(bytes(tensor, 4)?.as_chunks::<4>().0.iter().map(|&b| u32::from_le_bytes(b)).collect())
}

fn floats(tensor: &Tensor) -> Result<Vec<f32>, TensorError> {
    let element = tensor.element.unwrap_or(Element::F32);
    let bytes = bytes(tensor, element.size())?;
    let mut numbers = vec![0f32; bytes.len() / element.size()];
    element.decode(&bytes, &mut numbers);
    Ok(numbers)
}
