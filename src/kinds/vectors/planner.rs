//! From a config to a run: reads the data it asks for, once each, and holds them against each other.

use super::{
    VECTORS,
    config::Config,
    error::DataError,
    identity,
    plan::VectorsRun,
    source::{Pool, Source, digest_of_rule},
};
use crate::run::{PlanError, Planned, Planner};
use groklab_vectors::mlp::Mlp;
use std::{collections::BTreeMap, sync::Arc};
use toml::Table;

/// Makes runs of configs; each source is read once.
#[derive(Debug, Default)]
pub(super) struct VectorsPlanner {
    pools: BTreeMap<String, Arc<Pool>>,
}

impl Planner for VectorsPlanner {
    fn plan(&mut self, config: &Table) -> Result<Arc<dyn Planned>, PlanError> {
        let config = VECTORS.typed(config)?;
        Ok(Arc::new(self.run(config)?))
    }
}

impl VectorsPlanner {
    pub fn run(&mut self, mut config: Config) -> Result<VectorsRun, PlanError> {
        let source = Source::parse(&config.data.source)?;
        let data = |error| PlanError::Data { key: "data.source", error: Box::new(error) };
        let pool = if source.is_drawn() { None } else { Some(self.pool(&source, &config).map_err(data)?) };
        let digest = pool.as_ref().map_or_else(|| digest_of_rule(&source), |pool| pool.digest.clone());
        if source.is_file() {
            if !config.data.digest.is_empty() && config.data.digest != digest {
                let (source_text, wanted) = (config.data.source, config.data.digest);
                let error = Box::new(DataError::Changed { source_text, found: digest, wanted });
                return Err(PlanError::Data { key: "data.digest", error });
            }
            config.data.digest.clone_from(&digest);
            config.data.source = source.text();
        }
        let val_rows = val_rows(&config, &source, pool.as_deref())
            .map_err(|error| PlanError::Data { key: "data.train_rows", error: Box::new(error) })?;
        let (inputs, classes) = pool
            .as_ref()
            .map_or((config.data.width, 2), |pool| (pool.samples.width(), pool.samples.classes()));
        let mlp = network(&config, &source, (inputs, classes))
            .map_err(|(key, error)| PlanError::Data { key, error: Box::new(error) })?;
        let id = identity::run_id(&config, source.word(), &digest);
        Ok(VectorsRun { id, source, pool, digest, val_rows, classes, mlp, config })
    }

    fn pool(&mut self, source: &Source, config: &Config) -> Result<Arc<Pool>, DataError> {
        let data = &config.data;
        let key =
            format!("{} {} {:?} {}", source.text(), data.standardise, data.pixel_noise, data.pixel_seed);
        if let Some(pool) = self.pools.get(&key) {
            return Ok(Arc::clone(pool));
        }
        let pool = Arc::new(Pool::load(source, data)?);
        self.pools.insert(key, Arc::clone(&pool));
        Ok(pool)
    }
}

/// Rows that validate.
fn val_rows(config: &Config, source: &Source, pool: Option<&Pool>) -> Result<usize, DataError> {
    let (train, val) = (config.data.train_rows, config.data.val_rows);
    let Some(pool) = pool else { return Ok(val) };
    let all = pool.samples.rows();
    let (rows, left) = match pool.first_val {
        Some(first) => (first, all - first),
        None => (all, all.saturating_sub(train)),
    };
    if train > rows || left == 0 || val > left {
        return Err(DataError::Rows { name: source.word(), train, val, rows, val_rows: left });
    }
    Ok(if val == 0 { left } else { val })
}

/// The network, or the key that does not allow it.
fn network(
    config: &Config,
    source: &Source,
    (inputs, classes): (usize, usize),
) -> Result<Mlp, (&'static str, DataError)> {
    let single = config.model.single_output;
    if (single && classes != 2) || classes < 2 {
        let told = if single { "two classes" } else { "two classes or more" };
        let error = DataError::Classes { name: source.word(), classes, single, told };
        return Err(("model.single_output", error));
    }
    let widths = config.model.widths(inputs, classes);
    Mlp::new(&widths, config.model.biases, config.model.output_scale as f32)
        .map_err(|error| ("model.width", error.into()))
}
