//! Everything a run needs to go on from where it was: parameters, the optimiser's slots and counters in one safetensors file.
//!
//! The file holds `param.NAME` and, for each slot of the optimiser, `slot.SLOT.NAME` for each parameter, f32, and the
//! counters and the names of the slots as metadata. The batch order is computed from the seed and the epoch, so nothing
//! else has a state.

use super::{Milestones, StoreError, named_tensors, tensors};
use crate::kinds::operations::model::ParamLayout;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// The state of a run between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Where it stands.
    pub counters: Counters,
    /// The parameters.
    pub params: Vec<f32>,
    /// The optimiser's buffers by name, in its own order.
    pub slots: Vec<(String, Vec<f32>)>,
}

/// The counters of a [`Snapshot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// The epoch that is not yet recorded: its steps may be partly done.
    pub next_epoch: u64,
    /// Completed steps.
    pub step: u64,
    /// What has happened so far.
    pub milestones: Milestones,
}

const PARAMS: &str = "param.";
/// No optimiser here keeps more buffers than that.
const MAX_SLOTS: usize = 8;

fn prefix(slot: &str) -> String {
    format!("slot.{slot}.")
}

impl Snapshot {
    /// The bytes of the file.
    pub fn to_bytes(&self, path: &Path, layout: &ParamLayout) -> Result<Vec<u8>, StoreError> {
        let json = |e: serde_json::Error| tensors::format_error(path, e.to_string());
        let names: Vec<&str> = self.slots.iter().map(|(name, _)| name.as_str()).collect();
        let metadata = BTreeMap::from([
            ("counters", serde_json::to_string(&self.counters).map_err(json)?),
            ("slots", serde_json::to_string(&names).map_err(json)?),
        ]);
        let mut views = named_tensors(PARAMS, layout, &self.params);
        for (name, values) in &self.slots {
            views.extend(named_tensors(&prefix(name), layout, values));
        }
        tensors::to_bytes(path, &views, &metadata)
    }

    /// From the bytes of the file at `path`.
    pub fn parse(path: &Path, bytes: &[u8], layout: &ParamLayout) -> Result<Self, StoreError> {
        let wrong = |reason: String| tensors::format_error(path, reason);
        let mut metadata = tensors::metadata(path, bytes)?;
        let mut entry = |key: &str| {
            metadata.remove(key).ok_or_else(|| wrong(format!("not a checkpoint: the metadata have no {key}")))
        };
        let counters =
            serde_json::from_str(&entry("counters")?).map_err(|e| wrong(format!("the counters: {e}")))?;
        let names: Vec<String> =
            serde_json::from_str(&entry("slots")?).map_err(|e| wrong(format!("the slots: {e}")))?;
        if names.len() > MAX_SLOTS {
            return Err(wrong(format!("{} slots; {MAX_SLOTS} are the most", names.len())));
        }
        let file = SafeTensors::deserialize(bytes).map_err(|e| wrong(e.to_string()))?;
        let read = |prefix: &str| tensors::parameters(path, &file, prefix, layout);
        let slots = names.into_iter().map(|name| {
            let values = read(&prefix(&name))?;
            Ok((name, values))
        });
        Ok(Self { counters, params: read(PARAMS)?, slots: slots.collect::<Result<_, StoreError>>()? })
    }

    /// More bytes than the file of a run with this layout can have.
    pub(super) fn max_bytes(layout: &ParamLayout) -> u64 {
        4 * (1 + MAX_SLOTS as u64) * layout.len() as u64 + (1 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kinds::operations::config::Preset, store::Mark};

    fn layout() -> ParamLayout {
        let mut model = Preset::Paper.config("add", 0.5, 0).model;
        (model.d_model, model.d_mlp, model.n_heads) = (4, 4, 1);
        ParamLayout::new(&model, 5)
    }

    fn snapshot(layout: &ParamLayout) -> Snapshot {
        let values = |scale: f32| (0..layout.len()).map(|i| scale * i as f32).collect();
        let memorized = Some(Mark { epoch: 20, step: 200 });
        Snapshot {
            counters: Counters {
                next_epoch: 21,
                step: 207,
                milestones: Milestones { memorized, ..Default::default() },
            },
            params: values(1.0),
            slots: vec![("m".to_owned(), values(-0.5)), ("v".to_owned(), values(1e-30))],
        }
    }

    #[test]
    fn a_snapshot_comes_back_bit_by_bit() {
        let (layout, path) = (layout(), Path::new("checkpoint"));
        let mut before = snapshot(&layout);
        before.params[3] = f32::from_bits(0x7fc0_1234); // even what a model should never hold
        let bytes = before.to_bytes(path, &layout).unwrap();
        assert!((bytes.len() as u64) < Snapshot::max_bytes(&layout));
        let after = Snapshot::parse(path, &bytes, &layout).unwrap();
        assert_eq!(after.counters, before.counters);
        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&after.params), bits(&before.params));
        assert_eq!(after.slots.len(), 2);
        for (after, before) in after.slots.iter().zip(&before.slots) {
            assert_eq!((&after.0, bits(&after.1)), (&before.0, bits(&before.1)));
        }
    }

    #[test]
    fn the_file_of_another_model_is_refused_by_name() {
        let (layout, path) = (layout(), Path::new("checkpoint"));
        let bytes = snapshot(&layout).to_bytes(path, &layout).unwrap();
        let mut wide = Preset::Paper.config("add", 0.5, 0).model;
        (wide.d_model, wide.d_mlp, wide.n_heads) = (8, 4, 1);
        let error = Snapshot::parse(path, &bytes, &ParamLayout::new(&wide, 5)).unwrap_err().to_string();
        assert!(error.contains("embed.token.weight") && error.contains("checkpoint"), "{error}");
    }
}
