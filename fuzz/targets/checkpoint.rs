//! Checkpoint files, made up or a sound one with bytes changed: never a panic, and what is accepted is a state of
//! this model that can be written and read again.
#![no_main]

use groklab::{
    kinds::operations::{config::Preset, model::ParamLayout},
    run::{Counters, Layout, Snapshot},
    store::{parse_snapshot, snapshot_bytes},
};
use libfuzzer_sys::fuzz_target;
use std::{path::Path, sync::OnceLock};

/// A small model and the checkpoint of it.
fn sound() -> &'static (Layout, Vec<u8>) {
    static SOUND: OnceLock<(Layout, Vec<u8>)> = OnceLock::new();
    SOUND.get_or_init(|| {
        let mut model = Preset::Paper.config("add", 0.5, 0).model;
        (model.n_layers, model.d_model, model.n_heads, model.d_mlp) = (1, 2, 1, 2);
        let layout = ParamLayout::new(&model, 2).tensors();
        let zeros = vec![0.0; layout.len()];
        let counters = Counters { next_epoch: 3, step: 20, ..Counters::default() };
        let snapshot = Snapshot { counters, params: zeros.clone(), slots: vec![("m".into(), zeros.clone()), ("v".into(), zeros)] };
        let bytes = snapshot_bytes(&snapshot, Path::new("sound"), &layout).expect("a checkpoint can be written");
        (layout, bytes)
    })
}

fuzz_target!(|data: (Vec<(u16, u8)>, bool, u16, &[u8])| {
    let (changes, made_up, length, bytes) = data;
    let (layout, sound) = sound();
    let path = Path::new("fuzzed");
    let mut file = if made_up { bytes.to_vec() } else { sound.clone() };
    if !made_up && usize::from(length) < file.len() / 4 {
        file.truncate(usize::from(length) * 4);
        file.extend_from_slice(bytes);
    }
    for (at, byte) in changes {
        if !file.is_empty() {
            let at = usize::from(at) % file.len();
            file[at] = byte;
        }
    }
    if let Ok(snapshot) = parse_snapshot(path, &file, layout) {
        assert_eq!(snapshot.params.len(), layout.len());
        assert!(snapshot.slots.iter().all(|(_, values)| values.len() == layout.len()));
        let written = snapshot_bytes(&snapshot, path, layout).expect("it can be written");
        let again = parse_snapshot(path, &written, layout).expect("and read");
        assert_eq!(again.counters, snapshot.counters);
        assert_eq!(snapshot_bytes(&again, path, layout).expect("and written"), written);
    }
});
