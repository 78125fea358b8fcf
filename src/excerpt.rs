//! A piece of a user's text as it may stand in a message: where it is, and what of it can be shown.
//!
//! Promises: what is shown is short and free of characters that would steer a terminal or turn a line around.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use std::path::Path;

/// The line in which something is wrong, or as much of it as fits a screen.
#[derive(Debug)]
pub struct Excerpt {
    pub file: String,
    pub line: usize,
    pub column: usize,
    text: String,
    /// The fault within `text`, in bytes.
    pub mark: SourceSpan,
}

impl Excerpt {
    /// Characters shown before the fault, and from its start on.
    const BEFORE: usize = 60;
    const AFTER: usize = 60;

    pub fn new(file: &Path, text: &str, span: Span) -> Self {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = text.bytes().skip(start).position(|b| matches!(b, b'\n' | b'\r'));
        let line_end = line_end.map_or(text.len(), |i| start + i);
        let end = end.min(line_end).max(start);

        let mut before: Vec<char> = text[line_start..start].chars().rev().take(Self::BEFORE).collect();
        before.reverse();
        let before: String = before.into_iter().map(visible).collect();
        let marked: String = text[start..end].chars().take(Self::AFTER).map(visible).collect();
        let rest = Self::AFTER - marked.chars().count();
        let after: String = text[end..line_end].chars().take(rest).map(visible).collect();
        let mark = SourceSpan::from((before.len(), marked.len()));
        let line = before + &marked + &after;
        Self {
            file: shown(file),
            line: text[..start].bytes().filter(|&b| b == b'\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            text: if line.is_empty() { " ".into() } else { line },
            mark,
        }
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.clone(),
            self.text.as_bytes(),
            SourceSpan::from((0, self.text.len())),
            self.line - 1,
            self.column - 1,
            1,
        )))
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Whether a terminal would be steered by `c`: control characters, line separators and the marks that
/// turn the direction of text around (U+202A … U+202E and U+2066 … U+2069).
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn visible(c: char) -> char {
    if steers(c) { char::REPLACEMENT_CHARACTER } else { c }
}

/// At most `limit` characters of a user's text, on one line.
pub fn clipped(text: &str, limit: usize) -> String {
    let mut short: String = text.chars().take(limit).map(visible).collect();
    if text.chars().nth(limit).is_some() {
        short.push('…');
    }
    short
}

/// User text as it may stand in a message: in backticks, short, on one line.
pub fn quote(text: &str) -> String {
    format!("`{}`", clipped(text, 40))
}

/// A path as it may stand in a message; of a very long one the end, which tells most.
pub fn shown(path: &Path) -> String {
    const LIMIT: usize = 240;
    let text = path.to_string_lossy();
    let excess = text.chars().count().saturating_sub(LIMIT);
    let end = clipped(&text.chars().skip(excess).collect::<String>(), LIMIT);
    if excess > 0 { format!("…{end}") } else { end }
}

/// A byte range of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    pub fn shifted(self, by: usize) -> Self {
        Self { start: self.start + by, end: self.end + by }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_not_shown() {
        assert_eq!(quote("a\u{1b}[31m\nb"), "`a\u{fffd}[31m\u{fffd}b`");
        assert_eq!(quote("\u{202e}abc"), "`\u{fffd}abc`");
        assert_eq!(shown(Path::new("a\nb\u{7f}.toml")), "a\u{fffd}b\u{fffd}.toml");
    }

    #[test]
    fn long_texts_keep_their_beginning_and_long_paths_their_end() {
        assert_eq!(clipped(&"x".repeat(41), 40), format!("{}…", "x".repeat(40)));
        assert_eq!(clipped(&"x".repeat(40), 40), "x".repeat(40));
        let path = format!("{}/task.toml", "ä".repeat(5000));
        let short = shown(Path::new(&path));
        assert_eq!(short.chars().count(), 241);
        assert!(short.starts_with("…ä") && short.ends_with("/task.toml"), "{short}");
    }
}
