//! Publishing: the tables of an experiment's finished runs, small enough to be kept in a repository, readable in the place
//! of the experiment itself.
//!
//! Promises: a published directory holds the same bytes as the runs, tables compressed (`metrics.csv.gz`), and verifies
//! against the same digests; parameters and states are left out, diagnostics where that is asked for, and the manifests say
//! so. It appears whole or not at all.

use super::{
    Manifest, ReadError, RunState, StoreError, disk,
    files::{COMPRESSED, DIAGNOSTICS, Tail, is_parameters, read_vouched},
    lock,
    manifest::{read_manifest, write_manifest},
    plan::{PLAN, read_plan},
    read::run_directories,
};
use flate2::{Compression, GzBuilder};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// What was published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Finished runs.
    pub runs: usize,
    /// Runs that have not finished, or that a process is at: left out.
    pub left_out: usize,
    /// Bytes of all their files.
    pub bytes: u64,
}

/// Publishes the experiment in `from` as the new directory `to`: of its plan, or all runs where it has none, with their
/// diagnostics or without.
///
/// # Errors
/// What is damaged, or cannot be read or written; then, and without a finished run, there is no `to`.
pub fn publish(from: &Path, to: &Path, with_diagnostics: bool) -> Result<Published, ReadError> {
    let plan = read_plan(from)?;
    let runs: Vec<PathBuf> = match plan.is_empty() {
        // its own, not those of experiments below it
        true => {
            let real = from.canonicalize().map_err(StoreError::io("read", from))?;
            run_directories(from)?.into_iter().filter(|run| run.parent() == Some(&real)).collect()
        }
        false => plan.iter().map(|row| from.join(&row.run)).collect(),
    };
    let parent = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk::create_dir(parent)?;
    let temporary = tempfile::Builder::new()
        .prefix(".publishing-")
        .tempdir_in(parent)
        .map_err(StoreError::io("create a directory in", parent))?;
    let mut published = Published::default();
    for run in runs {
        let to = temporary.path().join(run.file_name().unwrap_or_default());
        match publish_run(&run, &to, with_diagnostics)? {
            Some(bytes) => (published.runs, published.bytes) = (published.runs + 1, published.bytes + bytes),
            None => published.left_out += 1,
        }
    }
    if published.runs == 0 {
        return Ok(published);
    }
    if !plan.is_empty() {
        let path = from.join(PLAN);
        let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
        disk::write_atomic(&temporary.path().join(PLAN), &bytes)?;
    }
    // temporary directories are private to their owner, results are not
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755))
            .map_err(StoreError::io("open up", temporary.path()))?;
    }
    fs::rename(temporary.path(), to).map_err(StoreError::io("create", to))?;
    let _ = temporary.keep();
    Ok(published)
}

/// Bytes of the published run; none if it has not finished.
fn publish_run(from: &Path, to: &Path, with_diagnostics: bool) -> Result<Option<u64>, StoreError> {
    // a copy may have come without its lock file: nobody writes there
    let _shared = match lock::share(from) {
        Ok(None) => return Ok(None),
        shared => shared,
    };
    let finished = |manifest: &Manifest| manifest.state == RunState::Finished;
    let Some(manifest) = read_manifest(from)?.filter(finished) else { return Ok(None) };
    let Some(mut point) = manifest.newest().cloned() else { return Ok(None) };
    let mut pruned = manifest.pruned.clone();
    point.files.retain(|name, _| {
        let stays = !is_parameters(name) && (with_diagnostics || !name.ends_with(DIAGNOSTICS));
        if !stays {
            pruned.push(name.clone());
        }
        stays
    });
    let mut bytes = 0;
    for name in point.files.keys() {
        let content = read_vouched(from, name, &point, Tail::None, u64::MAX)?;
        let (name, content) = match name.ends_with(".csv") {
            true => (format!("{name}{COMPRESSED}"), compress(&content)),
            false => (name.clone(), content),
        };
        bytes += content.len() as u64;
        disk::write_atomic(&to.join(name), &content)?;
    }
    write_manifest(to, &Manifest { saved: vec![point], pruned, digest: String::new(), ..manifest })?;
    Ok(Some(bytes))
}

/// The same bytes give the same bytes: no time, no name.
fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    // a vector takes everything
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        Limits,
        made::{self, MadeRun},
        prune, read_experiment, verify_run,
    };

    #[test]
    fn a_published_experiment_reads_like_the_experiment_without_parameters_and_verifies() {
        let root = tempfile::tempdir().unwrap();
        let (dir, out) = (root.path().join("study"), root.path().join("published/study"));
        for seed in [0, 1] {
            made::write(&dir, &MadeRun::new("add", 0.5, seed).grokked(40, 120));
        }
        made::write(&dir, &MadeRun::new("add", 0.5, 2).state(RunState::Running));
        fs::write(dir.join("runs.csv"), "a table of `groklab table`").unwrap();
        let published = publish(&dir, &out, true).unwrap();
        assert_eq!((published.runs, published.left_out), (2, 1));
        let (before, _) = read_experiment(&dir, Limits::default());
        let (after, damaged) = read_experiment(&out, Limits::default());
        assert!(damaged.is_empty());
        assert_eq!(after.runs.len(), 2);
        for (a, b) in before.runs.iter().zip(&after.runs) {
            assert_eq!((&a.recipe, &a.metrics), (&b.recipe, &b.metrics));
            assert_eq!(a.spectra().unwrap().len(), b.spectra().unwrap().len());
            assert!(verify_run(&b.dir).is_empty());
            assert!(!b.dir.join("metrics.csv").exists() && b.dir.join("metrics.csv.gz").is_file());
            // nothing is left to give back, and nothing goes
            prune(&b.dir, prune::Pruning::AllButTables).unwrap();
            assert!(verify_run(&b.dir).is_empty());
        }
        // twice is refused, and changes nothing
        assert!(publish(&dir, &out, true).is_err());
        assert_eq!(fs::read_dir(root.path().join("published")).unwrap().count(), 1);
    }

    #[test]
    fn diagnostics_can_be_left_out_and_the_rest_is_whole() {
        let root = tempfile::tempdir().unwrap();
        let (dir, out) = (root.path().join("study"), root.path().join("out"));
        let run = MadeRun::new("add", 0.5, 0).grokked(40, 120);
        made::write(&dir, &run);
        let its = dir.join(run.id());
        fs::write(its.join("diagnostics.csv"), "run,epoch,rankme\na,0,1.5\n").unwrap();
        made::vouch(&its, run.manifest());
        let names = |with: bool| -> Vec<String> {
            let out = out.join(with.to_string());
            publish(&dir, &out, with).unwrap();
            let run = out.join(run.id());
            assert!(verify_run(&run).is_empty());
            let mut names: Vec<_> = fs::read_dir(run)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        let [all, fewer] = [true, false].map(names);
        assert!(all.contains(&"diagnostics.csv.gz".to_owned()), "{all:?}");
        assert_eq!(
            fewer,
            all.iter().filter(|name| !name.contains("diagnostics")).cloned().collect::<Vec<_>>()
        );
        let (experiment, _) = read_experiment(&out.join("false"), Limits::default());
        assert!(experiment.runs[0].diagnostics().unwrap().is_none());
        assert!(experiment.runs[0].manifest.pruned.contains(&"diagnostics.csv".to_owned()));
    }

    #[test]
    fn a_damaged_compressed_table_is_named() {
        let root = tempfile::tempdir().unwrap();
        let (dir, out) = (root.path().join("study"), root.path().join("out"));
        let run = MadeRun::new("add", 0.5, 0).grokked(40, 120);
        made::write(&dir, &run);
        publish(&dir, &out, true).unwrap();
        let path = out.join(run.id()).join("metrics.csv.gz");
        let whole = fs::read(&path).unwrap();
        let with = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let damage = verify_run(&out.join(run.id()));
            assert_eq!(damage.len(), 1);
            let text = format!("{:?}", miette::Report::from(damage.into_iter().next().unwrap()));
            assert!(text.contains("metrics.csv"), "{text}");
            text
        };
        with(&whole[..whole.len() / 2]);
        with(b"no gzip");
        with(&compress(b"run,epoch\n"));
        let plain = crate::store::files::tests::decompress(&whole);
        assert!(with(&compress(&[plain.clone(), b"x".to_vec()].concat())).contains("more"));
        let mut other = plain;
        *other.last_mut().unwrap() = b' ';
        assert!(with(&compress(&other)).contains("digest"));
    }
}
