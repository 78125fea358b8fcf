//! `groklab verify`: are the files what the manifests say, and does a run give the same bytes again?

use super::{
    report,
    run::{ComputeArgs, Computer, Ended, ExecutionArgs, execute},
    say, tell,
};
use crate::{
    excerpt::quote,
    kinds,
    store::{read_manifest, read_run, run_directories, verify_run},
};
use clap::Args;
use miette::{IntoDiagnostic, WrapErr};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Arguments of `groklab verify`.
#[derive(Args)]
pub struct VerifyArgs {
    /// A run, an experiment (results/NAME), or a directory of experiments
    dir: PathBuf,
    /// Train this finished run in or below DIR again and compare its files byte by byte; without a name DIR is the run
    #[arg(long, value_name = "RUN", num_args = 0..=1)]
    rerun: Option<Option<String>>,
    #[command(flatten)]
    compute: ComputeArgs,
}

/// Verifies; exit code 3 when something is damaged, 1 when the run gave other bytes.
pub fn run(args: VerifyArgs) -> miette::Result<ExitCode> {
    match &args.rerun {
        Some(run) => rerun(find(&args.dir, run.as_deref())?, args.compute),
        None => verify(&args),
    }
}

/// The directory of the run `asked` for, at whatever level below `dir`; without a name, `dir` itself.
fn find(dir: &Path, asked: Option<&str>) -> miette::Result<PathBuf> {
    let dirs = run_directories(dir)?;
    let names = || dirs.iter().filter_map(|dir| dir.file_name()?.to_str());
    let Some(asked) = asked else {
        let alone = dir.canonicalize().ok().filter(|dir| dirs == [dir.clone()]);
        let first = names().next().unwrap_or("RUN");
        let help = format!("name one: groklab verify {} --rerun {first}", dir.display());
        return alone.ok_or_else(|| {
            miette::miette!(help = help, "{} is no run: it holds {}", dir.display(), dirs.len())
        });
    };
    // a path to it was meant as well
    let name = Path::new(asked).file_name().and_then(|name| name.to_str()).unwrap_or(asked);
    let found: Vec<&PathBuf> =
        dirs.iter().filter(|dir| dir.file_name().is_some_and(|is| is == name)).collect();
    match found[..] {
        [one] => Ok(one.clone()),
        [] => {
            let near = names().map(|known| (strsim::jaro_winkler(name, known), known));
            let near = near.max_by(|(a, _), (b, _)| a.total_cmp(b)).map_or("", |(_, known)| known);
            Err(miette::miette!(
                help = format!("did you mean `{near}`? `groklab status` lists the runs of an experiment"),
                "none of the {} runs in or below {} is called {}",
                dirs.len(),
                dir.display(),
                quote(name)
            ))
        }
        [first, ..] => Err(miette::miette!(
            help = format!(
                "name one of them, as in: groklab verify {} --rerun {name}",
                first.parent().unwrap_or(first).display()
            ),
            "{} runs below {} are called {}",
            found.len(),
            dir.display(),
            quote(name)
        )),
    }
}

fn verify(args: &VerifyArgs) -> miette::Result<ExitCode> {
    let dirs = run_directories(&args.dir)?;
    let (mut whole, mut dropped) = (0, 0);
    for dir in &dirs {
        let damage = verify_run(dir);
        whole += usize::from(damage.is_empty());
        dropped += usize::from(read_manifest(dir).ok().flatten().is_some_and(|m| !m.pruned.is_empty()));
        for damage in damage {
            tell(&format!("{:?}", miette::Report::new(damage)));
        }
    }
    say(&format!("{whole} of {} runs are whole", dirs.len()));
    if dropped > 0 {
        say(&format!("{dropped} of them were pruned: their manifests say what was removed"));
    }
    Ok(if whole == dirs.len() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn rerun(dir: PathBuf, compute: ComputeArgs) -> miette::Result<ExitCode> {
    let run = read_run(&dir)?;
    let id = run.manifest.run.clone();
    if !run.is_finished() {
        return Err(miette::miette!(
            help = "`groklab status` says its state; the command that began it resumes it",
            "the run {id} is not finished: there is nothing to compare with"
        ));
    }
    let planned = kinds::replan(&run)?;
    if planned.id() != id {
        return Err(miette::miette!(
            help = "it was edited, or the directory renamed",
            "the recipe in {} is that of the run {}",
            dir.display(),
            planned.id()
        ));
    }
    let again = tempfile::tempdir().into_diagnostic().wrap_err("cannot make a temporary directory")?;
    let execution = ExecutionArgs { compute, checkpoint_every: 60.0, replicas: None };
    let plan = [planned];
    let computer = Computer::open(&execution.compute, &plan, None)?;
    let ended = execute(&plan, again.path().to_owned(), None, None, &execution, &computer)?;
    if ended != Ended::Well {
        return Ok(ended.into());
    }
    let second = again.path().join(&id);
    if let Some(now) = read_run(&second)?.manifest.provenance.last() {
        for before in &run.manifest.provenance {
            for difference in now.differences(before) {
                say(&format!("computed otherwise from epoch {}: now {difference}", before.from_epoch));
            }
        }
    }
    let names = match run.manifest.newest() {
        Some(point) => point.files.keys().cloned().collect(),
        None => Vec::new(),
    };
    // what belongs to the ends of smaller budgets is not made again
    let (names, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| second.join(name).exists());
    if !others.is_empty() {
        say(&format!("not compared, of the ends of smaller budgets: {}", others.join(", ")));
    }
    let mut same = true;
    // all that it vouches for must be the same again; the manifest itself holds times
    for name in &names {
        let read = |path: PathBuf| fs::read(&path).into_diagnostic().wrap_err(path.display().to_string());
        let (first, second) = (read(dir.join(name))?, read(second.join(name))?);
        match first.iter().zip(&second).position(|(a, b)| a != b) {
            None if first.len() == second.len() => say(&format!("{name}: the same {} bytes", first.len())),
            at => {
                same = false;
                let at = at.unwrap_or(first.len().min(second.len()));
                let line = 1 + first[..at].iter().filter(|&&b| b == b'\n').count();
                let place =
                    if name.ends_with(".safetensors") { String::new() } else { format!(", line {line}") };
                say(&format!("{name}: differs from byte {at}{place}"));
            }
        }
    }
    again.close().map_err(report)?;
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
