//! Which matrix is probed, and which of its sides reads the inputs: by name first, and never by a guess without a word.

use super::outcome::Skipped;
use crate::tensors::{Catalog, Head, Layout, Matrices, Named, TensorError, View};

/// A matrix, and why this one.
pub(super) struct Chosen<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) because: Because,
}

/// Why these weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// They were named, are called like an unembedding, or are all there is.
    Meant,
    /// A token embedding is taken for the unembedding.
    Tied,
    /// The file has other tensors, but no other matrix. In a shard it need not be the head.
    OnlyMatrix,
}

impl Because {
    pub(super) fn remark(self) -> Option<&'static str> {
        match self {
            Self::Meant => None,
            Self::Tied => Some("no unembedding found: the token embedding is taken for one (tied heads)"),
            Self::OnlyMatrix => Some("no unembedding found by its name: this is the only matrix there is"),
        }
    }
}

/// The weights to probe: those called `named`, else the unembedding.
pub(super) fn weights<'a>(
    catalog: &Catalog,
    matrices: &'a Matrices<'a>,
    named: Option<&str>,
) -> Result<Chosen<'a>, TensorError> {
    if let Some(name) = named {
        return Ok(Chosen { view: called(catalog, matrices, name)?, because: Because::Meant });
    }
    let (view, because) = match catalog.head(matrices)? {
        Head::Named(view) => (view, Because::Meant),
        Head::Tied(view) => (view, Because::Tied),
        Head::OnlyMatrix(view) => (view, Because::OnlyMatrix),
        // the enum may grow
        _ => {
            return Err(TensorError::Conflict { what: "no unembedding was found".into(), help: "name one" });
        }
    };
    Ok(Chosen { view, because })
}

/// The matrix called `name`, or made of the tensor called so.
pub(super) fn called<'a>(
    catalog: &Catalog,
    matrices: &'a Matrices<'a>,
    name: &str,
) -> Result<&'a View<'a>, TensorError> {
    if let Some(view) = matrices.views.iter().find(|view| view.name == name) {
        return Ok(view);
    }
    matrices.of(catalog.get(name)?)
}

/// How the weights are read.
#[derive(Debug)]
pub(super) struct Orientation {
    /// Whether they lie as (inputs, outputs).
    pub(super) is_transposed: bool,
    /// How that is known: "name", "width", "asked", "guess".
    pub(super) from: &'static str,
    pub(super) remark: Option<String>,
}

/// Which side of the weights reads rows of width `width`.
pub(super) fn orientation(
    chosen: &Chosen<'_>,
    width: usize,
    asked: Option<Layout>,
) -> Result<Orientation, TensorError> {
    let view = chosen.view;
    let [first, last] = view.shape;
    let inputs = |layout| if layout == Layout::InOut { first } else { last };
    let of = |layout, from, remark| Ok(Orientation { is_transposed: layout == Layout::InOut, from, remark });
    if let Some(asked) = asked {
        if inputs(asked) == width {
            return of(asked, "asked", None);
        }
        let how = if asked == Layout::InOut {
            "as (inputs, outputs), its first"
        } else {
            "as (outputs, inputs), its last"
        };
        return Err(view.tensor.unfit(format!(
            "is {:?}: {how} side would have to be the activations' width {width}",
            view.shape
        )));
    }
    let tied =
        Named { layout: Layout::OutIn, convention: "token embeddings used as a head", is_certain: true };
    let said = if chosen.because == Because::Tied { Some(tied) } else { view.layout };
    let fits = |layout| inputs(layout) == width;
    match said {
        Some(Named { layout, .. }) if fits(layout) => {
            let is_guess = first == last && said.is_some_and(|said| !said.is_certain);
            let remark = is_guess.then(|| {
                "square, and called as in GPT-2, whose Conv1D keeps (inputs, outputs); nanoGPT keeps the transpose under the \
                 same name: a guess, which --layout out-in turns"
                    .to_owned()
            });
            of(layout, if is_guess { "guess" } else { "name" }, remark)
        }
        Some(Named { layout, convention, is_certain: true }) => Err(view.tensor.unfit(format!(
            "is {:?}, by its name {} as {convention} keep it, and rows of width {width} fit its outputs: these seem to be what it \
             gives, such as logits, and not what it reads. A hook before the layer catches that; if the file keeps the transpose, \
             say --layout {}",
            view.shape,
            if layout == Layout::InOut { "(inputs, outputs)" } else { "(outputs, inputs)" },
            if layout == Layout::InOut { "out-in" } else { "in-out" },
        ))),
        _ if first == last => of(
            Layout::OutIn,
            "guess",
            Some("square, and its name says nothing: read as (outputs, inputs), a guess, which --layout in-out turns".into()),
        ),
        _ => of(
            if last == width { Layout::OutIn } else { Layout::InOut },
            "width",
            Some("its name does not say how it lies: the side as wide as the activations is taken for its inputs".into()),
        ),
    }
}

/// The other tensors of the files, and why they were not probed.
pub(super) fn unasked(catalog: &Catalog, matrices: &Matrices<'_>, probed: &View<'_>) -> Vec<Skipped> {
    let others = matrices.views.iter().filter(|view| view.name != probed.name);
    let others = others.map(|view| Skipped {
        tensor: view.name.clone(),
        file: view.tensor.path.display().to_string(),
        reason: "not the weights asked for".into(),
    });
    others.chain(skipped(catalog, matrices)).collect()
}

/// The tensors that are no matrices of the model, each with the reason.
pub(super) fn skipped(catalog: &Catalog, matrices: &Matrices<'_>) -> Vec<Skipped> {
    let one = |tensor: &crate::tensors::Tensor, reason: &str| Skipped {
        tensor: tensor.name.clone(),
        file: tensor.path.display().to_string(),
        reason: reason.to_owned(),
    };
    let unfit = matrices.skipped.iter().map(|(tensor, reason)| one(tensor, reason));
    unfit.chain(catalog.aside().iter().map(|aside| one(&aside.tensor, &aside.reason))).collect()
}
