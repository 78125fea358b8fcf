//! The kinds of run. [`ALL`] is the one list of them: to add a kind is to write its folder and its line here.

pub mod text;

use crate::run::Kind;

/// Every kind there is.
pub static ALL: &[&'static dyn Kind] = &[&text::TEXT];
