//! Which tensor of a model is its unembedding, or the head that stands for one.
//!
//! Promises: a name counts only as a whole, after what is known to be wrapped around a model: `mtp.head.weight` is the
//! head of something else, `h.0.attn.output.weight` no head at all. Where two could be meant, it asks.

use super::{Catalog, Matrices, Tensor, TensorError, View};
use std::borrow::Cow;

/// What may stand before the name of a head or an embedding: the model inside of which it lies, and wrappers.
const AROUND: [&str; 33] = [
    "model",
    "transformer",
    "language_model",
    "text_model",
    "llm",
    "lm",
    "backbone",
    "base_model",
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "net",
    "network",
    "decoder",
    "text_decoder",
    "encoder",
    "gpt_neox",
    "gpt2",
    "bert",
    "roberta",
    "distilbert",
    "electra",
    "deberta",
    "albert",
    "mpnet",
    "embeddings",
    "embedding",
    "generator",
    "student",
    "teacher",
    "params",
    "rwkv",
    "text_decoder_postnet",
];

/// Heads: of language models, encoders (BERT and its kind), speech models, classifiers.
const HEADS: [&str; 30] = [
    "lm_head.weight",
    "lm_head.kernel",
    "lm_head.decoder.weight",
    "embed_out.weight",
    "output.weight",
    "output_layer.weight",
    "head.weight",
    "ff_out.weight",
    "unembed.weight",
    "unembedding.weight",
    "unembed",
    "unembedding",
    "unembed.W_U",
    "W_U",
    "output",
    "proj_out.weight",
    "cls.predictions.decoder.weight",
    "predictions.decoder.weight",
    "vocab_projector.weight",
    "generator_lm_head.weight",
    "generator.proj.weight",
    "ctc_head.weight",
    "ctc_proj.weight",
    "score.weight",
    "classifier.weight",
    "classifier.out_proj.weight",
    "heads.head.weight",
    "head.fc.weight",
    "fc.weight",
    "qa_outputs.weight",
];

/// Token embeddings, which many models use as unembedding too.
const EMBEDDINGS: [&str; 16] = [
    "embed_tokens.weight",
    "wte.weight",
    "tok_embeddings.weight",
    "tok_emb.weight",
    "word_embeddings.weight",
    "token_embedding.weight",
    "embed_in.weight",
    "emb.weight",
    "embed.token.weight",
    "embed.weight",
    "embedding.weight",
    "embeddings.weight",
    "shared.weight",
    "embed.W_E",
    "W_E",
    "ff_in.weight",
];

/// The weights to probe where none were named.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Head<'a> {
    /// It is called as a head is.
    Named(&'a View<'a>),
    /// There is no head: the token embedding, of a model that may use it as its head.
    Tied(&'a View<'a>),
    /// Nothing is called like either, but there is only this matrix.
    OnlyMatrix(&'a View<'a>),
}

impl Catalog {
    /// The unembedding among `matrices`, which are this catalog's.
    ///
    /// # Errors
    /// If there are several of a kind, or none and more than one matrix; if it is called like a head and cannot be read;
    /// if there is none by name and some shards of the model are missing, where it may lie.
    pub fn head<'a>(&self, matrices: &'a Matrices<'a>) -> Result<Head<'a>, TensorError> {
        if let Some(head) = self.called(matrices, &HEADS, "holds several that could be the unembedding")? {
            return Ok(Head::Named(head));
        }
        if let Some(reason) = self.missing_shards() {
            return Err(TensorError::Conflict {
                what: format!("no unembedding was found, and {reason}"),
                help: "name the index, the directory or all shards of the model; or the tensor that is meant, as FILE:TENSOR",
            });
        }
        let several = "holds no unembedding, and several token embeddings";
        if let Some(embedding) = self.called(matrices, &EMBEDDINGS, several)? {
            return Ok(Head::Tied(embedding));
        }
        match &matrices.views[..] {
            [only] if self.tensors().len() == 1 => Ok(Head::Named(only)),
            [only] => Ok(Head::OnlyMatrix(only)),
            [] => match &matrices.skipped[..] {
                [(tensor, reason)] => Err(tensor.unfit(reason)),
                _ => Err(self.ambiguous("holds no matrix", self.tensors().iter())),
            },
            views => {
                let names =
                    views.iter().map(|view| (view.name.as_str(), &view.tensor.dtype, &view.shape[..]));
                Err(self.ambiguous_among(&format!("holds {} that could be taken", views.len()), names))
            }
        }
    }

    /// The matrix called like one of `names`, in full or in a quantised form; an error if there are several, or if it is
    /// there and no matrix can be made of it, which is no reason to take another.
    fn called<'a>(
        &self,
        matrices: &'a Matrices<'a>,
        names: &[&str],
        several: &str,
    ) -> Result<Option<&'a View<'a>>, TensorError> {
        let fits = |full: &str| names.iter().any(|name| is_called(full, name));
        let found: Vec<&Tensor> =
            self.tensors().iter().filter(|tensor| fits(&unquantised(&tensor.name))).collect();
        let tensor = match found[..] {
            [] => return Ok(None),
            [tensor] => tensor,
            ref several_of_them => return Err(self.ambiguous(several, several_of_them.iter().copied())),
        };
        matrices.of(tensor).map(Some)
    }
}

/// The name that a packed tensor's weights would have if they were plain.
fn unquantised(name: &str) -> Cow<'_, str> {
    let packed = [".qweight", ".weight_packed"].iter().find_map(|end| name.strip_suffix(end));
    packed.map_or(Cow::Borrowed(name), |layer| Cow::Owned(format!("{layer}.weight")))
}

/// Whether `full` is `name`, or `name` with nothing but wrappers before it.
fn is_called(full: &str, name: &str) -> bool {
    // Flax separates by slashes
    let full = full.replace('/', ".");
    let Some(before) = full.strip_suffix(name) else { return false };
    match before.strip_suffix('.') {
        Some(before) => before.split('.').all(|part| AROUND.contains(&part)),
        None => before.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_as_a_whole() {
        for (full, name) in [
            ("lm_head.weight", "lm_head.weight"),
            ("_orig_mod.module.lm_head.weight", "lm_head.weight"),
            ("model.language_model.embed_tokens.weight", "embed_tokens.weight"),
            ("bert.embeddings.word_embeddings.weight", "word_embeddings.weight"),
            ("params/lm_head/kernel", "lm_head.kernel"),
        ] {
            assert!(is_called(full, name), "{full}");
        }
        for (full, name) in [
            ("mtp.head.weight", "head.weight"),
            ("h.0.attn.output.weight", "output.weight"),
            ("my_lm_head.weight", "lm_head.weight"),
            ("model.layers.3.output.weight", "output.weight"),
            ("lm_head.weight_scale", "lm_head.weight"),
        ] {
            assert!(!is_called(full, name), "{full}");
        }
    }

    #[test]
    fn the_lists_have_no_name_twice() {
        for list in [&HEADS[..], &EMBEDDINGS, &AROUND] {
            let unique: std::collections::BTreeSet<_> = list.iter().collect();
            assert_eq!(unique.len(), list.len());
        }
    }
}
