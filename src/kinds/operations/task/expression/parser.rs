//! Tokens to a tree, by recursive descent: one function for each line of the grammar.

use super::lexer::{Lexer, Token};
use super::{Condition, Exponent, Factor, MAX_DEPTH, Term, Value};
use crate::excerpt::{Span, quote};
use crate::kinds::operations::task::error::{Fault, Located};

/// Parses a text that must be a value, as in `expression = "…"`.
pub(crate) fn parse_value(text: &str) -> Result<Value, Located> {
    let mut parser = Parser::new(text)?;
    let value = parser.any()?.value()?;
    parser.expect(Token::End, "an operator or the end")?;
    Ok(value)
}

/// Parses a text that must be a condition, as in `domain = "…"`.
pub(crate) fn parse_condition(text: &str) -> Result<Condition, Located> {
    let mut parser = Parser::new(text)?;
    let condition = parser.any()?.condition()?;
    parser.expect(Token::End, "`and`, `or` or the end")?;
    Ok(condition)
}

/// A parsed part: parentheses may hold a value or a condition, and only what follows tells which is due.
struct Node {
    kind: Kind,
    span: Span,
}

enum Kind {
    Value(Value),
    Condition(Condition),
}

impl Node {
    fn value(self) -> Result<Value, Located> {
        match self.kind {
            Kind::Value(value) => Ok(value),
            Kind::Condition(_) => Err(self.span.fault(Fault::NotAValue)),
        }
    }

    fn condition(self) -> Result<Condition, Located> {
        match self.kind {
            Kind::Condition(condition) => Ok(condition),
            Kind::Value(_) => Err(self.span.fault(Fault::NotACondition)),
        }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The token to be looked at, not yet taken.
    token: Token,
    span: Span,
    /// End of the last token taken.
    end: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, Located> {
        let mut lexer = Lexer::new(text);
        let (token, span) = lexer.next()?;
        Ok(Self { lexer, token, span, end: 0, depth: 0 })
    }

    fn advance(&mut self) -> Result<(), Located> {
        self.end = self.span.end;
        (self.token, self.span) = self.lexer.next()?;
        Ok(())
    }

    fn expect(&mut self, token: Token, expected: &'static str) -> Result<(), Located> {
        if self.token == token { self.advance() } else { Err(self.unexpected(expected)) }
    }

    fn unexpected(&self, expected: &'static str) -> Located {
        let found = match self.token {
            Token::End => "the text ends here".to_owned(),
            _ => format!("found {}", quote(self.lexer.slice(self.span))),
        };
        self.span.fault(Fault::Syntax { found, expected })
    }

    fn since(&self, start: usize) -> Span {
        Span::new(start, self.end)
    }

    /// The same, one level deeper; `opening` is the token that leads there.
    fn nested(&mut self, opening: Span) -> Result<Node, Located> {
        if self.depth == MAX_DEPTH {
            return Err(opening.fault(Fault::TooDeep { limit: MAX_DEPTH }));
        }
        self.depth += 1;
        let node = self.any()?;
        self.depth -= 1;
        Ok(node)
    }

    /// A value or a condition.
    fn any(&mut self) -> Result<Node, Located> {
        self.joined(Token::Or, Condition::Any, |parser| {
            parser.joined(Token::And, Condition::All, Self::comparison)
        })
    }

    fn joined(
        &mut self,
        word: Token,
        join: fn(Vec<Condition>) -> Condition,
        mut part: impl FnMut(&mut Self) -> Result<Node, Located>,
    ) -> Result<Node, Located> {
        let first = part(self)?;
        if self.token != word {
            return Ok(first);
        }
        let start = first.span.start;
        let mut conditions = vec![first.condition()?];
        while self.token == word {
            self.advance()?;
            conditions.push(part(self)?.condition()?);
        }
        Ok(Node { kind: Kind::Condition(join(conditions)), span: self.since(start) })
    }

    fn comparison(&mut self) -> Result<Node, Located> {
        let left = self.sum()?;
        let start = left.span.start;
        let condition = match self.token {
            Token::Equal | Token::NotEqual => {
                let negated = self.token == Token::NotEqual;
                self.advance()?;
                Condition::Equal { left: left.value()?, right: self.sum()?.value()?, negated }
            }
            Token::Less | Token::LessOrEqual | Token::Greater | Token::GreaterOrEqual => {
                let strictly = matches!(self.token, Token::Less | Token::Greater);
                let is_turned = matches!(self.token, Token::Greater | Token::GreaterOrEqual);
                self.advance()?;
                let (left, right) = (left.value()?, self.sum()?.value()?);
                let (left, right) = if is_turned { (right, left) } else { (left, right) };
                Condition::Ordered { left, right, strictly, span: self.since(start) }
            }
            Token::Unit => {
                self.advance()?;
                Condition::Unit { value: left.value()?, span: self.since(start) }
            }
            Token::Odd | Token::Even => {
                let negated = self.token == Token::Even;
                self.advance()?;
                Condition::Odd { value: left.value()?, negated, span: self.since(start) }
            }
            _ => return Ok(left),
        };
        Ok(Node { kind: Kind::Condition(condition), span: self.since(start) })
    }

    fn sum(&mut self) -> Result<Node, Located> {
        let first = self.product()?;
        if !matches!(self.token, Token::Plus | Token::Minus) {
            return Ok(first);
        }
        let start = first.span.start;
        let first = first.value()?;
        let mut terms = Vec::new();
        while matches!(self.token, Token::Plus | Token::Minus) {
            let (minus, sign) = (self.token == Token::Minus, self.span.start);
            self.advance()?;
            let value = self.product()?.value()?;
            terms.push(Term { minus, value, span: self.since(sign) });
        }
        Ok(Node { kind: Kind::Value(Value::Sum(Box::new(first), terms)), span: self.since(start) })
    }

    fn product(&mut self) -> Result<Node, Located> {
        let first = self.unary()?;
        if !matches!(self.token, Token::Star | Token::Slash) {
            return Ok(first);
        }
        let start = first.span.start;
        let first = first.value()?;
        let mut factors = Vec::new();
        while matches!(self.token, Token::Star | Token::Slash) {
            let (divide, sign) = (self.token == Token::Slash, self.span.start);
            self.advance()?;
            let value = self.unary()?.value()?;
            factors.push(Factor { divide, value, span: self.since(sign) });
        }
        Ok(Node { kind: Kind::Value(Value::Product(Box::new(first), factors)), span: self.since(start) })
    }

    /// Signs are counted, not nested: −−x is x.
    fn unary(&mut self) -> Result<Node, Located> {
        if self.token != Token::Minus {
            return self.power();
        }
        let start = self.span.start;
        let mut negative = false;
        while self.token == Token::Minus {
            negative = !negative;
            self.advance()?;
        }
        let value = self.power()?.value()?;
        let span = self.since(start);
        let value = if negative { Value::Negative(Box::new(value), span) } else { value };
        Ok(Node { kind: Kind::Value(value), span })
    }

    fn power(&mut self) -> Result<Node, Located> {
        let base = self.primary()?;
        let exponent = match self.token {
            Token::Superscript { negative, magnitude } => {
                self.advance()?;
                Exponent::Integer { negative, magnitude }
            }
            Token::Caret => {
                self.advance()?;
                self.exponent()?
            }
            _ => return Ok(base),
        };
        let span = self.since(base.span.start);
        let value = Value::Power(Box::new(base.value()?), exponent, span);
        Ok(Node { kind: Kind::Value(value), span })
    }

    fn exponent(&mut self) -> Result<Exponent, Located> {
        const EXPECTED: &str = "an integer, x or y as exponent";
        let mut open = 0;
        while self.token == Token::Open {
            open += 1;
            self.advance()?;
        }
        let negative = self.token == Token::Minus;
        if negative {
            self.advance()?;
        }
        let exponent = match self.token {
            Token::Integer(magnitude) => Exponent::Integer { negative, magnitude },
            Token::X if !negative => Exponent::X,
            Token::Y if !negative => Exponent::Y,
            _ => return Err(self.unexpected(EXPECTED)),
        };
        self.advance()?;
        for _ in 0..open {
            self.expect(Token::Close, "`)` after the exponent")?;
        }
        Ok(exponent)
    }

    fn primary(&mut self) -> Result<Node, Located> {
        let span = self.span;
        let value = match self.token {
            Token::X => Value::X,
            Token::Y => Value::Y,
            Token::Integer(n) => Value::Integer(n, span),
            Token::Open => {
                self.advance()?;
                let inner = self.nested(span)?;
                self.expect(Token::Close, "an operator or `)`")?;
                return Ok(Node { span: self.since(span.start), ..inner });
            }
            Token::If => return self.conditional(),
            Token::Units => {
                self.advance()?;
                let units = [Value::X, Value::Y].map(|value| Condition::Unit { value, span });
                return Ok(Node { kind: Kind::Condition(Condition::All(units.into())), span });
            }
            _ => return Err(self.unexpected("x, y, an integer, `(` or `if`")),
        };
        self.advance()?;
        Ok(Node { kind: Kind::Value(value), span })
    }

    fn conditional(&mut self) -> Result<Node, Located> {
        let opening = self.span;
        self.advance()?;
        let condition = self.nested(opening)?.condition()?;
        self.expect(Token::Then, "`then`")?;
        let then = self.nested(opening)?.value()?;
        self.expect(Token::Else, "`else`")?;
        let otherwise = self.nested(opening)?.value()?;
        let value = Value::If(Box::new(condition), Box::new(then), Box::new(otherwise));
        Ok(Node { kind: Kind::Value(value), span: self.since(opening.start) })
    }
}
