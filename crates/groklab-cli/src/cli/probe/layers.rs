//! Activations of many layers: with the weights of their names, or alone.

use super::{
    choose::{Because, Chosen, orientation, skipped},
    outcome::{Layer, Layers, Method, Skipped, Weights, doubts, few_rows},
    probed,
    read::moments_of,
    report,
};
use crate::{
    probe::{Moments, components_for, head_and_tail, participation_ratio, rankme},
    tensors::{Catalog, Layout, Location, View},
};
use std::collections::BTreeMap;

/// Pooled inputs of a layer, and the file that showed it first.
struct Inputs {
    moments: Moments,
    file: String,
}

/// The activations in `files`, by the name of their tensor; a name in several files is pooled.
fn inputs(files: &[String]) -> miette::Result<(BTreeMap<String, Inputs>, Vec<Skipped>)> {
    let (mut found, mut skipped) = (BTreeMap::<String, Inputs>::new(), Vec::new());
    for text in files {
        let location = Location::parse(text);
        let catalog = Catalog::open(std::slice::from_ref(&location))?;
        let one = location.tensor.as_deref().map(|name| catalog.get(name)).transpose()?;
        for tensor in one.map_or(catalog.tensors(), std::slice::from_ref) {
            let file = tensor.path.display().to_string();
            let moments = match moments_of(tensor) {
                Ok(moments) => moments,
                Err(error) => {
                    skipped.push(Skipped { tensor: tensor.name.clone(), file, reason: error.to_string() });
                    continue;
                }
            };
            match found.get_mut(&tensor.name) {
                Some(inputs) => inputs.moments.merge(&moments).map_err(report)?,
                None => drop(found.insert(tensor.name.clone(), Inputs { moments, file })),
            }
        }
    }
    Ok((found, skipped))
}

/// What activations show without weights.
pub(super) fn alone(files: &[String]) -> miette::Result<Layers> {
    let (found, skipped) = inputs(files)?;
    let layers: Result<_, _> = found.iter().map(|(name, inputs)| layer(name, &inputs.moments)).collect();
    Ok(Layers { layers: layers?, skipped })
}

/// Every matrix of `catalog` that has activations of its name: those of the tensor, or of the layer, which is the name
/// without `.weight`.
pub(super) fn measure(
    catalog: &Catalog,
    files: &[String],
    layout: Option<Layout>,
    method: Method,
) -> miette::Result<Layers> {
    let (mut found, mut left_out) = inputs(files)?;
    let matrices = catalog.matrices();
    let mut layers = Vec::new();
    for view in &matrices.views {
        let layer_name = view.name.strip_suffix(".weight").unwrap_or(&view.name);
        let entry = found.remove(&view.name).or_else(|| found.remove(layer_name));
        let Some(inputs) = entry else {
            left_out.push(of_view(view, "no activations of its name".into()));
            continue;
        };
        match with_weights(view, &inputs.moments, layout, method) {
            Ok(layer) => layers.push(layer),
            Err(error) => left_out.push(of_view(view, error.to_string())),
        }
    }
    left_out.extend(found.into_iter().map(|(tensor, inputs)| Skipped {
        tensor,
        file: inputs.file,
        reason: "activations, and no weights of their name".into(),
    }));
    left_out.extend(skipped(catalog, &matrices));
    Ok(Layers { layers, skipped: left_out })
}

fn of_view(view: &View<'_>, reason: String) -> Skipped {
    Skipped { tensor: view.name.clone(), file: view.tensor.path.display().to_string(), reason }
}

fn with_weights(
    view: &View<'_>,
    moments: &Moments,
    layout: Option<Layout>,
    method: Method,
) -> miette::Result<Layer> {
    if !view.shape.contains(&moments.n) {
        let reason = format!("is {:?}, and its activations are {} wide", view.shape, moments.n);
        return Err(view.tensor.unfit(reason).into());
    }
    let chosen = Chosen { view, because: Because::Meant };
    let orientation = orientation(&chosen, moments.n, layout)?;
    let found = probed(view, moments, orientation.is_transposed, method)?;
    let mut layer = layer(&view.name, moments)?;
    layer.notes = view.note.clone().into_iter().chain(orientation.remark.clone()).collect();
    layer.notes.extend(found.spectra.notes().into_iter().map(str::to_owned));
    layer.notes.extend(doubts(&found.probe, &found.spectra, moments.rows, found.resolution));
    layer.weights = Some(Weights::of(&chosen, &orientation));
    (layer.method, layer.resolution) = (Some(found.method), found.resolution);
    let probe = found.probe;
    (layer.lar, layer.k_pred, layer.stable_rank) =
        (Some(probe.lar), Some(probe.k_pred), Some(probe.stable_rank));
    Ok(layer)
}

/// What the activations show by themselves.
fn layer(name: &str, moments: &Moments) -> miette::Result<Layer> {
    let variances = moments.covariance_eigenvalues().map_err(report)?;
    let (head, tail) = head_and_tail(&variances);
    let k95 = components_for(&variances, 0.95);
    Ok(Layer {
        tensor: name.to_owned(),
        weights: None,
        method: None,
        resolution: None,
        rows: moments.rows,
        width: moments.n,
        lar: None,
        k_pred: None,
        k90: components_for(&variances, 0.90),
        k95,
        k99: components_for(&variances, 0.99),
        rankme: rankme(moments).map_err(report)?,
        participation_ratio: participation_ratio(&variances),
        head_slope: head.slope,
        tail_slope: tail.slope,
        stable_rank: None,
        notes: few_rows(k95, moments.rows).into_iter().collect(),
    })
}
