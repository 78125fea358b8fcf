//! `groklab probe`: the diagnostics of anyone's model, from files of weights and activations.

mod all;
mod choose;
mod csv;
mod layers;
mod outcome;
mod page;
mod read;
mod series;
mod text;

use super::{deliver, print, report};
use crate::{
    probe::{Moments, Probe, Spectra, probe, probe_gram},
    report::{Probed as ProbedModel, html},
    tensors::{Catalog, Layout, Location, TensorError, View, is_steering},
};
use clap::{Args, ValueEnum};
use miette::miette;
use outcome::{Method, One, Weights};
use serde::Serialize;
use std::path::PathBuf;

/// Arguments of `groklab probe`.
#[derive(Args)]
pub struct ProbeArgs {
    /// Weights: safetensors (several shards, an index.json, a directory of the hub), .npy or .npz; a tensor after a
    /// colon. Without one the unembedding is looked for
    #[arg(long, value_name = "FILE[:TENSOR]", num_args = 1.., required_unless_present_any = ["activations", "series"])]
    weights: Vec<String>,
    /// Inputs of these weights, (…, width): .npy, .npz or safetensors; several files are pooled. Without weights, what
    /// they show by themselves
    #[arg(long, value_name = "FILE[:TENSOR]", num_args = 1.., required_unless_present_any = ["all", "series"])]
    activations: Vec<String>,
    /// Every matrix in the files, by its weights alone; with activations, every one that has a tensor of its name there
    #[arg(long, conflicts_with = "spectra", requires = "weights")]
    all: bool,
    /// Checkpoints of one training, a row each, by the numbers in their names: 'ckpt-*.safetensors', a tensor after a
    /// colon. With activations of such names, what belongs together by number
    #[arg(long, value_name = "PATTERN", num_args = 1.., conflicts_with_all = ["weights", "all", "spectra"])]
    series: Vec<String>,
    /// How the weights lie, where their name does not say so or says it wrongly
    #[arg(long, value_enum, conflicts_with = "transposed")]
    layout: Option<LayoutArg>,
    /// The same as --layout in-out
    #[arg(long)]
    transposed: bool,
    /// How the singular values of the weights are found
    #[arg(long, value_enum, default_value_t)]
    method: Method,
    /// Besides, what is left of the spectrum when the entries of a matrix are shuffled: one more decomposition of each
    #[arg(long, requires = "all")]
    shuffle: bool,
    /// One JSON object instead of text; numbers that are not finite are null
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Comma-separated values instead of text, a row a matrix or a checkpoint
    #[arg(long)]
    csv: bool,
    /// Write singular values, p, q and covariance eigenvalues to this file
    #[arg(long, value_name = "FILE.csv", requires = "activations", requires = "weights")]
    spectra: Option<PathBuf>,
    /// Write a report of the model to this file: bars by layer, the spectrum of each matrix
    #[arg(long, value_name = "FILE.html", requires = "all")]
    report: Option<PathBuf>,
    /// Draw LAR, α and ranks against the step to this file
    #[arg(long, value_name = "FILE.svg", requires = "series")]
    figure: Option<PathBuf>,
}

/// Which side of a weight matrix its inputs are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LayoutArg {
    /// (outputs, inputs), as torch.nn.Linear
    OutIn,
    /// (inputs, outputs), as GPT-2's Conv1D, Keras, Flax and TransformerLens
    InOut,
}

impl ProbeArgs {
    fn layout(&self) -> Option<Layout> {
        match self.layout {
            Some(LayoutArg::OutIn) => Some(Layout::OutIn),
            Some(LayoutArg::InOut) => Some(Layout::InOut),
            None => self.transposed.then_some(Layout::InOut),
        }
    }

    fn show<T: Serialize>(
        &self,
        value: &T,
        text: fn(&T) -> String,
        csv: fn(&T) -> String,
    ) -> miette::Result<()> {
        match (self.json, self.csv) {
            (true, _) => print_json(value),
            (_, true) => print(&csv(value)),
            _ => print_text(&text(value)),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// A file, tensor or matrix that cannot be used; output that cannot be written.
pub fn run(args: &ProbeArgs) -> miette::Result<()> {
    if !args.series.is_empty() {
        let series = series::measure(args)?;
        if let Some(path) = &args.figure {
            series::draw(&series, path)?;
        }
        return args.show(&series, text::series, csv::series);
    }
    if args.weights.is_empty() {
        return args.show(&layers::alone(&args.activations)?, text::layers, csv::layers);
    }
    let locations: Vec<Location> = args.weights.iter().map(|text| Location::parse(text)).collect();
    let catalog = Catalog::open(&locations)?;
    let named = named(&locations)?;
    if args.all {
        return of_all(args, &catalog, named);
    }
    let (one, spectra) = one(&catalog, named, &args.activations, args.layout(), args.method)?;
    if let Some(path) = &args.spectra {
        deliver(path, csv::spectra(&spectra).as_bytes())?;
    }
    args.show(&one, text::one, csv::one)
}

/// Every matrix, by its weights alone or with the activations of its name; by both for the report.
fn of_all(args: &ProbeArgs, catalog: &Catalog, named: Option<&str>) -> miette::Result<()> {
    let layers = match args.activations[..] {
        [] => None,
        _ => Some(layers::measure(catalog, &args.activations, args.layout(), args.method)?),
    };
    let all = match (&layers, &args.report) {
        (Some(_), None) => None,
        _ => Some(all::measure(catalog, named, args.method, args.shuffle)?),
    };
    if let (Some(path), Some(all)) = (&args.report, &all) {
        let section = page::probed(catalog.place().to_owned(), all, layers.as_ref());
        deliver(path, &html(&[], &[], &[section], None, None).map_err(report)?)?;
    }
    match (&layers, &all) {
        (Some(layers), _) => args.show(layers, text::layers, csv::layers),
        (None, Some(all)) => args.show(all, text::all, csv::all),
        (None, None) => Ok(()),
    }
}

/// The section of the report on the model in `files`.
///
/// # Errors
/// As [`run`].
pub(super) fn section(files: &[String]) -> miette::Result<ProbedModel> {
    let locations: Vec<Location> = files.iter().map(|text| Location::parse(text)).collect();
    let catalog = Catalog::open(&locations)?;
    let all = all::measure(&catalog, named(&locations)?, Method::Auto, false)?;
    Ok(page::probed(catalog.place().to_owned(), &all, None))
}

/// Probes one matrix, the one that was named or else the unembedding, with its inputs.
fn one(
    catalog: &Catalog,
    named: Option<&str>,
    activations: &[String],
    layout: Option<Layout>,
    method: Method,
) -> miette::Result<(One, Spectra)> {
    let matrices = catalog.matrices();
    let chosen = choose::weights(catalog, &matrices, named)?;
    let moments = read::pool_activations(activations, Some(&chosen))?;
    let orientation = choose::orientation(&chosen, moments.n, layout)?;
    let view = chosen.view;
    let Probed { probe, spectra, method, resolution } =
        probed(view, &moments, orientation.is_transposed, method)?;
    let remarks = [view.note.clone(), chosen.because.remark().map(str::to_owned), orientation.remark.clone()];
    let mut notes: Vec<String> = remarks.into_iter().flatten().collect();
    notes.extend(spectra.notes().into_iter().map(str::to_owned));
    notes.extend(outcome::doubts(&probe, &spectra, moments.rows, resolution));
    let one = One {
        weights: Weights::of(&chosen, &orientation),
        method,
        resolution,
        activation_files: activations.to_vec(),
        rows: moments.rows,
        width: moments.n,
        rank: spectra.rank(),
        null_share: spectra.null_share(),
        probe,
        notes,
        skipped: choose::unasked(catalog, &matrices, view),
    };
    Ok((one, spectra))
}

/// A probe and how it came about.
struct Probed {
    probe: Probe,
    spectra: Spectra,
    method: &'static str,
    resolution: Option<f64>,
}

/// Probes a matrix with its pooled inputs.
fn probed(view: &View<'_>, moments: &Moments, is_transposed: bool, method: Method) -> miette::Result<Probed> {
    let mut matrix = view.open(is_transposed)?;
    let (m, n) = (matrix.rows(), matrix.columns());
    let is_auto = method == Method::Auto;
    let method = method.settled(m, n);
    let (mut found, mut resolution) = (None, None);
    if method != Method::Svd {
        let gram = read::gram(&mut matrix, method)?;
        let (probe, spectra) = probe_gram(&gram, moments).map_err(report)?;
        // what the Gram matrix does not resolve is worth a decomposition, if that ends
        let is_lost = spectra.singular_values.contains(&0.0);
        if !(is_auto && is_lost && outcome::work(m, n) <= outcome::MINUTE) {
            (found, resolution) = (Some((probe, spectra)), Some(gram.resolution()));
        }
    }
    let (probe, spectra) = match found {
        Some(found) => found,
        None => probe(&read::whole(&mut matrix)?, m, n, moments).map_err(report)?,
    };
    Ok(Probed { probe, spectra, method: method.says(resolution), resolution })
}

/// The tensor that was named, if one was; two names are one too many.
fn named(locations: &[Location]) -> Result<Option<&str>, TensorError> {
    let mut names: Vec<&str> = locations.iter().filter_map(|l| l.tensor.as_deref()).collect();
    names.dedup();
    match names[..] {
        [] => Ok(None),
        [name] => Ok(Some(name)),
        [first, second, ..] => Err(TensorError::Conflict {
            what: format!("two tensors of weights were named, {first} and {second}"),
            help: "probe one after the other",
        }),
    }
}

/// JSON escapes controls; marks of direction in foreign names are escaped here too.
fn print_json(value: &impl Serialize) -> miette::Result<()> {
    let json = serde_json::to_string(value).map_err(|error| miette!("failed to write JSON: {error}"))?;
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if is_steering(c) {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")));
        } else {
            safe.push(c);
        }
    }
    print(&format!("{safe}\n"))
}

/// Names come from foreign files: nothing in them may steer a terminal.
fn print_text(text: &str) -> miette::Result<()> {
    print(&text.replace(|c: char| is_steering(c) && c != '\n', "\u{fffd}"))
}
