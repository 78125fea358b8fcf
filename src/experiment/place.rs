//! Where in an experiment file a key or one item of a list stands: asked only once something is wrong there.

use crate::excerpt::Span;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A value of an experiment file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Where<'a> {
    /// Key at the top, such as `seeds` or `grid`.
    pub section: &'a str,
    /// Dotted config key within it.
    pub key: Option<&'a str>,
    /// Item of the list, from 0.
    pub item: Option<usize>,
}

impl<'a> Where<'a> {
    pub fn section(section: &'a str) -> Self {
        Self { section, key: None, item: None }
    }

    pub fn key(section: &'a str, key: &'a str) -> Self {
        Self { key: Some(key), ..Self::section(section) }
    }

    pub fn item(self, item: usize) -> Self {
        Self { item: Some(item), ..self }
    }

    /// The bytes of the value in `text`, if it is there.
    pub fn locate(self, text: &str) -> Option<Span> {
        let table = DeTable::parse(text).ok()?;
        let mut value = find(table.get_ref(), self.section)?;
        // a list of tables holds keys, a table holds lists
        let is_list = value.get_ref().as_array().is_some();
        if let Some(item) = self.item.filter(|_| is_list) {
            value = value.get_ref().get(item)?;
        }
        if let Some(key) = self.key {
            value = find(value.get_ref().as_table()?, key)?;
        }
        if let Some(item) = self.item.filter(|_| !is_list) {
            value = value.get_ref().get(item)?;
        }
        Some(Span::new(value.span().start, value.span().end))
    }
}

/// The bytes of the name of a key at the top of `text`.
pub(super) fn locate_name(text: &str, key: &str) -> Option<Span> {
    let table = DeTable::parse(text).ok()?;
    let (name, _) = table.get_ref().iter().find(|(name, _)| &**name.get_ref() == key)?;
    Some(Span::new(name.span().start, name.span().end))
}

/// `"optim.beta2" = …`, `optim.beta2 = …` and `[optim] beta2 = …` are the same key.
fn find<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<&'t Spanned<DeValue<'i>>> {
    table.iter().find_map(|(name, value)| match key.strip_prefix(&**name.get_ref())? {
        "" => Some(value),
        rest => find(value.get_ref().as_table()?, rest.strip_prefix('.')?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_however_they_are_written() {
        let text = "seeds = [4, 55]\n[set]\n\"optim.beta1\" = 1\noptim.beta2 = 2\nmodel = {d_model = 3}\n\
                    [[cases]]\na.b = 7\n[[cases]]\na.b = 8\n";
        let found = |place: Where| place.locate(text).map(|span| &text[span.start..span.end]);
        assert_eq!(found(Where::section("seeds").item(1)), Some("55"));
        assert_eq!(found(Where::section("seeds")), Some("[4, 55]"));
        for (key, value) in [("optim.beta1", "1"), ("optim.beta2", "2"), ("model.d_model", "3")] {
            assert_eq!(found(Where::key("set", key)), Some(value), "{key}");
        }
        assert_eq!(found(Where::key("cases", "a.b").item(1)), Some("8"));
        for absent in [Where::key("set", "optim.beta"), Where::key("grid", "seed"), Where::section("sets")] {
            assert_eq!(found(absent), None, "{absent:?}");
        }
    }
}
