//! An operation given row by row: CSV with the columns x, y and z, symbols as integers from 0.
//!
//! The first line names the columns, in any order; blank lines are passed over. Rows come out x-major
//! whatever their order in the file, so that it does not matter to a run. Lines are split by hand: numbers
//! need no quoting rules, a fault gets its exact column, and a file of commas costs no memory.

use super::error::{Fault, Located, Span, quote};
use super::source::without_bom;
use super::{Equation, MAX_ROWS, MAX_SYMBOLS};

const COLUMNS: [char; 3] = ['x', 'y', 'z'];

/// The equations of a CSV text and the number of symbols: `symbols`, or the largest one plus 1.
pub(crate) fn parse(text: &str, symbols: Option<usize>) -> Result<(usize, Vec<Equation>), Located> {
    let limit = symbols.unwrap_or(MAX_SYMBOLS);
    let mut lines = lines(text);
    let (start, header) = lines.next().ok_or_else(|| Span::new(0, 0).fault(Fault::EmptyTable))?;
    let order = columns(start, header)?;

    // with the byte at which each row starts, to tell apart two rows for one pair
    let mut rows: Vec<(Equation, u32)> = Vec::new();
    for (start, line) in lines {
        if rows.len() == MAX_ROWS {
            return Err(Span::new(start, start + line.len()).fault(Fault::ManyRows));
        }
        rows.push((row(start, line, order, limit)?, start as u32));
    }
    if rows.is_empty() {
        return Err(Span::new(start, start + header.len()).fault(Fault::EmptyTable));
    }
    rows.sort_unstable_by_key(|&(Equation { x, y, .. }, start)| (x, y, start));
    for pair in rows.windows(2) {
        let [(first, first_start), (second, start)] = [pair[0], pair[1]];
        if (first.x, first.y) == (second.x, second.y) {
            let line = text[..first_start as usize].bytes().filter(|&b| b == b'\n').count() + 1;
            let length = text[start as usize..].find(['\r', '\n']).unwrap_or(text.len() - start as usize);
            let fault = Fault::Repeated { x: second.x, y: second.y, line };
            return Err(Span::new(start as usize, start as usize + length).fault(fault));
        }
    }
    let largest = rows.iter().map(|(e, _)| e.x.max(e.y).max(e.answer)).max().unwrap_or(0);
    let n_symbols = symbols.unwrap_or(usize::from(largest) + 1);
    Ok((n_symbols, rows.into_iter().map(|(equation, _)| equation).collect()))
}

/// The lines that are not blank, each with the byte at which it starts.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let body = without_bom(text);
    let mut next = text.len() - body.len();
    body.split('\n').filter_map(move |line| {
        let start = next;
        next += line.len() + 1;
        let line = line.trim_end();
        (!line.is_empty()).then_some((start, line))
    })
}

/// The fields of a line that starts at `start`: without blanks and quotes around them, and where they are.
fn fields(start: usize, line: &str) -> impl Iterator<Item = (Span, &str)> {
    let mut next = start;
    line.split(',').map(move |field| {
        let indent = field.len() - field.trim_start().len();
        let span = Span::new(next + indent, next + indent + field.trim().len());
        next += field.len() + 1;
        let bare = field.trim();
        (span, bare.strip_prefix('"').and_then(|bare| bare.strip_suffix('"')).unwrap_or(bare))
    })
}

/// Which of x, y and z (0, 1, 2) stands in each of the header's columns.
fn columns(start: usize, header: &str) -> Result<[usize; 3], Located> {
    let mut order = Vec::with_capacity(3);
    for (span, name) in fields(start, header) {
        let column = COLUMNS.iter().position(|column| name.chars().eq([*column]));
        let column = column.ok_or_else(|| span.fault(Fault::UnknownColumn { name: quote(name) }))?;
        if order.contains(&column) {
            return Err(span.fault(Fault::RepeatedColumn { column: COLUMNS[column] }));
        }
        order.push(column);
    }
    let missing = (0..3).find(|column| !order.contains(column)).map(|column| COLUMNS[column]);
    let fault = Fault::MissingColumn { column: missing.unwrap_or('z') };
    order.try_into().map_err(|_| Span::new(start, start + header.len()).fault(fault))
}

fn row(start: usize, line: &str, order: [usize; 3], limit: usize) -> Result<Equation, Located> {
    let mut fields = fields(start, line);
    let mut symbols = [0; 3];
    for column in order {
        let (span, text) = fields.next().ok_or_else(|| {
            let end = start + line.len();
            Span::new(end, end).fault(Fault::ShortRow { column: COLUMNS[column] })
        })?;
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(span.fault(Fault::NotASymbol { text: quote(text) }));
        }
        symbols[column] = match text.parse() {
            Ok(symbol) if usize::from(symbol) < limit => symbol,
            _ => return Err(span.fault(Fault::OutOfRange { text: quote(text), last: limit - 1 })),
        };
    }
    match fields.next() {
        Some((span, _)) => Err(span.fault(Fault::LongRow)),
        None => Ok(Equation { x: symbols[0], y: symbols[1], answer: symbols[2] }),
    }
}
