//! Checkpoints of one training, looked at backwards: a row for each, by the number in its name.

use super::{
    ProbeArgs, all, choose, named,
    outcome::{Series, Step, few_rows},
    probed, read, report,
};
use crate::{
    render::figure::{series as figure, svg},
    store::write_atomic,
    tensors::{Catalog, Location, TensorError},
};
use miette::IntoDiagnostic;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Measures every checkpoint that the patterns fit.
pub(super) fn measure(args: &ProbeArgs) -> miette::Result<Series> {
    let checkpoints = by_number(&args.series)?;
    let activations = by_number(&args.activations)?;
    let mut notes: Vec<String> = activations
        .iter()
        .filter(|(step, _)| !checkpoints.contains_key(step))
        .map(|(step, location)| format!("{} has no checkpoint of step {step}", location.path.display()))
        .collect();
    let (mut steps, mut numbers) = (Vec::new(), Vec::new());
    for (&step, location) in &checkpoints {
        let catalog = Catalog::open(std::slice::from_ref(location))?;
        let matrices = catalog.matrices();
        let chosen = choose::weights(&catalog, &matrices, named(std::slice::from_ref(location))?)?;
        let measured = all::measure_one(chosen.view, args.method, false, &mut numbers)?;
        let mut row = Step {
            step,
            file: location.path.display().to_string(),
            tensor: measured.tensor,
            lar: None,
            k_pred: None,
            k95: None,
            rows: None,
            alpha: measured.tail.map(|tail| tail.alpha),
            alpha_weighted: measured.alpha_weighted,
            frobenius_norm: measured.measures.frobenius_norm,
            spectral_norm: measured.measures.spectral_norm,
            stable_rank: measured.measures.stable_rank,
            effective_rank: measured.measures.effective_rank,
            spikes: measured.bulk.map(|bulk| bulk.spikes),
            method: measured.method,
            resolution: measured.resolution,
            unresolved: measured.unresolved,
        };
        if let Some(reason) = measured.no_tail.filter(|_| steps.is_empty()) {
            notes.push(format!("no power law is fitted: {reason}"));
        }
        if let Some(remark) = chosen.because.remark().filter(|_| steps.is_empty()) {
            notes.push(remark.to_owned());
        }
        match activations.get(&step) {
            Some(inputs) => {
                let text = spelled(inputs);
                let moments = read::pool_activations(std::slice::from_ref(&text), Some(&chosen))?;
                let orientation = choose::orientation(&chosen, moments.n, args.layout())?;
                notes.extend(orientation.remark.filter(|_| steps.is_empty()));
                let probe = probed(chosen.view, &moments, orientation.is_transposed, args.method)?.probe;
                (row.lar, row.k_pred) = (Some(probe.lar), Some(probe.k_pred));
                (row.k95, row.rows) = (probe.k95, Some(moments.rows));
                notes.extend(few_rows(probe.k95, moments.rows).map(|note| format!("step {step}: {note}")));
            }
            None if !activations.is_empty() => notes.push(format!("step {step} has no activations")),
            None => {}
        }
        steps.push(row);
    }
    Ok(Series { steps, notes })
}

/// Draws the series.
pub(super) fn draw(series: &Series, path: &Path) -> miette::Result<()> {
    let curve = |value: fn(&Step) -> Option<f64>| -> Vec<(f64, f64)> {
        series.steps.iter().filter_map(|step| Some((step.step as f64, value(step)?))).collect()
    };
    let scene = figure::page(&[
        ("log-alignment ratio", curve(|step| step.lar)),
        ("power-law exponent α", curve(|step| step.alpha)),
        ("stable rank", curve(|step| Some(step.stable_rank))),
        ("effective rank", curve(|step| Some(step.effective_rank))),
    ]);
    write_atomic(path, svg(&scene).into_diagnostic()?.as_bytes()).map_err(report)
}

fn spelled(location: &Location) -> String {
    match &location.tensor {
        Some(tensor) => format!("{}:{tensor}", location.path.display()),
        None => location.path.display().to_string(),
    }
}

/// The files that the patterns stand for, by the last number in each path.
fn by_number(patterns: &[String]) -> Result<BTreeMap<u64, Location>, TensorError> {
    let mut found = BTreeMap::new();
    for pattern in patterns {
        for location in expanded(pattern)? {
            let path = location.path.display().to_string();
            let Some(number) = last_number(&path) else {
                return Err(TensorError::Conflict {
                    what: format!("{path} has no number in its name to order it by"),
                    help: "checkpoints of a series are called by their step, as in ckpt-1000.safetensors",
                });
            };
            if let Some(other) = found.insert(number, location) {
                let other: Location = other;
                let other = other.path.display().to_string();
                return Err(TensorError::Conflict {
                    what: format!("{other} and {path} are both of step {number}"),
                    help: "name each checkpoint once, or one pattern for each series",
                });
            }
        }
    }
    Ok(found)
}

/// The last digits in a path, its extension left out.
fn last_number(path: &str) -> Option<u64> {
    let stem = path.trim_end_matches(".safetensors").trim_end_matches(".npy").trim_end_matches(".npz");
    let end = stem.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = stem[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    stem.get(start..end)?.parse().ok()
}

/// A pattern `DIR/NAME` with stars in it, in any part, and perhaps `:TENSOR` at its end; a file without stars is itself.
fn expanded(pattern: &str) -> Result<Vec<Location>, TensorError> {
    if !pattern.contains('*') || Path::new(pattern).exists() {
        return Ok(vec![Location::parse(pattern)]);
    }
    let (files, tensor) = match pattern.split_once(':') {
        Some((files, tensor)) => (files, Some(tensor.to_owned())),
        None => (pattern, None),
    };
    let mut paths = vec![PathBuf::from(if files.starts_with('/') { "/" } else { "" })];
    for part in files.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for path in paths {
            if !part.contains('*') {
                next.push(path.join(part));
                continue;
            }
            let folder = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
            let entries =
                fs::read_dir(folder).map_err(|source| TensorError::Read { path: folder.into(), source })?;
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            next.extend(names.filter(|name| fits(part, name)).map(|name| path.join(name)));
        }
        paths = next;
    }
    paths.retain(|path| path.exists());
    if paths.is_empty() {
        return Err(TensorError::Conflict {
            what: format!("no file is called like {files}"),
            help: "a star stands for any characters of a name; quote the pattern, or let the shell expand it",
        });
    }
    Ok(paths.into_iter().map(|path| Location { path, tensor: tensor.clone() }).collect())
}

/// Whether `name` is `pattern`, a star of which stands for any characters.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => match name.strip_prefix(before) {
            Some(rest) => {
                (0..=rest.len()).filter(|&at| rest.is_char_boundary(at)).any(|at| fits(after, &rest[at..]))
            }
            None => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, name, expected) in [
            ("ckpt-*.safetensors", "ckpt-100.safetensors", true),
            ("ckpt-*.safetensors", "ckpt-.safetensors", true),
            ("ckpt-*.safetensors", "ckpt-100.npy", false),
            ("*a*b", "xxaxxab", true),
            ("*a*b", "xxbxxa", false),
            ("é*", "éx", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_checkpoint_is_called_by_the_last_number_of_its_path() {
        assert_eq!(last_number("run-3/ckpt-1000.safetensors"), Some(1000));
        assert_eq!(last_number("run-3/step-20/model.safetensors"), Some(20));
        assert_eq!(last_number("model.safetensors"), None);
    }
}
