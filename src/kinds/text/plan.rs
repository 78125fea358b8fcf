//! From configs to runs.

use super::{
    TEXT,
    config::{Config, TrainConfig},
    feed, identity,
    learner::TextLearner,
    source::{Corpus, CorpusKind, Source},
};
use crate::run::{
    Budget, Cadence, ConfigError, Data, Document, EngineChoice, Failure, Kind, Label, Place, PlanError,
    Planned, Planner, Started,
};
use groklab_text::model::Architecture;
use std::{collections::BTreeMap, sync::Arc};
use toml::Table;

/// A complete config, its types checked.
pub fn typed(config: &Table) -> Result<Config, String> {
    config.clone().try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// As [`typed`], with ranges.
pub fn checked(config: &Table) -> Result<Config, ConfigError> {
    let config = typed(config).map_err(|reason| ConfigError::unusable(TEXT.name(), &reason))?;
    config.check()?;
    Ok(config)
}

/// Keeps the corpora of a plan, which many runs share.
#[derive(Default)]
pub struct TextPlanner {
    corpora: BTreeMap<String, Arc<Corpus>>,
}

impl Planner for TextPlanner {
    fn plan(&mut self, config: &Table) -> Result<Arc<dyn Planned>, PlanError> {
        let mut config = checked(config)?;
        let data = &config.data;
        let key =
            format!("{} {} {} {}", data.vocabulary, data.language_seed, config.model.n_ctx, data.source);
        let corpus = match self.corpora.get(&key) {
            Some(corpus) => corpus.clone(),
            None => {
                let corpus = Arc::new(Corpus::load(&config)?);
                self.corpora.insert(key, corpus.clone());
                corpus
            }
        };
        corpus.check_digest(&data.source, &data.digest)?;
        feed::check_plan(&config, &corpus)?;
        if !Source::parse(&config.data.source).is_some_and(|source| source.is_drawn()) {
            config.data.digest.clone_from(&corpus.digest);
        }
        let id = identity::id(&config, &corpus.name, &corpus.digest);
        Ok(Arc::new(TextRun { id, config, corpus }))
    }
}

/// One planned run.
#[derive(Clone, Debug)]
pub struct TextRun {
    /// Name of its directory.
    pub id: String,
    /// Everything that determines its numbers, and its budget.
    pub config: Config,
    /// What it reads.
    pub corpus: Arc<Corpus>,
}

impl Planned for TextRun {
    fn id(&self) -> &str {
        &self.id
    }

    fn kind(&self) -> &'static dyn Kind {
        &TEXT
    }

    fn labels(&self) -> Vec<(&'static str, Label)> {
        vec![
            ("corpus", Label::Text(self.corpus.name.clone())),
            // 0: fresh documents, or all of a text
            ("train_tokens", Label::Whole(self.config.data.tokens as u64)),
            ("optimizer", Label::Text(self.config.optim.name.name().to_owned())),
            ("seed", Label::Whole(self.config.seed)),
        ]
    }

    fn recipe(&self) -> Table {
        identity::recipe(&self.config)
    }

    fn differences(&self, found: &Table) -> Vec<String> {
        let mut found = found.clone();
        found.remove("kind");
        identity::differences(&found, &self.recipe())
    }

    fn budget(&self) -> Budget {
        let TrainConfig { max_epochs, patience } = self.config.train;
        Budget { max_epochs, patience }
    }

    fn with_budget(&self, budget: Budget) -> Arc<dyn Planned> {
        let Budget { max_epochs, patience } = budget;
        let mut other = self.clone();
        other.config.train = TrainConfig { max_epochs, patience };
        Arc::new(other)
    }

    fn cadence(&self) -> Cadence {
        self.config.cadence()
    }

    fn data(&self) -> Data {
        let n_ctx = self.config.model.n_ctx;
        let all = match &self.corpus.kind {
            CorpusKind::Language(_) | CorpusKind::Periodic(_) => 0,
            CorpusKind::Text { train, .. } => train.rows() * n_ctx,
        };
        let tokens = self.config.data.tokens;
        let sizes = vec![
            ("vocabulary", self.config.data.vocabulary),
            ("train_tokens", if tokens == 0 { all } else { tokens }),
            ("held_out_tokens", self.config.data.held_out * n_ctx),
        ];
        Data { name: self.corpus.name.clone(), digest: self.corpus.digest.clone(), sizes }
    }

    fn has_diagnostics(&self) -> bool {
        !self.config.probe.diagnostics.is_empty()
    }

    fn documents(&self) -> Vec<Document> {
        self.corpus.documents.clone()
    }

    fn footprint(&self) -> u64 {
        let config = &self.config;
        let parameters = config.architecture().layout().len() as u64;
        let tokens = config.tokens_per_step() as u64;
        let model = &config.model;
        // what the backward pass keeps: logits thrice, attention weights thrice, and the hidden layers' main tensors
        let a_token = 3 * config.data.vocabulary
            + model.n_layers * (3 * model.n_heads * model.n_ctx + 12 * model.d_model + 4 * model.d_mlp);
        let ids = config.data.tokens + config.data.held_out * (model.n_ctx + 1);
        // parameters on host and device, gradients, two moments
        4 * (5 * parameters + tokens * a_token as u64 + ids as u64)
    }

    fn start<'a>(&'a self, place: &Place) -> Result<Started<'a>, Failure> {
        if place.engine == EngineChoice::Factored {
            return Err(
                "language models have no factored engine; leave --engine at auto (fused operations on the CPU), or take plain".into()
            );
        }
        let learner = TextLearner::new(self, &place.device, place.engine == EngineChoice::Plain)?;
        let engine = learner.engine();
        Ok((Box::new(learner), engine))
    }
}
