//! A run as it is planned: its config, with the rows it learns from.

use super::{
    NAME, VECTORS,
    config::{Config, OptimizerName},
    evaluation::BLOCK,
    identity, layers,
    source::{Pool, Source},
    train::Trainer,
};
use crate::run::{
    Budget, Cadence, Data, Document, EngineChoice, Failure, Kind, Label, Place, Planned, Started,
};
use groklab_kernels::InstructionSet;
use groklab_vectors::{
    mlp::Mlp,
    samples::{Samples, SamplesError, label_noise, pixel_noise},
    stream,
};
use rand::seq::SliceRandom;
use std::{path::PathBuf, sync::Arc};
use toml::Table;

/// A run of this kind.
#[derive(Clone, Debug)]
pub(super) struct VectorsRun {
    pub config: Config,
    pub mlp: Mlp,
    pub(super) id: String,
    pub(super) source: Source,
    /// None of a source that draws its rows.
    pub(super) pool: Option<Arc<Pool>>,
    pub(super) digest: String,
    pub(super) val_rows: usize,
    pub(super) classes: usize,
}

impl VectorsRun {
    /// The rows to train with and those to validate with.
    pub fn sides(&self) -> Result<[Samples; 2], SamplesError> {
        let (data, seed) = (&self.config.data, self.config.split_seed);
        let rows = |from: usize, count: usize| (from..from + count).collect::<Vec<_>>();
        let (train, val) = match &self.pool {
            None => {
                let all = self.source.draw(data, seed, (data.train_rows + self.val_rows) as u64)?;
                let all = pixel_noise(all, data.pixel_noise as f32, data.pixel_seed)?;
                (all.select(&rows(0, data.train_rows))?, all.select(&rows(data.train_rows, self.val_rows))?)
            }
            Some(pool) => {
                // as `Samples::split`
                let mut order = rows(0, pool.first_val.unwrap_or(pool.samples.rows()));
                order.shuffle(&mut stream(seed, "split", 0));
                let train = pool.samples.select(&order[..data.train_rows])?;
                let val = match pool.first_val {
                    Some(first) => pool.samples.select(&rows(first, self.val_rows))?,
                    None => pool.samples.select(&order[data.train_rows..][..self.val_rows])?,
                };
                (train, val)
            }
        };
        let (train, _) = label_noise(train, data.label_noise, seed)?;
        Ok([train, val])
    }
}

impl Planned for VectorsRun {
    fn id(&self) -> &str {
        &self.id
    }

    fn kind(&self) -> &'static dyn Kind {
        &VECTORS
    }

    fn labels(&self) -> Vec<(&'static str, Label)> {
        vec![
            ("data", Label::Text(self.source.word().to_owned())),
            ("seed", Label::Whole(self.config.seed)),
            ("split_seed", Label::Whole(self.config.split_seed)),
        ]
    }

    fn recipe(&self) -> Table {
        identity::recipe(&self.config)
    }

    fn differences(&self, found: &Table) -> Vec<String> {
        let mut found = found.clone();
        found.remove("kind");
        // where the files lay is no difference: their contents are in the id
        let here = identity::placeless(self.recipe(), self.source.word());
        identity::differences(&identity::placeless(found, self.source.word()), &here)
    }

    fn budget(&self) -> Budget {
        self.config.train
    }

    fn with_budget(&self, budget: Budget) -> Arc<dyn Planned> {
        let mut run = self.clone();
        run.config.train = budget;
        Arc::new(run)
    }

    fn cadence(&self) -> Cadence {
        Cadence { every: self.config.probe.every, dense_until: self.config.probe.dense_until }
    }

    fn data(&self) -> Data {
        let sizes = vec![
            ("train_rows", self.config.data.train_rows),
            ("val_rows", self.val_rows),
            ("inputs", self.mlp.inputs()),
            ("classes", self.classes),
        ];
        Data { name: self.source.word().to_owned(), digest: self.digest.clone(), sizes }
    }

    fn has_diagnostics(&self) -> bool {
        !layers::columns(&self.config, &self.mlp).is_empty()
    }

    /// Of the user's own files, which are too large to be kept, where they lay. `config.toml` has the digest of their
    /// contents, and planning with others is refused.
    fn documents(&self) -> Vec<Document> {
        let Some(pool) = self.pool.as_ref().filter(|_| self.source.is_file()) else { return Vec::new() };
        let file = |(path, bytes): &(PathBuf, u64)| {
            let path = toml::Value::from(path.display().to_string());
            format!("[[file]]\npath = {path}\nbytes = {bytes}\n")
        };
        let files: String = pool.files.iter().map(file).collect();
        let text = format!(
            "# The rows this run learned from. They must be there to go on with it, and to plan it again.\n\
             digest = \"{}\"\n{files}",
            self.digest
        );
        vec![Document { name: "data.toml", text }]
    }

    fn footprint(&self) -> u64 {
        let Config { data, probe, optim, .. } = &self.config;
        let widths = self.mlp.widths();
        let widest = widths.iter().max().copied().unwrap_or(0);
        let slots = match optim.name {
            OptimizerName::AdamW => 2,
            OptimizerName::Sgd => usize::from(optim.momentum != 0.0),
        };
        // parameters, gradients and both packed forms; the first matrix as it began
        let weights = (4 + slots) * self.mlp.parameters() + widths[0] * widths[1];
        let batch = if data.batch_size == 0 { data.train_rows } else { data.batch_size.min(data.train_rows) };
        let at_once = batch.max(BLOCK.min(self.val_rows)).max(probe.jacobian_rows.min(data.train_rows));
        // outputs, cotangents, tangents
        let passes = at_once * (2 * widths.iter().sum::<usize>() + 2 * widest);
        let rows = (data.train_rows + self.val_rows) * (widths[0] + 1) + batch * (widths[0] + 1);
        4 * (weights as u64 + passes as u64 + rows as u64)
    }

    fn start<'a>(&'a self, place: &Place) -> Result<Started<'a>, Failure> {
        if place.engine != EngineChoice::Auto {
            return Err(format!(
                "runs of kind {NAME} have one engine, written out by hand; leave --engine at auto"
            )
            .into());
        }
        if !place.device.is_cpu() {
            return Err(format!("runs of kind {NAME} are computed on the CPU; leave --device at cpu").into());
        }
        Ok((Box::new(Trainer::new(self)?), format!("mlp ({})", InstructionSet::best().name())))
    }
}
