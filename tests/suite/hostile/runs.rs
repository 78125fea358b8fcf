//! Run directories that are not what their manifests say, or whose manifests say strange things.

use super::{Case, Node};
use groklab::{
    kinds::operations::config::{PlannedRun, Preset},
    kinds::operations::model::ParamLayout,
    kinds::operations::task::Task,
    program::Program,
    run::{Counters, Snapshot},
    store::{Extent, Manifest, Provenance, SavePoint, snapshot_bytes},
};
use std::{collections::BTreeMap, path::Path, sync::Arc};

const RUN: &str = "results/add/run";
const CHECKPOINT: &str = "checkpoint-00000030.safetensors";

/// A sound run, stopped on the way: each file and its bytes, and the manifest that vouches for them.
fn sound() -> (BTreeMap<&'static str, Vec<u8>>, Manifest) {
    let mut config = Preset::Paper.config("add", 0.5, 0);
    (config.model.d_model, config.model.d_mlp) = (16, 16);
    let run = PlannedRun::new(config, Arc::new(Task::find("add").unwrap()));
    let layout = ParamLayout::new(&run.config.model, run.task.n_symbols).tensors();
    let counters = Counters { next_epoch: 4, step: 30, ..Counters::default() };
    let zeros = vec![0.0; layout.len()];
    let snapshot = Snapshot {
        counters,
        params: zeros.clone(),
        slots: vec![("m".into(), zeros.clone()), ("v".into(), zeros)],
    };
    let mut config = toml::Table::try_from(&run.config).unwrap();
    config.remove("train");
    let files = BTreeMap::from([
        ("config.toml", config.to_string().into_bytes()),
        ("task.toml", run.task.document("task.csv").toml.into_bytes()),
        ("metrics.csv", b"run,task,epoch,step\n".to_vec()),
        ("spectra.csv", b"run,checkpoint\n".to_vec()),
        (CHECKPOINT, snapshot_bytes(&snapshot, Path::new(CHECKPOINT), &layout).unwrap()),
    ]);
    let mut manifest = Manifest::fresh(
        &run,
        layout.len(),
        Provenance {
            from_epoch: 0,
            program: Program::this(),
            engine: "factored".into(),
            precision: "f32".into(),
            processor: "portable".into(),
        },
    );
    let extents = files.iter().map(|(name, bytes)| ((*name).to_owned(), Extent::of(bytes))).collect();
    manifest.saved = vec![SavePoint { epochs: 3, files: extents }];
    (files, manifest)
}

/// The sound run under `name`, with `node` in the place of one file; `verify` must name it.
fn replaced(name: &str, file: &str, node: Node, says: &str) -> Case {
    let (mut files, manifest) = sound();
    // miette may break a line at a hyphen
    let shown = file.strip_prefix("checkpoint-").unwrap_or(file);
    files.insert("manifest.json", manifest.to_bytes().unwrap());
    let case = Case::new(format!("{file}: {name}"), &["verify", "results"], &[shown, says])
        .text(format!("{RUN}/lock"), "not of this run");
    let case = files
        .into_iter()
        .filter(|(other, _)| *other != file)
        .fold(case, |case, (other, bytes)| case.text(format!("{RUN}/{other}"), bytes));
    case.node(format!("{RUN}/{file}"), node)
}

/// The sound run with another manifest, which carries a right digest.
fn saying(name: &str, change: impl Fn(&mut Manifest), says: &str) -> Case {
    let (files, mut manifest) = sound();
    change(&mut manifest);
    let case = Case::new(format!("manifest: {name}"), &["verify", "results"], &[says]);
    let case =
        files.into_iter().fold(case, |case, (other, bytes)| case.text(format!("{RUN}/{other}"), bytes));
    case.text(format!("{RUN}/manifest.json"), manifest.to_bytes().unwrap())
}

fn extent(manifest: &mut Manifest, file: &str, change: impl Fn(&mut Extent)) {
    change(manifest.saved[0].files.get_mut(file).unwrap());
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let strange = "not a regular file";
    for file in ["config.toml", "metrics.csv", "spectra.csv", CHECKPOINT, "manifest.json"] {
        let absent = if file == "manifest.json" { "there is none" } else { "No such file" };
        cases.extend([
            replaced("directory", file, Node::Directory, strange),
            replaced("pipe", file, Node::Pipe, strange),
            replaced("socket", file, Node::Socket, strange),
            replaced("endless device", file, Node::Link("/dev/zero"), strange),
            replaced("loop of links", file, Node::Link(file), "symbolic link"),
            replaced("link to another file", file, Node::Link("lock"), ""),
            replaced("dangling link", file, Node::Link("nowhere"), absent),
            replaced("1 GiB of nothing", file, Node::Sparse(1 << 30), ""),
        ]);
    }
    for file in ["config.toml", CHECKPOINT] {
        cases.push(replaced("empty", file, Node::Text(Vec::new()), "cut: 0 bytes"));
        cases.push(replaced("too long", file, Node::Text(vec![b' '; 9_000_000]), "9000000 bytes"));
    }
    for (name, text, says) in [
        ("empty", &b""[..], "not a manifest"),
        ("NUL", b"\0\0\0\0", "not a manifest"),
        ("BOM", b"\xef\xbb\xbf{\"format\": 3}", "not a manifest"),
        ("invalid UTF-8", b"{\"format\": 3, \"\xff\": 1}", "manifest.json"),
        ("a newer format", b"{\"format\": 5}", "format 5 are not known"),
        ("an enormous format", b"{\"format\": 18446744073709551615}", "format 18446744073709551615"),
        ("a negative format", b"{\"format\": -1}", "not a manifest"),
        ("two formats", b"{\"format\": 3, \"format\": 3}", "duplicate field"),
        ("only a format", b"{\"format\": 3}", "missing field"),
        ("a list", b"[3]", "not a manifest"),
    ] {
        cases.push(replaced(name, "manifest.json", Node::Text(text.to_vec()), says));
    }
    let deep = "[".repeat(100_000);
    cases.push(replaced("deep nesting", "manifest.json", Node::Text(deep.into_bytes()), "not a manifest"));
    let edited = String::from_utf8(sound().1.to_bytes().unwrap()).unwrap().replace("4704", "4703");
    cases.push(replaced("edited", "manifest.json", Node::Text(edited.into_bytes()), "damaged or edited"));
    cases.extend([
        saying(
            "a file elsewhere",
            |m| {
                let extent = Extent::of(b"");
                m.saved[0].files.insert("../../outside".into(), extent);
            },
            "which no run has",
        ),
        saying(
            "an absolute file",
            |m| {
                m.saved[0].files.insert("/etc/passwd".into(), Extent::of(b""));
            },
            "which no run has",
        ),
        saying("2^63 bytes", |m| extent(m, "metrics.csv", |e| e.bytes = 1 << 63), "were written"),
        saying("2^64 - 1 bytes", |m| extent(m, CHECKPOINT, |e| e.bytes = u64::MAX), "were written"),
        saying(
            "a digest of another kind",
            |m| extent(m, "config.toml", |e| e.sha256 = "md5".into()),
            "digest",
        ),
        saying("no config", |m| drop(m.saved[0].files.remove("config.toml")), "does not name it"),
        saying("no metrics", |m| drop(m.saved[0].files.remove("metrics.csv")), "does not name it"),
        saying("finished without an end", |m| m.state = groklab::store::RunState::Finished, "finished"),
        saying(
            "escape sequences",
            |m| {
                m.saved[0].files.insert("\u{1b}[31m\u{202e}red".into(), Extent::of(b""));
            },
            "red",
        ),
    ]);
    cases
}
