//! What the keys of a config mean: read off the source of its structs, where each is documented once.
//!
//! A kind names the files that its config is defined in; the structs there are followed from `Config`, or whatever the first is
//! called, along the types of their fields. An enum's variants are the choices of a key, as serde writes them.

use std::collections::BTreeMap;

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// What it means.
    pub about: String,
    /// Its values with what each means, of a key that has choices.
    pub choices: Vec<(String, String)>,
}

/// The keys by dotted name that the structs of `sources` define, beginning at the struct `root`.
pub fn meanings(root: &str, sources: &[&str]) -> BTreeMap<String, KeyDoc> {
    let items: BTreeMap<String, Item> = sources.iter().flat_map(|source| items(source)).collect();
    let mut found = BTreeMap::new();
    follow(root, "", &items, &mut found);
    found
}

fn follow(name: &str, prefix: &str, items: &BTreeMap<String, Item>, found: &mut BTreeMap<String, KeyDoc>) {
    let Some(Item { is_enum: false, parts, .. }) = items.get(name) else { return };
    for Part { name, about, of } in parts {
        let key = format!("{prefix}{name}");
        // the type of a list's items too
        let inner = of.trim_start_matches("Vec<").trim_end_matches('>');
        match items.get(inner) {
            Some(item) if !item.is_enum => follow(inner, &format!("{key}."), items, found),
            item => {
                let choices = item.map_or_else(Vec::new, Item::choices);
                drop(found.insert(key, KeyDoc { about: about.clone(), choices }));
            }
        }
    }
}

/// A struct or an enum.
struct Item {
    is_enum: bool,
    /// As in `#[serde(rename_all = "…")]`.
    case: String,
    parts: Vec<Part>,
}

/// A field or a variant.
struct Part {
    name: String,
    about: String,
    /// Of a field its type.
    of: String,
}

impl Item {
    fn choices(&self) -> Vec<(String, String)> {
        let named = |part: &Part| match self.case.as_str() {
            "kebab-case" => kebab(&part.name),
            "lowercase" => part.name.to_lowercase(),
            _ => part.name.clone(),
        };
        self.parts.iter().map(|part| (named(part), part.about.clone())).collect()
    }
}

/// The public structs and enums of a file that rustfmt has formatted.
fn items(source: &str) -> Vec<(String, Item)> {
    let mut found: Vec<(String, Item)> = Vec::new();
    let (mut about, mut case, mut is_within) = (Vec::new(), String::new(), false);
    for line in source.lines() {
        let text = line.trim();
        if let Some(doc) = text.strip_prefix("///") {
            about.push(doc.trim());
        } else if let Some(rest) = text.strip_prefix("#[serde(rename_all = \"") {
            case = rest.split('"').next().unwrap_or_default().to_owned();
        } else if text.starts_with("#[") || text.starts_with("//") {
            continue;
        } else if let Some(name) = opened(line, "pub struct ").or_else(|| opened(line, "pub enum ")) {
            let is_enum = line.starts_with("pub enum ");
            let case = std::mem::take(&mut case);
            found.push((name.to_owned(), Item { is_enum, case, parts: Vec::new() }));
            (is_within, about) = (true, Vec::new());
        } else if line == "}" {
            is_within = false;
            about.clear();
        } else if let (true, Some((_, item)), Some(part)) =
            (is_within, found.last_mut(), text.strip_suffix(','))
        {
            let (name, of) =
                part.strip_prefix("pub ").and_then(|part| part.split_once(": ")).unwrap_or((part, ""));
            item.parts.push(Part {
                name: name.to_owned(),
                about: plain(&about.join(" ")),
                of: of.to_owned(),
            });
            about.clear();
        } else {
            about.clear();
        }
    }
    found
}

fn opened<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    line.strip_prefix(keyword)?.strip_suffix(" {")
}

/// Without the links of rustdoc: ``[`x`](y)`` and ``[`x`]`` become `x`.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((name, behind)) = link.split_once("`]") else { break };
        out.push_str(before);
        out.push_str(name);
        rest = match behind.strip_prefix('(') {
            Some(target) => target.split_once(')').map_or("", |(_, behind)| behind),
            None => behind,
        };
    }
    (out + rest).replace('`', "")
}

/// `UniformFanIn` as `uniform-fan-in`.
fn kebab(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::leaf;

    #[test]
    fn structs_are_followed_and_enums_are_choices() {
        let source = r#"
/// Whole.
#[derive(Clone)]
pub struct Config {
    /// The seed,
    /// a number; see [`Seed`](crate::Seed) and [`Other`].
    pub seed: u64,
    // history, which is nobody's business
    /// A part.
    #[serde(default)]
    pub part: Part,
    /// Several.
    pub several: Vec<Way>,
}
"#;
        let more = "pub struct Part {\n    /// How `x` goes.\n    pub way: Way,\n}\n\n#[serde(rename_all = \"kebab-case\")]\n\
                    pub enum Way {\n    /// There.\n    FarAway,\n    Near,\n}\n";
        let found = meanings("Config", &[source, more]);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["part.way", "seed", "several"]);
        assert_eq!(found["seed"].about, "The seed, a number; see Seed and Other.");
        assert_eq!(found["part.way"].about, "How x goes.");
        let choices = [("far-away", "There."), ("near", "")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(found["part.way"].choices, choices);
        assert_eq!(found["several"].choices.len(), 2);
    }

    /// Every key of every preset, whatever kind, and every value of a key with choices.
    #[test]
    fn every_key_there_is_has_a_meaning() {
        for kind in crate::kinds::all() {
            let meanings = kind.meanings();
            for preset in kind.presets() {
                let config: toml::Table = toml::from_str(preset.toml).unwrap();
                for key in crate::run::identity::leaves(&config).into_keys() {
                    let name = format!("{}: {key}", kind.name());
                    let doc = meanings.get(&key).unwrap_or_else(|| panic!("{name} has no meaning"));
                    assert!(doc.about.ends_with('.') && doc.about.len() > 3, "{name}: {:?}", doc.about);
                    let value = leaf(&config, &key).unwrap();
                    let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                    for value in values.iter().filter_map(|value| value.as_str()) {
                        let known = doc.choices.iter().any(|(choice, _)| choice == value);
                        assert!(doc.choices.is_empty() || known, "{name} = {value}: {:?}", doc.choices);
                    }
                }
            }
            let with_choices = meanings.values().filter(|doc| !doc.choices.is_empty()).count();
            assert!(with_choices >= 3, "{}", kind.name());
        }
    }
}
