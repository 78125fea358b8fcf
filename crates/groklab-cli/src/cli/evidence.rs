//! Reads what figures and the report show beyond the record of runs.

use std::collections::{BTreeMap, btree_map::Entry};

use super::warn_of_damage;
use crate::{
    analysis::Resolution,
    kinds::operations::{
        model::ParamLayout,
        task::{Symbols, Task},
        task_of,
    },
    store::{SpectrumRow, StoreError},
    studies::grokking::{
        Group, RunDigest, UnembeddingFrequencies,
        figures::{
            Evidence,
            matrices::{has_matrix_lar, only_matrix_lar},
        },
        unembedding_frequencies,
    },
};

/// Spectra of the runs of each group until they are `enough`, the LAR of every matrix and the key frequencies of every
/// run that has them. What cannot be read is named and left out.
///
/// Of diagnostics there is what `resolution` keeps.
pub(super) fn evidence(
    groups: &[Group<'_>],
    resolution: Resolution,
    enough: impl Fn(&Group<'_>, &BTreeMap<String, Vec<SpectrumRow>>) -> bool,
) -> Evidence {
    let mut evidence = Evidence::default();
    for group in groups {
        for run in &group.records {
            match run.files().spectra() {
                Ok(rows) => drop(evidence.spectra.insert(run.id().to_owned(), rows)),
                Err(error) => warn_of_damage(&[error]),
            }
            if enough(group, &evidence.spectra) {
                break;
            }
        }
    }
    for run in groups.iter().flat_map(|group| &group.records) {
        match run.files().diagnostics() {
            Ok(Some(mut found)) if has_matrix_lar(&found) => {
                only_matrix_lar(&mut found);
                resolution.thin(&mut found.rows, |(epoch, _)| *epoch);
                evidence.diagnostics.insert(run.id().to_owned(), found);
            }
            Ok(_) => {}
            Err(error) => warn_of_damage(&[error]),
        }
    }
    let mut tasks = BTreeMap::new();
    for run in groups.iter().flat_map(|group| &group.records).filter(|run| run.is_finished()) {
        // runs of one table share what it stands for
        let task = match tasks.entry(&run.manifest().data_digest) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => match task_of(run.files()) {
                Ok(task) => place.insert(task),
                Err(error) => {
                    warn_of_damage(&[error]);
                    continue;
                }
            },
        };
        match frequencies(run, task) {
            Ok(Some(found)) => drop(evidence.frequencies.insert(run.id().to_owned(), found)),
            Err(error) => warn_of_damage(&[error.into()]),
            Ok(None) => {}
        }
    }
    evidence
}

/// Key frequencies of the final unembedding; none unless `task` is modular.
fn frequencies(run: &RunDigest, task: &Task) -> Result<Option<UnembeddingFrequencies>, StoreError> {
    if !matches!(task.symbols, Symbols::Residues { .. }) {
        return Ok(None);
    }
    let (symbols, width) = (run.manifest().size("n_symbols"), run.config().model.d_model);
    let layout = ParamLayout::new(&run.config().model, symbols);
    let Some(parameters) = run.files().final_parameters(&layout.tensors())? else { return Ok(None) };
    Ok(unembedding_frequencies(&parameters[layout.unembedding(symbols, width)], symbols, width))
}
