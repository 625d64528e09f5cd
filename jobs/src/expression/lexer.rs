//! From the text of an expression to tokens.

use super::number::Number;
use super::{ExpressionError, LENGTH_MAX, quoted};
use std::iter::Peekable;
use std::str::CharIndices;

/// A token and where it starts (the character, from 1).
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) column: usize,
    pub(super) kind: Kind<'a>,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    /// A name, dots included, or a keyword.
    Word(&'a str),
    Number(Number),
    Text(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    End,
}

impl Kind<'_> {
    /// How messages call it.
    pub(super) fn described(&self) -> String {
        match self {
            Kind::Word(word) => quoted(word),
            Kind::Number(number) => quoted(&number.text()),
            Kind::Text(text) => format!("the string {}", quoted(text)),
            Kind::Symbol(symbol) => format!("`{symbol}`"),
            Kind::End => "the end".to_owned(),
        }
    }
}

/// Symbols, longer ones before their beginnings.
pub(super) const SYMBOLS: [&str; 16] =
    ["==", "!=", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "(", ")", "{", "}", ","];

/// What people write that is not in the language, and what to write.
const FOREIGN: [(&str, &str); 9] = [
    ("<>", "write `!=`"),
    ("&&", "write `and`"),
    ("||", "write `or`"),
    ("&", "write `and`"),
    ("|", "write `or`"),
    ("!", "write `not`, or `!=` for a comparison"),
    ("[", "a set is written in braces: `in {\"a\", \"b\"}`"),
    ("%", "there is no remainder; `hour(x)` and `weekday(x)` read the calendar"),
    (".", "a number needs a digit before its point, a name a letter around it"),
];

/// Cuts a text into tokens; the last one is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, ExpressionError> {
    if text.len() > LENGTH_MAX {
        let message = format!("the expression has {} bytes, more than {LENGTH_MAX}", text.len());
        return Err(ExpressionError::new(1, message)
            .hint("split it into named definitions, or look a long list up in a reference table"));
    }
    let mut lexer = Lexer { text, chars: text.char_indices().peekable(), column: 1 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.token()?;
        let end = token.kind == Kind::End;
        tokens.push(token);
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    column: usize,
}

impl<'a> Lexer<'a> {
    fn token(&mut self) -> Result<Token<'a>, ExpressionError> {
        self.skip(char::is_whitespace);
        let column = self.column;
        let kind = match self.peek() {
            None => Kind::End,
            Some(first) if is_word_start(first) => self.word()?,
            Some(first) if first.is_ascii_digit() => self.number()?,
            Some(quote @ ('"' | '\'')) => self.string(quote)?,
            Some(_) => self.symbol()?,
        };
        Ok(Token { column, kind })
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, char)| *char)
    }

    fn next(&mut self) -> Option<char> {
        let (_, char) = self.chars.next()?;
        self.column += 1;
        Some(char)
    }

    /// The byte where the next character starts.
    fn at(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.next();
        }
    }

    /// The text from a byte to the next character.
    fn since(&mut self, start: usize) -> &'a str {
        let end = self.at();
        self.text.get(start..end).unwrap_or_default()
    }

    fn word(&mut self) -> Result<Kind<'a>, ExpressionError> {
        let start = self.at();
        loop {
            if !self.peek().is_some_and(is_word_start) {
                let name = self.since(start);
                let message = format!("the name {} ends in a point", quoted(name));
                return Err(ExpressionError::new(self.column, message)
                    .hint("a point stands between two words, as in `view.feature`"));
            }
            self.skip(is_word);
            if self.peek() != Some('.') {
                return Ok(Kind::Word(self.since(start)));
            }
            self.next();
        }
    }

    fn number(&mut self) -> Result<Kind<'a>, ExpressionError> {
        let (start, column) = (self.at(), self.column);
        self.skip(|char| char.is_ascii_digit());
        let mut complete = true;
        if self.peek() == Some('.') {
            self.next();
            complete = self.digits();
        }
        if complete && matches!(self.peek(), Some('e' | 'E')) {
            self.next();
            if matches!(self.peek(), Some('+' | '-')) {
                self.next();
            }
            complete = self.digits();
        }
        if complete && !self.peek().is_some_and(|char| is_word(char) || char == '.') {
            return Ok(Kind::Number(Number::new(self.since(start))));
        }
        self.skip(|char| is_word(char) || char == '.');
        let message = format!("{} is not a number", quoted(self.since(start)));
        Err(ExpressionError::new(column, message).hint("numbers look like `10`, `0.5` or `1e6`"))
    }

    fn digits(&mut self) -> bool {
        let some = self.peek().is_some_and(|char| char.is_ascii_digit());
        self.skip(|char| char.is_ascii_digit());
        some
    }

    fn string(&mut self, quote: char) -> Result<Kind<'a>, ExpressionError> {
        let opened = self.column;
        self.next();
        let mut text = String::new();
        loop {
            let column = self.column;
            match self.next() {
                None => {
                    return Err(ExpressionError::new(
                        opened,
                        "the string that starts here has no end",
                    )
                    .hint(format!("close it with {quote}")));
                }
                Some(char) if char == quote => return Ok(Kind::Text(text)),
                Some('\\') => text.push(match self.next() {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some(char @ ('"' | '\'' | '\\')) => char,
                    _ => {
                        return Err(ExpressionError::new(column, "unknown escape in a string")
                            .hint("the escapes are \\\" \\' \\\\ \\n \\r \\t"));
                    }
                }),
                Some(char) => text.push(char),
            }
        }
    }

    fn symbol(&mut self) -> Result<Kind<'a>, ExpressionError> {
        let (at, column) = (self.at(), self.column);
        let rest = self.text.get(at..).unwrap_or_default();
        let known = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)).copied();
        let foreign = FOREIGN.iter().find(|(symbol, _)| rest.starts_with(symbol));
        match (known, foreign) {
            // `!=` starts as the foreign `!` does, `<>` as the known `<`.
            (Some(symbol), None) | (Some(symbol @ "!="), _) => {
                for _ in 0..symbol.len() {
                    self.next();
                }
                Ok(Kind::Symbol(symbol))
            }
            (_, Some((symbol, hint))) => {
                Err(ExpressionError::new(column, format!("there is no `{symbol}`")).hint(*hint))
            }
            (None, None) => {
                let char: String = rest.chars().take(1).collect();
                Err(ExpressionError::new(column, format!("unexpected {}", quoted(&char))))
            }
        }
    }
}

fn is_word_start(char: char) -> bool {
    char.is_ascii_alphabetic() || char == '_'
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}
