//! Every matrix of a model: tensors of two dimensions as they are, slices of experts, kernels of convolutions, and
//! quantised weights with their scales; and a reason for each tensor that is none of these.

use super::{
    Catalog, Element, Layout, Matrix, Named, Tensor, TensorError, layout,
    matrix::Part,
    quantised::{self, Quantised},
};
use std::collections::BTreeSet;

/// A matrix of weights that a file holds, whole or as a part of a tensor, plain or quantised.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct View<'a> {
    /// The tensor's name; of a slice with its index, `experts.gate_up_proj[3]`; of a quantised layer the layer's.
    pub name: String,
    /// The tensor that holds the numbers.
    pub tensor: &'a Tensor,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// How the matrix was made, if it is not a tensor as it stands.
    pub note: Option<String>,
    /// Which of its sides its inputs are on, as its name says or the way it was made; None if nothing says so.
    pub layout: Option<Named>,
    source: Source<'a>,
}

#[derive(Clone, Debug)]
enum Source<'a> {
    Stored(Element, Part),
    Quantised(Quantised<'a>),
}

/// The matrices of a catalog, and the tensors that are none with the reason.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Matrices<'a> {
    /// In the order of the files and their data.
    pub views: Vec<View<'a>>,
    /// In the same order.
    pub skipped: Vec<(&'a Tensor, String)>,
}

impl View<'_> {
    /// Opens it; its rows run along the second of its dimensions, or along the first if `transposed`.
    ///
    /// # Errors
    /// If a file cannot be read, or scales are not finite.
    pub fn open(&self, transposed: bool) -> Result<Matrix<'_>, TensorError> {
        match &self.source {
            Source::Stored(element, part) => Matrix::part(self.tensor, *element, *part, transposed),
            Source::Quantised(quantised) => {
                let [rows, columns] = self.shape;
                Ok(Matrix::computed(self.tensor, quantised.numbers()?, (rows, columns), transposed))
            }
        }
    }

    /// How its numbers are stored; f32 if they are computed.
    pub fn element(&self) -> Element {
        match &self.source {
            Source::Stored(element, _) => *element,
            Source::Quantised(_) => Element::F32,
        }
    }
}

impl<'a> Matrices<'a> {
    /// The one matrix made of `tensor`.
    ///
    /// # Errors
    /// If it is none, with the reason, or holds several.
    pub fn of(&'a self, tensor: &Tensor) -> Result<&'a View<'a>, TensorError> {
        let of_it: Vec<&View> = self.views.iter().filter(|view| view.tensor.name == tensor.name).collect();
        match of_it[..] {
            [view] => Ok(view),
            [first, .., last] => Err(tensor.unfit(format!(
                "holds {} matrices: name one of them, {} to {}",
                of_it.len(),
                first.name,
                last.name
            ))),
            [] => {
                let reason = self.skipped.iter().find(|(skipped, _)| skipped.name == tensor.name);
                Err(tensor.unfit(reason.map_or("is no matrix", |(_, reason)| reason)))
            }
        }
    }
}

impl Catalog {
    /// Everything that is a matrix, and why the rest is not.
    pub fn matrices(&self) -> Matrices<'_> {
        let mut found = Matrices { views: Vec::new(), skipped: Vec::new() };
        let groups = quantised::groups(self.tensors());
        let parts: BTreeSet<&str> = groups.iter().flat_map(|g| &g.parts).map(|t| t.name.as_str()).collect();
        for tensor in self.tensors() {
            if let Some(group) = groups.iter().find(|group| group.parts[0].name == tensor.name) {
                match &group.found {
                    Ok((quantised, shape, note)) => found.views.push(View {
                        name: group.name.clone(),
                        tensor,
                        shape: *shape,
                        note: Some(note.clone()),
                        layout: match quantised {
                            Quantised::Packed { .. } => made(Layout::InOut, "GPTQ and AWQ"),
                            Quantised::Scaled { .. } => layout(tensor, self.tensors()),
                        },
                        source: Source::Quantised(*quantised),
                    }),
                    Err(reason) => found.skipped.push((tensor, reason.clone())),
                }
            } else if parts.contains(tensor.name.as_str()) {
                // with the weights they belong to: read with them, or skipped for the same reason
                if let Some(Err(reason)) = groups.iter().find(|g| g.has(tensor)).map(|group| &group.found) {
                    found.skipped.push((tensor, reason.clone()));
                }
            } else {
                match stored(tensor, self.tensors()) {
                    Ok(views) => found.views.extend(views),
                    Err(reason) => found.skipped.push((tensor, reason)),
                }
            }
        }
        found
    }
}

/// The matrices of a tensor that needs no other.
fn stored<'a>(tensor: &'a Tensor, all: &[Tensor]) -> Result<Vec<View<'a>>, String> {
    let (element, rows, columns) = tensor.as_rows().map_err(|reason| reason.to_string())?;
    let unscaled = matches!(element, Element::F8E4m3 | Element::F8E5m2)
        .then(|| "8-bit floats as they stand: there are no scales beside them".to_owned());
    let view = |name: String, shape: [usize; 2], note: Option<String>, layout, (first, step)| View {
        name,
        tensor,
        shape,
        note: match (note, &unscaled) {
            (Some(note), Some(unscaled)) => Some(format!("{note}; {unscaled}")),
            (note, unscaled) => note.or_else(|| unscaled.clone()),
        },
        layout,
        source: Source::Stored(
            element,
            Part { first, step, rows: shape[0], columns: shape[1], row_major: !tensor.fortran_order },
        ),
    };
    let shape = &tensor.shape;
    match shape[..] {
        [_] => Err(tensor.as_matrix().map_or_else(|reason| reason.to_string(), |_| String::new())),
        [_, _] => Ok(vec![view(tensor.name.clone(), [rows, columns], None, layout(tensor, all), (0, 1))]),
        [slices, m, n] if !is_convolution(&tensor.name) => Ok((0..slices)
            .map(|i| {
                let note = format!("a slice of {shape:?}, along the first dimension");
                let place = if tensor.fortran_order { (i, slices) } else { (i * m * n, 1) };
                // of experts one library keeps what another turns; of attention heads the name says it
                let said = layout(tensor, all).filter(|_| tensor.name.contains("W_"));
                view(format!("{}[{i}]", tensor.name), [m, n], Some(note), said, place)
            })
            .collect()),
        _ => {
            let first = shape[0];
            let rest = shape[1..].iter().product();
            let name = tensor.name.to_lowercase();
            let is_turned = ["transpose", "deconv", "convt"].iter().any(|word| name.contains(word));
            // the order of columns is that of the file, which no spectrum depends on
            let sides = match (is_turned, tensor.fortran_order) {
                (true, false) => "(inputs, outputs·kernel)",
                (true, true) => "(inputs, kernel·outputs)",
                (false, false) => "(outputs, inputs·kernel)",
                (false, true) => "(outputs, kernel·inputs)",
            };
            let note = format!("kernel {shape:?} of a convolution, reshaped to {sides}");
            let side = if is_turned { Layout::InOut } else { Layout::OutIn };
            Ok(vec![view(tensor.name.clone(), [first, rest], Some(note), made(side, "convolutions"), (0, 1))])
        }
    }
}

fn made(layout: Layout, convention: &'static str) -> Option<Named> {
    Some(Named { layout, convention, is_certain: true })
}

/// Of three dimensions, whether they are those of a convolution in one dimension, and not matrices side by side.
fn is_convolution(name: &str) -> bool {
    name.to_lowercase().contains("conv")
}
