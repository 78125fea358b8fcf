//! Text to tokens, one at a time.

use super::MAX_TOKENS;
use crate::excerpt::{Span, quote};
use crate::kinds::operations::task::error::{Fault, Located};

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    X,
    Y,
    Integer(u64),
    Superscript { negative: bool, magnitude: u64 },
    If,
    Then,
    Else,
    Odd,
    Even,
    Unit,
    Units,
    And,
    Or,
    Plus,
    Minus,
    Star,
    Slash,
    Caret,
    Open,
    Close,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    End,
}

/// Reads tokens from the front of a text.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, tokens: 0 }
    }

    /// The source text of a token.
    pub fn slice(&self, span: Span) -> &'a str {
        &self.text[span.start..span.end]
    }

    /// The next token; `End` at the end, again and again.
    pub fn next(&mut self) -> Result<(Token, Span), Located> {
        self.skip(char::is_whitespace);
        let start = self.at;
        let rest = &self.text[start..];
        let Some(first) = rest.chars().next() else {
            return Ok((Token::End, Span::new(start, start)));
        };
        let token = if first.is_ascii_digit() {
            self.skip(|c| c.is_ascii_digit());
            let digits = &self.text[start..self.at];
            let value = digits.parse().map_err(|_| Span::new(start, self.at).fault(Fault::HugeInteger))?;
            Token::Integer(value)
        } else if superscript(first).is_some() {
            self.skip(|c| superscript(c).is_some());
            superscript_token(&self.text[start..self.at], Span::new(start, self.at))?
        } else if first.is_alphabetic() || first == '_' {
            self.skip(|c| c.is_alphabetic() || c.is_ascii_digit() || c == '_');
            word(&self.text[start..self.at], Span::new(start, self.at))?
        } else {
            let (token, length) = symbol(rest, first).ok_or_else(|| {
                let character = quote(first.encode_utf8(&mut [0; 4]));
                Span::new(start, start + first.len_utf8()).fault(Fault::UnknownCharacter { character })
            })?;
            self.at += length;
            token
        };
        let span = Span::new(start, self.at);
        self.tokens += 1;
        if self.tokens > MAX_TOKENS {
            return Err(span.fault(Fault::TooLong { limit: MAX_TOKENS }));
        }
        Ok((token, span))
    }

    fn skip(&mut self, belongs: impl Fn(char) -> bool) {
        let rest = &self.text[self.at..];
        self.at += rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    }
}

fn word(word: &str, span: Span) -> Result<Token, Located> {
    Ok(match word {
        "x" => Token::X,
        "y" => Token::Y,
        "if" => Token::If,
        "then" => Token::Then,
        "else" => Token::Else,
        "odd" => Token::Odd,
        "even" => Token::Even,
        "unit" => Token::Unit,
        "units" => Token::Units,
        "and" => Token::And,
        "or" => Token::Or,
        _ => return Err(span.fault(Fault::UnknownName { name: quote(word) })),
    })
}

fn symbol(rest: &str, first: char) -> Option<(Token, usize)> {
    if rest.starts_with("==") {
        return Some((Token::Equal, 2));
    }
    if rest.starts_with("!=") {
        return Some((Token::NotEqual, 2));
    }
    if rest.starts_with("<=") {
        return Some((Token::LessOrEqual, 2));
    }
    if rest.starts_with(">=") {
        return Some((Token::GreaterOrEqual, 2));
    }
    let token = match first {
        '+' => Token::Plus,
        '-' | '−' => Token::Minus,
        '*' | '·' | '×' => Token::Star,
        '/' => Token::Slash,
        '^' => Token::Caret,
        '(' => Token::Open,
        ')' => Token::Close,
        '≠' => Token::NotEqual,
        '<' => Token::Less,
        '>' => Token::Greater,
        '≤' => Token::LessOrEqual,
        '≥' => Token::GreaterOrEqual,
        _ => return None,
    };
    Some((token, first.len_utf8()))
}

/// The ASCII character a superscript stands for.
fn superscript(c: char) -> Option<char> {
    Some(match c {
        '⁻' => '-',
        '⁰' => '0',
        '¹' => '1',
        '²' => '2',
        '³' => '3',
        '⁴'..='⁹' => char::from(b'4' + (u32::from(c) - u32::from('⁴')) as u8),
        _ => return None,
    })
}

fn superscript_token(raised: &str, span: Span) -> Result<Token, Located> {
    let plain: String = raised.chars().filter_map(superscript).collect();
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.as_str()),
    };
    if digits.is_empty() || digits.contains('-') {
        return Err(span.fault(Fault::Syntax { found: quote(raised), expected: "a raised integer" }));
    }
    let magnitude = digits.parse().map_err(|_| span.fault(Fault::HugeInteger))?;
    Ok(Token::Superscript { negative, magnitude })
}
