//! A figure of the report that needs data not every experiment has.

use serde::Serialize;

use crate::render::figure::Undrawn;

/// What it shows, or why it is not drawn, in the words of `groklab plot`.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Drawn<T> {
    Drawn(T),
    Undrawn(String),
}

impl<T> From<Result<T, Undrawn>> for Drawn<T> {
    fn from(figure: Result<T, Undrawn>) -> Self {
        match figure {
            Ok(shown) => Self::Drawn(shown),
            Err(reason) => Self::Undrawn(reason.to_string()),
        }
    }
}
