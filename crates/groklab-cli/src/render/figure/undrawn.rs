//! Why a figure is not drawn. A figure without data is named with its reason, never written empty.

/// What a figure lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undrawn {
    /// Nothing to put on a curve.
    #[error("no run has a finite evaluation yet")]
    NoEvaluation,
    /// Nothing to tell seeds apart.
    #[error("no two runs differ in nothing but their seeds")]
    OneSeed,
    /// No spectrum to show.
    #[error("no run has a spectrum of its memorized, grokked or final state in spectra.csv")]
    NoSpectra,
    /// No point in any panel.
    #[error("no run has memorized, grokked or ended")]
    NoMilestone,
    /// Nothing to compare.
    #[error("the runs of each task have one batch size; `groklab sweep batch-dip` has eight")]
    OneBatchSize,
    /// The dip would be stepped over.
    #[error("fewer than two batch sizes were evaluated at each of epochs 0 to {early}; set probe.dense_until = {early}", early = crate::analysis::EARLY_EPOCHS)]
    NotDense,
    /// No key frequencies.
    #[error("no finished run of a task modulo a number whose definition is found here")]
    NoFrequencies,
    /// No LAR but the unembedding's.
    #[error("no run recorded the LAR of every matrix; set probe.diagnostics = [\"cheap\", \"matrix_lar\"]")]
    NoMatrixLar,
    /// No two runs at one loss.
    #[error(
        "no two runs of the authors' stages, batches and rates came to one validation loss with their spectra recorded"
    )]
    NoMatch,
    /// Nothing to order.
    #[error("no group has two runs that memorized, of which it is known who grokked first")]
    NoOrder,
    /// Nothing to forecast.
    #[error("no eight finished runs of one stage and seed have a target")]
    NoFamily,
}
