//! A task file's text to a [`Task`]: which keys there are, which go together, and the table they make.
//!
//! Promises: the number of rows, and of operations for them, is known to be allowed before any is computed.

use super::algebra::Algebra;
use super::error::{Fault, Located, TaskError};
use super::expression::{MAX_OPERATIONS, Point, parse_condition, parse_value};
use super::group::Group;
use super::permutation::{MAX_DEGREE, SymmetricGroup};
use super::source::{MAX_TABLE_BYTES, read, without_bom};
use super::{Equation, MAX_ROWS, MAX_SYMBOLS, Symbols, Task, table};
use crate::excerpt::{Span, clipped, steers};
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
    expressions: Option<Spanned<Vec<Spanned<String>>>>,
    domain: Option<Spanned<String>>,
}

impl Keys {
    /// The operations as they stand in the file.
    fn operations(&self) -> Vec<&Spanned<String>> {
        let several = self.expressions.iter().flat_map(|list| list.get_ref());
        self.expression.iter().chain(several).collect()
    }
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
    let mut train = None;
    let (symbols, n_symbols, equations) = match source {
        Source::Table { path, symbols } => {
            let rows = read(&path, MAX_TABLE_BYTES)?;
            let parsed = table::parse(&rows, symbols);
            let parsed = parsed.map_err(|located| TaskError::at(&path, &rows, located))?;
            let table::Rows { n_symbols, equations, .. } = parsed;
            train = parsed.train;
            if n_symbols < 2 {
                let remedy = "let a row hold another symbol, or say how many there are: symbols = 2";
                return Err(at(invalid(span(&keys.table), "the table knows the symbol 0 only", remedy)));
            }
            (Symbols::Listed { table: path }, n_symbols, equations)
        }
        Source::Algebra(algebra) => {
            let equations = tabulate(&algebra, &keys, body).map_err(at)?;
            let order = algebra.order();
            let symbols = match algebra {
                Algebra::Modular(modulus) => Symbols::Residues { modulus },
                Algebra::Symmetric(group) => Symbols::Permutations(group),
                Algebra::Group(group) => Symbols::Elements(group),
            };
            match &keys.expressions {
                None => (symbols, order, equations),
                Some(list) => {
                    let expressions: Vec<String> =
                        list.get_ref().iter().map(|e| e.get_ref().clone()).collect();
                    let n_symbols = order * expressions.len();
                    (
                        Symbols::Several { symbols: Box::new(symbols), order, expressions },
                        n_symbols,
                        equations,
                    )
                }
            }
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
        train,
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
            Source::Algebra(self::group(group.get_ref()).map_err(|fault| range(group).fault(fault))?)
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
    if let (Some(_), Some(list)) = (&keys.expression, &keys.expressions) {
        let remedy = "take one of the two out: several operations stand in the list";
        return Err(invalid(range(list), "expression and expressions cannot both be given", remedy));
    }
    if let Some(list) = keys.expressions.as_ref().filter(|list| list.get_ref().len() < 2) {
        let remedy = "give two at least, as in expressions = [\"x + y\", \"x - y\"], or one with expression = \"x + y\"";
        return Err(invalid(range(list), "expressions is a list of several", remedy));
    }
    match (&source, keys.operations().first().copied()) {
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

fn group(name: &str) -> Result<Algebra, Fault> {
    let named = |degree: &usize| name == format!("S{degree}");
    match (2..=MAX_DEGREE).find(named).and_then(SymmetricGroup::new) {
        Some(group) => Ok(Algebra::Symmetric(group)),
        None => Group::parse(name).map(Algebra::Group),
    }
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
    let domain = keys.domain.as_ref().map(|key| Quoted::new(key, text));
    let condition = match &domain {
        Some(domain) => Some(parse_condition(domain.content).map_err(|error| domain.in_file(error))?),
        None => None,
    };
    let order = algebra.order() as u16;
    let pairs = usize::from(order) * usize::from(order);
    // `source` has seen to it that there is an expression
    let keys = keys.operations();
    if let Some(last) = keys.last().filter(|_| keys.len() * pairs > MAX_ROWS) {
        let problem = format!("{} operations of {pairs} pairs are more than {MAX_ROWS} rows", keys.len());
        return Err(invalid(range(last), &problem, "take fewer operations, or a smaller modulus or group"));
    }
    let mut equations = Vec::with_capacity(keys.len() * pairs);
    let mut operations = 0;
    for (first, key) in (0..).step_by(usize::from(order)).zip(keys) {
        let expression = Quoted::new(key, text);
        let value = parse_value(expression.content).map_err(|error| expression.in_file(error))?;
        let cost = value.cost(algebra) + condition.as_ref().map_or(0, |condition| condition.cost(algebra));
        operations += cost * u64::from(order).pow(2);
        if operations > MAX_OPERATIONS {
            return Err(expression.span.fault(Fault::TooSlow { operations, limit: MAX_OPERATIONS }));
        }
        for x in 0..order {
            for y in 0..order {
                let at = Point { algebra, x, y };
                if let (Some(domain), Some(condition)) = (&domain, &condition)
                    && !condition.holds(at).map_err(|error| domain.in_file(error))?
                {
                    continue;
                }
                let answer = value.evaluate(at).map_err(|error| expression.in_file(error))?;
                equations.push(Equation { x: first + x, y, answer });
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn task(text: &str) -> Result<Task, String> {
        Task::from_str("t", text, Path::new("t.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn several_operations_are_told_apart_by_the_left_symbol() {
        let text = "title = 't'\nmodulus = 7\nexpressions = ['x + y', 'x * y', 'x - y']\ndomain = 'y != 0'";
        let several = task(text).unwrap();
        assert_eq!((several.n_symbols, several.equations.len()), (21, 3 * 7 * 6));
        let operations: [fn(i32, i32) -> i32; 3] = [|x, y| x + y, |x, y| x * y, |x, y| x - y];
        for Equation { x, y, answer } in &several.equations {
            let (operation, x) = (usize::from(x / 7), i32::from(x % 7));
            assert!((1..7).contains(y));
            assert_eq!(i32::from(*answer), operations[operation](x, i32::from(*y)).rem_euclid(7));
        }
        assert!(several.equations.is_sorted_by_key(|row| (row.x, row.y)));
        assert_eq!([several.label(3), several.label(10), several.label(20)], ["3", "3#2", "6#3"]);
    }

    #[test]
    fn lists_of_operations_are_checked() {
        for (keys, says) in [
            ("modulus = 7\nexpressions = ['x + y']", "a list of several"),
            ("modulus = 7\nexpressions = []", "a list of several"),
            ("modulus = 7\nexpression = 'x'\nexpressions = ['x', 'y']", "cannot both be given"),
            ("table = 'a.csv'\nexpressions = ['x', 'y']", "cannot both be given"),
            ("modulus = 1000\nexpressions = ['x', 'y']", "2 operations of 1000000 pairs are more"),
            ("modulus = 7\nexpressions = ['x', 'x +']", "was expected"),
        ] {
            let message = task(&format!("title = 't'\n{keys}")).unwrap_err();
            assert!(message.contains(says), "{keys}: {message}");
        }
    }

    #[test]
    fn tables_may_say_their_split() {
        let dir = tempfile::tempdir().unwrap();
        let read = |rows: &str| {
            std::fs::write(dir.path().join("rows.csv"), rows).unwrap();
            Task::from_str("t", "title = 't'\ntable = 'rows.csv'", &dir.path().join("t.toml"))
        };
        // sorted by x, then y, each with its mark
        let found = read("x,split,y,z\n1,train,0,2\n0,val,1,1\n0,train,0,0\n").unwrap();
        assert_eq!(found.train, Some(vec![true, false, true]));
        assert_eq!(found.marked(), Some(2));
        let plain = read("x,y,z\n1,0,2\n0,1,1\n0,0,0\n").unwrap();
        assert_eq!((plain.train.clone(), &plain.equations), (None, &found.equations));
        assert_ne!(plain.digest(), found.digest());
        for (rows, says) in [
            ("x,y,z,split\n0,0,0,train\n0,1,0,test\n", "rows.csv:3:7: `test` is neither train nor val"),
            ("x,y,z,split\n0,0,0,train\n0,1,0,train\n", "marks all rows for one side"),
            ("x,y,z,split\n0,0,0,train\n0,1,0\n", "ends before the column `split`"),
            ("x,y,z,split,split\n0,0,0,train,val\n", "`split` stands twice"),
            ("x,y,split\n0,0,train\n", "lacks the column `z`"),
        ] {
            let message = read(rows).unwrap_err().to_string();
            assert!(message.contains(says), "{rows:?}: {message}");
        }
    }
}
