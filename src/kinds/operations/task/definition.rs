//! A task file's text to a [`Task`]: which keys there are, which go together, and the table they make.
//!
//! Promises: the number of rows, and of operations for them, is known to be allowed before any is computed.

use super::algebra::Algebra;
use super::error::{Fault, Located, TaskError};
use super::expression::{MAX_OPERATIONS, Point, parse_condition, parse_value};
use super::permutation::{MAX_DEGREE, SymmetricGroup};
use super::source::{MAX_TABLE_BYTES, read, without_bom};
use super::{Equation, MAX_ROWS, MAX_SYMBOLS, Symbols, Task, table};
use crate::excerpt::{Span, clipped, quote, steers};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The keys of a task file as they stand in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    title: Spanned<String>,
    modulus: Option<Spanned<i64>>,
    group: Option<Spanned<String>>,
    table: Option<Spanned<String>>,
    symbols: Option<Spanned<i64>>,
    expression: Option<Spanned<String>>,
    domain: Option<Spanned<String>>,
}

/// What the table is made from.
enum Source {
    Algebra(Algebra),
    Table { path: PathBuf, symbols: Option<usize> },
}

/// The task that `text`, the content of the file `origin`, defines. A table's path counts from `origin`'s directory.
pub(super) fn task(name: &str, text: &str, origin: &Path) -> Result<Task, TaskError> {
    let body = without_bom(text);
    let bom = text.len() - body.len();
    let at = |located: Located| {
        TaskError::at(origin, text, Located { span: located.span.shifted(bom), ..located })
    };
    let keys = parse_keys(body).map_err(at)?;
    let source = source(&keys, origin).map_err(at)?;
    let (symbols, n_symbols, equations) = match source {
        Source::Table { path, symbols } => {
            let rows = read(&path, MAX_TABLE_BYTES)?;
            let parsed = table::parse(&rows, symbols);
            let (n_symbols, equations) = parsed.map_err(|located| TaskError::at(&path, &rows, located))?;
            if n_symbols < 2 {
                let remedy = "let a row hold another symbol, or say how many there are: symbols = 2";
                return Err(at(invalid(span(&keys.table), "the table knows the symbol 0 only", remedy)));
            }
            (Symbols::Listed { table: path }, n_symbols, equations)
        }
        Source::Algebra(algebra) => {
            let equations = tabulate(&algebra, &keys, body).map_err(at)?;
            let n_symbols = algebra.order();
            let symbols = match algebra {
                Algebra::Modular(modulus) => Symbols::Residues { modulus },
                Algebra::Symmetric(group) => Symbols::Permutations(group),
            };
            (symbols, n_symbols, equations)
        }
    };
    Ok(Task {
        name: name.to_owned(),
        title: keys.title.into_inner(),
        n_symbols,
        equations,
        symbols,
        expression: keys.expression.map(Spanned::into_inner),
        domain: keys.domain.map(Spanned::into_inner),
    })
}

fn parse_keys(text: &str) -> Result<Keys, Located> {
    let keys: Keys = toml::from_str(text).map_err(|error| {
        let place = error.span().unwrap_or(0..0);
        let message = match error.message() {
            // told in the words of the parser's inside, and for keys without a place
            limit if limit.contains("recurs") => "keys or values are nested too deep".to_owned(),
            message => clipped(message, 200),
        };
        Span::new(place.start, place.end).fault(Fault::Toml { message })
    })?;
    let title = keys.title.get_ref();
    if !is_title(title) {
        let problem = "the title must be one line of 1 to 120 characters";
        return Err(invalid(range(&keys.title), problem, "write e.g. title = \"x + y (mod 97)\""));
    }
    Ok(keys)
}

/// Whether a text can stand in listings and tables: one line that is neither empty nor too long for one.
pub(crate) fn is_title(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= 120 && !text.chars().any(steers)
}

/// Checks which keys stand together, and that the table they promise is not too large.
fn source(keys: &Keys, origin: &Path) -> Result<Source, Located> {
    const ONE_OF: &str =
        "say what the symbols are with one of modulus = 97, group = \"S5\", table = \"FILE.csv\"";
    let title = range(&keys.title);
    let source = match (&keys.modulus, &keys.group, &keys.table) {
        (Some(modulus), None, None) => {
            Source::Algebra(modular(*modulus.get_ref()).map_err(|fault| range(modulus).fault(fault))?)
        }
        (None, Some(group), None) => {
            Source::Algebra(symmetric(group.get_ref()).map_err(|fault| range(group).fault(fault))?)
        }
        (None, None, Some(table)) => {
            if table.get_ref().trim().is_empty() {
                let remedy = "name a CSV file with the columns x, y and z: table = \"FILE.csv\"";
                return Err(invalid(range(table), "the table's path is empty", remedy));
            }
            let directory = origin.parent().unwrap_or(Path::new(""));
            let symbols = keys.symbols.as_ref().map(symbol_count).transpose()?;
            Source::Table { path: directory.join(table.get_ref()), symbols }
        }
        (None, None, None) => {
            return Err(invalid(title, "neither modulus nor group nor table is given", ONE_OF));
        }
        (_, second, third) => {
            let place = if third.is_some() { span(third) } else { span(second) };
            return Err(invalid(place, "only one of modulus, group and table can be given", ONE_OF));
        }
    };
    match (&source, &keys.expression) {
        (Source::Table { .. }, Some(expression)) => {
            let remedy = "take one of the two out";
            Err(invalid(range(expression), "a table and an expression cannot both be given", remedy))
        }
        (Source::Table { .. }, None) if keys.domain.is_some() => {
            let remedy = "leave the rows out of the table instead";
            Err(invalid(span(&keys.domain), "a table has no domain besides its rows", remedy))
        }
        (Source::Algebra(_), _) if keys.symbols.is_some() => {
            let remedy = "take it out: the modulus or the group says it";
            Err(invalid(span(&keys.symbols), "the number of symbols is given for tables only", remedy))
        }
        (Source::Algebra(_), None) => {
            Err(invalid(title, "the expression is missing", "add e.g. expression = \"x * y\""))
        }
        _ => Ok(source),
    }
}

fn modular(modulus: i64) -> Result<Algebra, Fault> {
    if modulus < 2 {
        return Err(Fault::SmallModulus { modulus });
    }
    let rows = u128::from(modulus.unsigned_abs()).pow(2);
    match u16::try_from(modulus) {
        Ok(small) if rows <= MAX_ROWS as u128 => Ok(Algebra::Modular(small)),
        _ => Err(Fault::LargeModulus { modulus, rows }),
    }
}

fn symmetric(name: &str) -> Result<Algebra, Fault> {
    let named = |degree: &usize| name == format!("S{degree}");
    let group = (2..=MAX_DEGREE).find(named).and_then(SymmetricGroup::new);
    group.map(Algebra::Symmetric).ok_or_else(|| Fault::UnknownGroup { name: quote(name) })
}

fn symbol_count(symbols: &Spanned<i64>) -> Result<usize, Located> {
    match usize::try_from(*symbols.get_ref()) {
        Ok(count) if (2..=MAX_SYMBOLS).contains(&count) => Ok(count),
        _ => {
            let problem = format!("{} symbols: 2 to {MAX_SYMBOLS} are possible", symbols.get_ref());
            let remedy =
                "give the number of different symbols, or take the key out to have the largest plus 1";
            Err(invalid(range(symbols), &problem, remedy))
        }
    }
}

/// The equations over the domain, x-major.
fn tabulate(algebra: &Algebra, keys: &Keys, text: &str) -> Result<Vec<Equation>, Located> {
    // `source` has seen to it that there is an expression
    let Some(expression) = keys.expression.as_ref().map(|key| Quoted::new(key, text)) else {
        return Ok(Vec::new());
    };
    let domain = keys.domain.as_ref().map(|key| Quoted::new(key, text));
    let value = parse_value(expression.content).map_err(|error| expression.in_file(error))?;
    let condition = match &domain {
        Some(domain) => Some(parse_condition(domain.content).map_err(|error| domain.in_file(error))?),
        None => None,
    };
    let order = algebra.order() as u16;
    let cost = value.cost(algebra) + condition.as_ref().map_or(0, |condition| condition.cost(algebra));
    let operations = cost * u64::from(order).pow(2);
    if operations > MAX_OPERATIONS {
        return Err(expression.span.fault(Fault::TooSlow { operations, limit: MAX_OPERATIONS }));
    }
    let mut equations = Vec::with_capacity(usize::from(order) * usize::from(order));
    for x in 0..order {
        for y in 0..order {
            let at = Point { algebra, x, y };
            if let (Some(domain), Some(condition)) = (&domain, &condition)
                && !condition.holds(at).map_err(|error| domain.in_file(error))?
            {
                continue;
            }
            let answer = value.evaluate(at).map_err(|error| expression.in_file(error))?;
            equations.push(Equation { x, y, answer });
        }
    }
    match domain {
        Some(domain) if equations.is_empty() => Err(domain.span.fault(Fault::EmptyDomain)),
        _ => Ok(equations),
    }
}

/// A string of the file: its content and where that lies.
struct Quoted<'a> {
    content: &'a str,
    span: Span,
    /// Bytes from the opening quote to the content; `None` if escapes make the two differ.
    indent: Option<usize>,
}

impl<'a> Quoted<'a> {
    fn new(key: &'a Spanned<String>, text: &str) -> Self {
        let (content, span) = (key.get_ref().as_str(), range(key));
        let raw = text.get(span.start..span.end).unwrap_or("");
        let quotes = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
        // a line break right after three quotes is not part of the content
        let indents = [quotes, quotes + 1, quotes + 2];
        let fits = |&indent: &usize| raw.get(indent..).is_some_and(|rest| rest.starts_with(content));
        Self { content, span, indent: indents.into_iter().find(fits) }
    }

    fn in_file(&self, located: Located) -> Located {
        match self.indent {
            Some(indent) => Located { span: located.span.shifted(self.span.start + indent), ..located },
            None => self.span.fault(located.fault),
        }
    }
}

fn invalid(span: Span, problem: &str, remedy: &str) -> Located {
    span.fault(Fault::Definition { problem: problem.to_owned(), remedy: remedy.to_owned() })
}

fn range<T>(key: &Spanned<T>) -> Span {
    Span::new(key.span().start, key.span().end)
}

fn span<T>(key: &Option<Spanned<T>>) -> Span {
    key.as_ref().map_or(Span::new(0, 0), range)
}
