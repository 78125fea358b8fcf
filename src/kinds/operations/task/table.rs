//! An operation given row by row: CSV with the columns x, y and z, symbols as integers from 0, and perhaps `split`, which says
//! of each row whether it is for training (`train`) or for validation (`val`).
//!
//! The first line names the columns, in any order; blank lines are passed over. Rows come out x-major
//! whatever their order in the file, so that it does not matter to a run. Lines are split by hand: numbers
//! need no quoting rules, a fault gets its exact column, and a file of commas costs no memory.

use super::error::{Fault, Located};
use super::source::without_bom;
use super::{Equation, MAX_ROWS, MAX_SYMBOLS};
use crate::excerpt::{Span, quote};

const COLUMNS: [&str; 4] = ["x", "y", "z", "split"];
/// The number of the one that may be left out.
const SPLIT: usize = 3;

/// What a table holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Rows {
    /// As said, or the largest one plus 1.
    pub n_symbols: usize,
    pub equations: Vec<Equation>,
    /// Which of them are for training, if the table says so.
    pub train: Option<Vec<bool>>,
}

/// The rows of a CSV text.
pub(crate) fn parse(text: &str, symbols: Option<usize>) -> Result<Rows, Located> {
    let limit = symbols.unwrap_or(MAX_SYMBOLS);
    let mut lines = lines(text);
    let (start, header) = lines.next().ok_or_else(|| Span::new(0, 0).fault(Fault::EmptyTable))?;
    let order = columns(start, header)?;

    // with the byte at which each row starts, to tell apart two rows for one pair
    let mut rows: Vec<(Equation, bool, u32)> = Vec::new();
    for (start, line) in lines {
        if rows.len() == MAX_ROWS {
            return Err(Span::new(start, start + line.len()).fault(Fault::ManyRows));
        }
        let (equation, is_train) = row(start, line, &order, limit)?;
        rows.push((equation, is_train, start as u32));
    }
    if rows.is_empty() {
        return Err(Span::new(start, start + header.len()).fault(Fault::EmptyTable));
    }
    // x, y and start in one integer: a million rows sort in a fraction of the time
    rows.sort_unstable_by_key(|&(Equation { x, y, .. }, _, start)| {
        u64::from(x) << 48 | u64::from(y) << 32 | u64::from(start)
    });
    for pair in rows.windows(2) {
        let [(first, _, first_start), (second, _, start)] = [pair[0], pair[1]];
        if (first.x, first.y) == (second.x, second.y) {
            let line = text[..first_start as usize].bytes().filter(|&b| b == b'\n').count() + 1;
            let length = text[start as usize..].find(['\r', '\n']).unwrap_or(text.len() - start as usize);
            let fault = Fault::Repeated { x: second.x, y: second.y, line };
            return Err(Span::new(start as usize, start as usize + length).fault(fault));
        }
    }
    let largest = rows.iter().map(|(e, ..)| e.x.max(e.y).max(e.answer)).max().unwrap_or(0);
    let n_symbols = symbols.unwrap_or(usize::from(largest) + 1);
    let train =
        order.contains(&SPLIT).then(|| rows.iter().map(|(_, is_train, _)| *is_train).collect::<Vec<_>>());
    if train.as_ref().is_some_and(|train| train.iter().all(|is_train| *is_train == train[0])) {
        return Err(Span::new(start, start + header.len()).fault(Fault::OneSided));
    }
    Ok(Rows { n_symbols, equations: rows.into_iter().map(|(equation, ..)| equation).collect(), train })
}

/// The lines that are not blank, each with the byte at which it starts. Bytes, not characters: a table may
/// have a million rows, and every mark that matters here is ASCII.
fn lines(text: &str) -> impl Iterator<Item = (usize, &[u8])> {
    let body = without_bom(text);
    let mut next = text.len() - body.len();
    body.as_bytes().split(|&b| b == b'\n').filter_map(move |line| {
        let start = next;
        next += line.len() + 1;
        let line = line.trim_ascii_end();
        (!line.is_empty()).then_some((start, line))
    })
}

/// The fields of a line that starts at `start`: without blanks and quotes around them, and where they are.
fn fields(start: usize, line: &[u8]) -> impl Iterator<Item = (Span, &[u8])> {
    let mut next = start;
    line.split(|&b| b == b',').map(move |field| {
        let trimmed = field.trim_ascii_start();
        let from = next + field.len() - trimmed.len();
        next += field.len() + 1;
        let trimmed = trimmed.trim_ascii_end();
        let bare = trimmed.strip_prefix(b"\"").and_then(|bare| bare.strip_suffix(b"\"")).unwrap_or(trimmed);
        (Span::new(from, from + trimmed.len()), bare)
    })
}

/// A field that holds digits only; saturates.
fn integer(field: &[u8]) -> Option<usize> {
    let digits = !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    let append = |n: usize, d: &u8| n.saturating_mul(10).saturating_add(usize::from(d - b'0'));
    digits.then(|| field.iter().fold(0, append))
}

fn quoted(field: &[u8]) -> String {
    quote(&String::from_utf8_lossy(field))
}

/// Which of x, y, z and split (0, 1, 2, 3) stands in each of the header's columns.
fn columns(start: usize, header: &[u8]) -> Result<Vec<usize>, Located> {
    let mut order = Vec::with_capacity(4);
    for (span, name) in fields(start, header) {
        let column = COLUMNS.iter().position(|&column| name == column.as_bytes());
        let column = column.ok_or_else(|| span.fault(Fault::UnknownColumn { name: quoted(name) }))?;
        if order.contains(&column) {
            return Err(span.fault(Fault::RepeatedColumn { column: COLUMNS[column] }));
        }
        order.push(column);
    }
    match (0..SPLIT).find(|column| !order.contains(column)) {
        Some(missing) => {
            let fault = Fault::MissingColumn { column: COLUMNS[missing] };
            Err(Span::new(start, start + header.len()).fault(fault))
        }
        None => Ok(order),
    }
}

fn row(start: usize, line: &[u8], order: &[usize], limit: usize) -> Result<(Equation, bool), Located> {
    let mut fields = fields(start, line);
    let (mut symbols, mut is_train) = ([0; 3], false);
    for &column in order {
        let (span, field) = fields.next().ok_or_else(|| {
            let end = start + line.len();
            Span::new(end, end).fault(Fault::ShortRow { column: COLUMNS[column] })
        })?;
        if column == SPLIT {
            is_train = match field {
                b"train" => true,
                b"val" => false,
                _ => return Err(span.fault(Fault::NotASide { text: quoted(field) })),
            };
            continue;
        }
        symbols[column] = match integer(field) {
            Some(symbol) if symbol < limit => symbol as u16,
            Some(_) => return Err(span.fault(Fault::OutOfRange { text: quoted(field), last: limit - 1 })),
            None => return Err(span.fault(Fault::NotASymbol { text: quoted(field) })),
        };
    }
    match fields.next() {
        Some((span, _)) => Err(span.fault(Fault::LongRow)),
        None => Ok((Equation { x: symbols[0], y: symbols[1], answer: symbols[2] }, is_train)),
    }
}
