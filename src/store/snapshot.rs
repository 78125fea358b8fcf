//! Everything a run needs to go on from where it was: parameters, the optimiser's slots and counters in one safetensors file.
//!
//! The file holds `param.NAME` and, for each slot of the optimiser, `slot.SLOT.NAME` for each parameter, f32, and the
//! counters and the names of the slots as metadata. The batch order is computed from the seed and the epoch, so nothing
//! else has a state.

use super::{StoreError, named_tensors, tensors};
use crate::run::{Layout, Snapshot};
use safetensors::SafeTensors;
use std::{collections::BTreeMap, path::Path};

const PARAMS: &str = "param.";
/// No optimiser here keeps more buffers than that.
const MAX_SLOTS: usize = 8;

fn prefix(slot: &str) -> String {
    format!("slot.{slot}.")
}

/// The bytes of the file.
pub fn to_bytes(snapshot: &Snapshot, path: &Path, layout: &Layout) -> Result<Vec<u8>, StoreError> {
    let json = |e: serde_json::Error| tensors::format_error(path, e.to_string());
    let names: Vec<&str> = snapshot.slots.iter().map(|(name, _)| name.as_str()).collect();
    let metadata = BTreeMap::from([
        ("counters", serde_json::to_string(&snapshot.counters).map_err(json)?),
        ("slots", serde_json::to_string(&names).map_err(json)?),
    ]);
    let mut views = named_tensors(PARAMS, layout, &snapshot.params);
    for (name, values) in &snapshot.slots {
        views.extend(named_tensors(&prefix(name), layout, values));
    }
    tensors::to_bytes(path, &views, &metadata)
}

/// From the bytes of the file at `path`.
pub fn parse(path: &Path, bytes: &[u8], layout: &Layout) -> Result<Snapshot, StoreError> {
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
    Ok(Snapshot { counters, params: read(PARAMS)?, slots: slots.collect::<Result<_, StoreError>>()? })
}

/// More bytes than the file of a run with this layout can have.
pub(super) fn max_bytes(layout: &Layout) -> u64 {
    4 * (1 + MAX_SLOTS as u64) * layout.len() as u64 + (1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Counters, Mark, Milestones};

    fn layout(width: usize) -> Layout {
        Layout::new([
            ("embed.token.weight".to_owned(), vec![5, width]),
            ("unembed.weight".to_owned(), vec![5, width]),
        ])
    }

    fn snapshot(layout: &Layout) -> Snapshot {
        let values = |scale: f32| (0..layout.len()).map(|i| scale * i as f32).collect();
        Snapshot {
            counters: Counters {
                next_epoch: 21,
                step: 207,
                milestones: Milestones::from_iter([("memorized", Mark { epoch: 20, step: 200 })]),
                memory: [("least".to_owned(), 0.1f64.to_bits())].into(),
            },
            params: values(1.0),
            slots: vec![("m".to_owned(), values(-0.5)), ("v".to_owned(), values(1e-30))],
        }
    }

    #[test]
    fn a_snapshot_comes_back_bit_by_bit() {
        let (layout, path) = (layout(4), Path::new("checkpoint"));
        let mut before = snapshot(&layout);
        before.params[3] = f32::from_bits(0x7fc0_1234); // even what a model should never hold
        let bytes = to_bytes(&before, path, &layout).unwrap();
        assert!((bytes.len() as u64) < max_bytes(&layout));
        let after = parse(path, &bytes, &layout).unwrap();
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
        let (layout, path) = (layout(4), Path::new("checkpoint"));
        let bytes = to_bytes(&snapshot(&layout), path, &layout).unwrap();
        let error = parse(path, &bytes, &self::layout(8)).unwrap_err().to_string();
        assert!(error.contains("embed.token.weight") && error.contains("checkpoint"), "{error}");
    }
}
