//! `groklab probe`: the diagnostics of anyone's model, from files of weights and activations.

mod outcome;

use super::{deliver, print, report};
use crate::{
    probe::{Moments, RowPool, WeightGram, probe, probe_gram, weight_measures},
    tensors::{Catalog, Choice, Element, Location, Matrix, Number, Tensor, TensorError},
};
use clap::{Args, ValueEnum};
use miette::miette;
use outcome::{All, Measured, One, Skipped, Weights, all_text, one_text, spectra_csv};
use serde::Serialize;
use std::path::PathBuf;

/// Names of an unembedding, in the order they are looked for.
const UNEMBEDDING: Choice = Choice {
    names: &[
        "lm_head.weight",
        "unembed.weight",
        "unembedding.weight",
        "embed_out.weight",
        "unembed.W_U",
        "unembed",
        "unembedding",
        "W_U",
        "output.weight",
        "head.weight",
        "output",
    ],
};

/// Names of a token embedding, for models that use it as unembedding too.
const TIED: Choice = Choice {
    names: &[
        "embed_tokens.weight",
        "wte.weight",
        "tok_embeddings.weight",
        "word_embeddings.weight",
        "embed_in.weight",
        "embed.token.weight",
    ],
};

/// Arguments of `groklab probe`.
#[derive(Args)]
pub struct ProbeArgs {
    /// Weights: safetensors (several shards, or a model.safetensors.index.json) or .npy; a tensor after a colon.
    /// Without one the unembedding is looked for
    #[arg(long, value_name = "FILE[:TENSOR]", required = true, num_args = 1..)]
    weights: Vec<String>,
    /// Inputs of these weights, (…, width): .npy or safetensors; several files are pooled
    #[arg(long, value_name = "FILE[:TENSOR]", num_args = 1.., required_unless_present = "all")]
    activations: Vec<String>,
    /// Every matrix in the files, by its weights alone
    #[arg(long, conflicts_with_all = ["activations", "transposed", "spectra"])]
    all: bool,
    /// The weights lie as (width, outputs); found out by the width of the activations unless the matrix is square
    #[arg(long)]
    transposed: bool,
    /// How the singular values of the weights are found
    #[arg(long, value_enum, default_value_t)]
    method: Method,
    /// One JSON object instead of text; numbers that are not finite are null
    #[arg(long)]
    json: bool,
    /// Write singular values, p, q and covariance eigenvalues to this file
    #[arg(long, value_name = "FILE.csv")]
    spectra: Option<PathBuf>,
}

/// How the singular values of the weights are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Method {
    /// svd where that takes seconds, else gram-f32, or gram for weights in f64
    #[default]
    Auto,
    /// From the weights themselves, in f64
    Svd,
    /// From WᵀW, in f64
    Gram,
    /// From WᵀW, products in f32, sums over blocks of rows in f64: about twice as fast
    GramF32,
}

impl Method {
    /// What `auto` means for a matrix of m × n numbers.
    fn settled(self, element: Element, m: usize, n: usize) -> Self {
        /// m·n·min(m, n), a tenth of an SVD's multiply-adds: a few seconds on one core.
        const SECONDS: f64 = 4e9;
        match self {
            Self::Auto if m as f64 * n as f64 * m.min(n) as f64 <= SECONDS => Self::Svd,
            Self::Auto if element == Element::F64 => Self::Gram,
            Self::Auto => Self::GramF32,
            given => given,
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Auto | Self::Svd => "singular value decomposition of W in f64",
            Self::Gram => "eigenvalues of WᵀW in f64",
            Self::GramF32 => "eigenvalues of WᵀW, products in f32, sums over blocks in f64",
        }
    }
}

/// Numbers read at a time: 64 MB in f64.
const BLOCK: usize = 1 << 23;

/// Runs the command.
///
/// # Errors
/// A file, tensor or matrix that cannot be used; output that cannot be written.
pub fn run(args: &ProbeArgs) -> miette::Result<()> {
    let locations: Vec<Location> = args.weights.iter().map(|text| Location::parse(text)).collect();
    let catalog = Catalog::open(&locations)?;
    let named = named(&locations)?;
    if args.all {
        let all = measure_all(&catalog, named, args.method)?;
        return if args.json { print_json(&all) } else { print_text(&all_text(&all)) };
    }
    let (tensor, because) = weights(&catalog, named)?;
    // Before any reading: what cannot be used is said now.
    tensor.as_matrix().map_err(|reason| tensor.unfit(reason))?;
    let moments = pool_activations(&args.activations, &tensor.shape)?;
    let transposed = orientation(tensor, moments.n, args.transposed)?;
    let mut matrix = Matrix::open(tensor, transposed)?;
    let method = args.method.settled(matrix.element(), matrix.rows(), matrix.columns());
    let mut resolution = None;
    let (probe, spectra) = if method == Method::Svd {
        probe(&whole(&mut matrix)?, matrix.rows(), matrix.columns(), &moments).map_err(report)?
    } else {
        let gram = gram(&mut matrix, method)?;
        resolution = Some(gram.resolution());
        probe_gram(&gram, &moments).map_err(report)?
    };
    if let Some(path) = &args.spectra {
        deliver(path, spectra_csv(&spectra).as_bytes())?;
    }
    let one = One {
        weights: Weights {
            tensor: tensor.name.clone(),
            file: tensor.path.display().to_string(),
            dtype: tensor.dtype.clone(),
            shape: tensor.shape.clone(),
            transposed,
            tied: because == Because::Tied,
            remark: because.remark(),
        },
        method: method.says(),
        resolution,
        activation_files: args.activations.clone(),
        rows: moments.rows,
        width: moments.n,
        probe,
        skipped: unasked(&catalog, tensor),
    };
    if args.json { print_json(&one) } else { print_text(&one_text(&one)) }
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

/// Why these weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Because {
    /// They were named, are called like an unembedding, or are all there is.
    Meant,
    /// A token embedding is taken for the unembedding.
    Tied,
    /// The file has other tensors, but no other matrix. In a shard it need not be the head.
    OnlyMatrix,
}

impl Because {
    fn remark(self) -> Option<&'static str> {
        match self {
            Self::Meant => None,
            Self::Tied => Some("no unembedding found: the token embedding is taken for one (tied heads)"),
            Self::OnlyMatrix => Some("no unembedding found by its name: this is the only matrix there is"),
        }
    }
}

/// The weights to probe.
fn weights<'a>(catalog: &'a Catalog, named: Option<&str>) -> Result<(&'a Tensor, Because), TensorError> {
    if let Some(name) = named {
        return Ok((catalog.get(name)?, Because::Meant));
    }
    if let Some(tensor) = catalog.choose(UNEMBEDDING)? {
        return Ok((tensor, Because::Meant));
    }
    if let Some(tensor) = catalog.choose(TIED)? {
        return Ok((tensor, Because::Tied));
    }
    let alone = catalog.tensors().len() == 1;
    let tensor = catalog.only(|tensor| tensor.as_matrix().is_ok())?;
    Ok((tensor, if alone { Because::Meant } else { Because::OnlyMatrix }))
}

/// Moments of all activations, which must be as wide as one side of `weights`.
fn pool_activations(texts: &[String], weights: &[usize]) -> miette::Result<Moments> {
    let mut pool: Option<RowPool> = None;
    let mut width = 0;
    for text in texts {
        let location = Location::parse(text);
        let catalog = Catalog::open(std::slice::from_ref(&location))?;
        let tensor = match &location.tensor {
            Some(name) => catalog.get(name)?,
            None => catalog.only(|tensor| tensor.element.is_some())?,
        };
        let mut rows = Matrix::open(tensor, false)?;
        if !weights.contains(&rows.columns()) {
            return Err(tensor
                .unfit(format!(
                    "is {:?}, rows of width {}, and the weights are {weights:?}: neither side fits",
                    tensor.shape,
                    rows.columns()
                ))
                .into());
        }
        let pool = match &mut pool {
            Some(pool) if rows.columns() == width => pool,
            Some(_) => {
                return Err(tensor
                    .unfit(format!("has rows of width {}, those before it {width}", rows.columns()))
                    .into());
            }
            empty => {
                width = rows.columns();
                empty.insert(RowPool::new(width).map_err(report)?)
            }
        };
        blocks(&mut rows, |block| pool.add_f64(block))?;
    }
    pool.map(RowPool::into_moments).ok_or_else(|| miette!("no activations were given"))
}

/// Whether `tensor` lies as (width, outputs).
fn orientation(tensor: &Tensor, width: usize, asked: bool) -> Result<bool, TensorError> {
    let [first, last] = tensor.shape[..] else { return Err(tensor.unfit("is not a matrix")) };
    if asked && first != width {
        return Err(tensor.unfit(format!(
            "is {:?}: transposed, its first side would have to be the activations' width {width}",
            tensor.shape
        )));
    }
    Ok(asked || last != width)
}

/// Hands all rows to `take`, a block at a time.
fn blocks<T: Number>(
    matrix: &mut Matrix,
    mut take: impl FnMut(&[T]) -> Result<(), crate::probe::ProbeError>,
) -> miette::Result<()> {
    // A multiple of what a pool multiplies at a time, so that the size of a block changes no result.
    let height = (BLOCK / matrix.columns()).next_multiple_of(1024);
    let mut block = Vec::new();
    for start in (0..matrix.rows()).step_by(height) {
        matrix.read_rows(start..matrix.rows().min(start + height), &mut block)?;
        take(&block).map_err(report)?;
    }
    Ok(())
}

fn whole(matrix: &mut Matrix) -> Result<Vec<f64>, TensorError> {
    let mut numbers = Vec::new();
    matrix.read_rows(0..matrix.rows(), &mut numbers)?;
    Ok(numbers)
}

fn gram(matrix: &mut Matrix, method: Method) -> miette::Result<WeightGram> {
    let mut pool = RowPool::new(matrix.columns()).map_err(report)?;
    if method == Method::GramF32 {
        blocks(matrix, |block| pool.add_f32(block))?;
    } else {
        blocks(matrix, |block| pool.add_f64(block))?;
    }
    Ok(pool.into_weight_gram())
}

/// Measures every matrix, or the one that was named; what is no matrix, or unusable, is skipped with its reason.
fn measure_all(catalog: &Catalog, named: Option<&str>, method: Method) -> miette::Result<All> {
    let mut all = All { matrices: Vec::new(), skipped: Vec::new() };
    let one = named.map(|name| catalog.get(name)).transpose()?;
    for tensor in one.map_or(catalog.tensors(), std::slice::from_ref) {
        match tensor.as_matrix() {
            Err(reason) => all.skipped.push(skipped(tensor, reason.to_string())),
            Ok(_) => match measure(tensor, method) {
                Ok(measured) => all.matrices.push(measured),
                Err(error) => all.skipped.push(skipped(tensor, error.to_string())),
            },
        }
    }
    Ok(all)
}

fn measure(tensor: &Tensor, method: Method) -> miette::Result<Measured> {
    // Singular values are those of the transpose; the smaller Gram matrix is the one to form.
    let narrow = tensor.shape.first() >= tensor.shape.last();
    let mut matrix = Matrix::open(tensor, !narrow)?;
    let (m, n) = (matrix.rows(), matrix.columns());
    let method = method.settled(matrix.element(), m, n);
    let measures = if method == Method::Svd {
        weight_measures(&whole(&mut matrix)?, m, n)
    } else {
        gram(&mut matrix, method)?.measures()
    };
    Ok(Measured {
        tensor: tensor.name.clone(),
        file: tensor.path.display().to_string(),
        dtype: tensor.dtype.clone(),
        shape: tensor.shape.clone(),
        method: method.says(),
        measures: measures.map_err(report)?,
    })
}

fn skipped(tensor: &Tensor, reason: String) -> Skipped {
    Skipped { tensor: tensor.name.clone(), file: tensor.path.display().to_string(), reason }
}

/// The other tensors of the files, and why they were not probed.
fn unasked(catalog: &Catalog, probed: &Tensor) -> Vec<Skipped> {
    let others = catalog.tensors().iter().filter(|tensor| tensor.name != probed.name);
    let reason = |tensor: &Tensor| match tensor.as_matrix() {
        Ok(_) => "not the weights asked for".to_owned(),
        Err(reason) => reason.to_string(),
    };
    others.map(|tensor| skipped(tensor, reason(tensor))).collect()
}

fn print_json(value: &impl Serialize) -> miette::Result<()> {
    print(&format!("{}\n", serde_json::to_string(value).map_err(report)?))
}

/// Names come from foreign files: nothing in them may steer a terminal.
fn print_text(text: &str) -> miette::Result<()> {
    print(&text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}"))
}
