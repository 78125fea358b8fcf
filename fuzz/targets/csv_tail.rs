//! Tables and manifests as they may lie on a disk: never a panic, what is read can be written and read again, and
//! what a manifest vouches for is never another text.
#![no_main]

use groklab::store::{Extent, Manifest, Metrics, SpectrumRow, parse_rows};
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

/// A sound table, so that the fuzzer need not guess the columns.
const SOUND: &str = "\
run,task,train_fraction,seed,split_seed,epoch,step,train_loss,val_loss,train_accuracy,val_accuracy,lar,lar_spectra,\
k_pred,k90,k95,k99,p1,q1,l1,sigma_p,sigma_q,pearson,spearman,stable_rank,effective_rank,weight_norm,zero_loss_share
add-f0.5-s0-0123abcd,add,0.5,0,0,20,200,0.25,9.5,1.0,0.125,0.5625,0.5625,70.5,60,80,100,0.0625,0.03125,0.5,0.001,\
0.002,0.75,0.5,16.5,90.25,40.5,0.0
add-f0.5-s0-0123abcd,add,0.5,0,0,40,400,NaN,inf,1.0,0.125,NaN,NaN,NaN,0,0,0,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,\
NaN,0.0
";

fuzz_target!(|data: (Vec<(u16, u8)>, bool, (u16, u16, u8), &[u8])| {
    let (changes, made_up, (cut, at, flip), bytes) = data;
    let mut bytes = if made_up { bytes.to_vec() } else { [SOUND.as_bytes(), bytes].concat() };
    for (at, byte) in changes {
        if !bytes.is_empty() {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
    }
    let bytes = &bytes[..];
    if let Ok(metrics) = Metrics::parse("add-f0.5-s0-0123abcd", bytes) {
        assert!(metrics.iter().all(|row| row.values.len() == metrics.columns().len()));
    }
    round_trip::<SpectrumRow>(bytes);
    if let Ok(manifest) = Manifest::parse(bytes) {
        let written = manifest.to_bytes().expect("a manifest can be written");
        let again = Manifest::parse(&written).expect("and read");
        assert_eq!(again.to_bytes().expect("and written"), written);
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
