//! What a network refuses.

use groklab_kernels::SizeError;

/// A network, a batch or a setting that does not fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Widths or scale that make no network.
    #[error("no such network: {0}")]
    Network(String),
    /// A buffer of the wrong length.
    #[error("`{name}` has {found} entries; wanted are {wanted}")]
    Length {
        /// Which buffer.
        name: &'static str,
        /// Its entries.
        found: usize,
        /// Entries that fit.
        wanted: usize,
    },
    /// A label that no output stands for.
    #[error("the label of row {row} is {label}, but there are {classes} classes")]
    Label {
        /// The row, from 0.
        row: usize,
        /// Its label.
        label: u32,
        /// Classes the outputs tell apart: two for a single output.
        classes: usize,
    },
    /// A loss that does not fit the outputs.
    #[error("{loss} takes {wanted}; this network has {outputs} outputs")]
    Loss {
        /// Its name.
        loss: &'static str,
        /// Outputs it takes, in words.
        wanted: &'static str,
        /// Outputs there are.
        outputs: usize,
    },
    /// A number out of its range.
    #[error("{name} = {value}: {wanted}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What may stand there.
        wanted: &'static str,
    },
    /// A product whose sizes do not fit: an error of this crate.
    #[error(transparent)]
    Product(#[from] SizeError),
}

/// Refuses a buffer of another length.
pub(crate) fn check_length(name: &'static str, found: usize, wanted: usize) -> Result<(), ModelError> {
    if found == wanted { Ok(()) } else { Err(ModelError::Length { name, found, wanted }) }
}

/// Refuses a batch without rows, of another width, or with labels that no output stands for.
pub(crate) fn check_batch(
    inputs: &[f32],
    width: usize,
    labels: &[u32],
    outputs: usize,
) -> Result<(), ModelError> {
    if labels.is_empty() {
        return Err(ModelError::Setting { name: "rows", value: 0.0, wanted: "a batch has a row" });
    }
    check_length("inputs", inputs.len(), labels.len() * width)?;
    let classes = outputs.max(2);
    match labels.iter().position(|&label| label as usize >= classes) {
        Some(row) => Err(ModelError::Label { row, label: labels[row], classes }),
        None => Ok(()),
    }
}
