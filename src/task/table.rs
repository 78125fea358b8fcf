//! An operation given row by row: CSV with the columns x, y and z, symbols as integers from 0.
//!
//! The columns may stand in any order and among others, which are passed over. Rows come out in x-major
//! order whatever their order in the file, so that the file's order does not matter to a run.

use super::error::{Fault, Located, Span, quote};
use super::source::without_bom;
use super::{Equation, MAX_ROWS, MAX_SYMBOLS};
use csv::{ByteRecord, ReaderBuilder, Trim};

/// The equations of a CSV text and the number of symbols: `symbols`, or the largest one plus 1.
pub(crate) fn parse(text: &str, symbols: Option<usize>) -> Result<(usize, Vec<Equation>), Located> {
    let body = without_bom(text);
    let bom = text.len() - body.len();
    rows(body, symbols).map_err(|error| Located { span: error.span.shifted(bom), ..error })
}

fn rows(text: &str, symbols: Option<usize>) -> Result<(usize, Vec<Equation>), Located> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(text.as_bytes());
    let mut record = ByteRecord::new();
    let mut next = |record: &mut ByteRecord| reader.read_byte_record(record).unwrap_or(false);

    if !next(&mut record) {
        return Err(Span::new(0, 0).fault(Fault::EmptyTable));
    }
    let header = Row { text, record: &record };
    let columns = [header.column('x')?, header.column('y')?, header.column('z')?];

    let limit = symbols.unwrap_or(MAX_SYMBOLS);
    let mut placed: Vec<(Equation, u32)> = Vec::new();
    while next(&mut record) {
        let row = Row { text, record: &record };
        if placed.len() == MAX_ROWS {
            return Err(row.span().fault(Fault::ManyRows));
        }
        let x = row.symbol('x', columns[0], limit)?;
        let y = row.symbol('y', columns[1], limit)?;
        let answer = row.symbol('z', columns[2], limit)?;
        placed.push((Equation { x, y, answer }, row.start() as u32));
    }
    if placed.is_empty() {
        return Err(Span::new(0, text.find('\n').unwrap_or(text.len())).fault(Fault::EmptyTable));
    }
    placed.sort_unstable_by_key(|&(Equation { x, y, .. }, start)| (x, y, start));
    for pair in placed.windows(2) {
        let [(first, first_start), (second, start)] = [pair[0], pair[1]];
        if (first.x, first.y) == (second.x, second.y) {
            let line = text[..first_start as usize].bytes().filter(|&b| b == b'\n').count() + 1;
            let fault = Fault::Repeated { x: second.x, y: second.y, line };
            return Err(line_at(text, start as usize).fault(fault));
        }
    }
    let largest = placed.iter().map(|(e, _)| e.x.max(e.y).max(e.answer)).max().unwrap_or(0);
    let n_symbols = symbols.unwrap_or(usize::from(largest) + 1);
    Ok((n_symbols, placed.into_iter().map(|(equation, _)| equation).collect()))
}

/// One record and the text it comes from.
struct Row<'a> {
    text: &'a str,
    record: &'a ByteRecord,
}

impl Row<'_> {
    /// Byte at which the record starts; the reader counts blank lines before it as part of it.
    fn start(&self) -> usize {
        let told = self.record.position().map_or(0, |p| p.byte() as usize).min(self.text.len());
        let blank = self.text.as_bytes()[told..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        told + blank
    }

    fn span(&self) -> Span {
        line_at(self.text, self.start())
    }

    /// The field with that index: the whole line where quotes make it hard to find.
    fn field_span(&self, index: usize) -> Span {
        let line = self.span();
        let source = &self.text[line.start..line.end];
        if source.contains('"') {
            return line;
        }
        let start: usize = source.split(',').take(index).map(|field| field.len() + 1).sum();
        let field = source.split(',').nth(index).unwrap_or("");
        let indent = field.len() - field.trim_start().len();
        Span::new(start + indent, start + indent + field.trim().len()).shifted(line.start)
    }

    /// Index of the column with that name; the row is the header.
    fn column(&self, column: char) -> Result<usize, Located> {
        let name = [column as u8];
        let mut found = (0..self.record.len()).filter(|&i| self.record.get(i) == Some(&name[..]));
        let first = found.next().ok_or_else(|| self.span().fault(Fault::MissingColumn { column }))?;
        match found.next() {
            Some(second) => Err(self.field_span(second).fault(Fault::RepeatedColumn { column })),
            None => Ok(first),
        }
    }

    fn symbol(&self, column: char, index: usize, limit: usize) -> Result<u16, Located> {
        let field = self.record.get(index).ok_or_else(|| self.span().fault(Fault::ShortRow { column }))?;
        let text = || quote(&String::from_utf8_lossy(field));
        if field.is_empty() || !field.iter().all(u8::is_ascii_digit) {
            return Err(self.field_span(index).fault(Fault::NotASymbol { text: text() }));
        }
        let value =
            field.iter().fold(0usize, |n, d| n.saturating_mul(10).saturating_add(usize::from(d - b'0')));
        if value >= limit {
            return Err(self.field_span(index).fault(Fault::OutOfRange { text: text(), last: limit - 1 }));
        }
        Ok(value as u16)
    }
}

/// From `start` to the end of its line.
fn line_at(text: &str, start: usize) -> Span {
    let end = text[start..].find(['\r', '\n']).map_or(text.len(), |i| start + i);
    Span::new(start, end)
}
