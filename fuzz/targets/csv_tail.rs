//! Tables and manifests as they may lie on a disk: never a panic, what is read can be written and read again, and
//! what a manifest vouches for is never another text.
#![no_main]

use groklab::store::{Extent, Manifest, MetricsRow, SpectrumRow, parse_rows};
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};

fn round_trip<R: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(rows) = parse_rows::<R>(bytes) else { return };
    let written = write(&rows);
    let again = parse_rows::<R>(&written).expect("what was written can be read");
    assert_eq!(write(&again), written);
}

fn write<R: Serialize>(rows: &[R]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows.iter().for_each(|row| writer.serialize(row).expect("rows can be written"));
    writer.into_inner().expect("into memory")
}

fuzz_target!(|data: (u16, u16, u8, &[u8])| {
    let (cut, at, flip, bytes) = data;
    round_trip::<MetricsRow>(bytes);
    round_trip::<SpectrumRow>(bytes);
    if let Ok(manifest) = Manifest::parse(bytes) {
        assert_eq!(manifest.to_bytes().expect("a manifest can be written"), bytes);
    }
    // a tail is cut, a shorter or changed text is refused
    let kept = usize::from(cut).min(bytes.len());
    let extent = Extent::of(&bytes[..kept]);
    assert_eq!(extent.checked(bytes), Some(&bytes[..kept]));
    if kept > 0 {
        assert_eq!(extent.checked(&bytes[..kept - 1]), None);
        let mut changed = bytes.to_vec();
        changed[usize::from(at) % kept] ^= flip;
        assert_eq!(extent.checked(&changed).is_some(), flip == 0);
    }
});
