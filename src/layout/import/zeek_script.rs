//! As much of Zeek's script language as a `cluster-layout.zeek` needs: words, and tables of records.
//!
//! Nothing is evaluated but what such files are known to hold; any other expression is kept as text, for the message that
//! names it.

use crate::layout::problem::Span;

/// A word of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// A string without its quotes, escapes resolved.
    pub(super) text: String,
    pub(super) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A name, number, address or port.
    Word,
    Text,
    Sign,
}

impl Token {
    pub(super) fn is(&self, sign: &str) -> bool {
        self.kind == TokenKind::Sign && self.text == sign
    }
}

/// A record: its fields with the words of their values.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) key: Token,
    pub(super) fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: Token,
    pub(super) value: Vec<Token>,
}

impl Field {
    pub(super) fn span(&self) -> Span {
        match (self.value.first(), self.value.last()) {
            (Some(first), Some(last)) => Span { end: last.span.end, ..first.span },
            _ => self.name.span,
        }
    }
}

/// All words of a text that is number `source` of the sources, comments left out.
pub(super) fn tokens(text: &str, source: usize) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (length, token) = match c {
            '#' => (rest.find('\n').unwrap_or(rest.len()), None),
            c if c.is_whitespace() => (c.len_utf8(), None),
            '"' => {
                let (length, text) = string(rest);
                (length, Some((TokenKind::Text, text)))
            }
            c if is_word(c) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (length, Some((TokenKind::Word, rest[..length].to_owned())))
            }
            c => (c.len_utf8(), Some((TokenKind::Sign, c.to_string()))),
        };
        if let Some((kind, text)) = token {
            tokens.push(Token { kind, text, span: Span { source, start: at, end: at + length } });
        }
        at += length;
    }
    tokens
}

/// `@if` is a word, so that directives stand out.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.:/%@".contains(c)
}

/// A string that begins with its quote: how long it is there, and its text. One that is not closed ends with its line.
fn string(rest: &str) -> (usize, String) {
    let mut text = String::new();
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => return (at, text),
            '"' if !escaped => return (at + 1, text),
            '\\' if !escaped => escaped = true,
            c => {
                text.push(c);
                escaped = false;
            }
        }
    }
    (rest.len(), text)
}

/// The records of a table that begins at `tokens[at]`, a `{`. None for a table of another shape.
pub(super) fn table(tokens: &[Token], at: usize) -> Option<Vec<Record>> {
    let mut parser = Parser { tokens, at: at + 1 };
    let mut records = Vec::new();
    loop {
        if parser.take("}") {
            return Some(records);
        }
        records.push(parser.record()?);
        parser.take(",");
    }
}

/// The fields of a record that begins at `tokens[at]`, a `[` or `(`.
pub(super) fn fields(tokens: &[Token], at: usize) -> Option<Vec<Field>> {
    Parser { tokens, at: at + 1 }.fields()
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(sign));
        self.at += usize::from(found);
        found
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    /// `["name"] = [$field=value, …]`, or with `Cluster::Node(…)`.
    fn record(&mut self) -> Option<Record> {
        if !self.take("[") {
            return None;
        }
        let key = self.next().filter(|token| token.kind == TokenKind::Text)?;
        if !self.take("]") || !self.take("=") {
            return None;
        }
        if self.peek()?.kind == TokenKind::Word {
            self.at += 1;
        }
        if !self.take("[") && !self.take("(") {
            return None;
        }
        Some(Record { key, fields: self.fields()? })
    }

    fn fields(&mut self) -> Option<Vec<Field>> {
        let mut fields = Vec::new();
        loop {
            if self.take("]") || self.take(")") {
                return Some(fields);
            }
            if !self.take("$") {
                return None;
            }
            let name = self.next().filter(|token| token.kind == TokenKind::Word)?;
            if !self.take("=") {
                return None;
            }
            fields.push(Field { name, value: self.value()? });
            self.take(",");
        }
    }

    /// Everything up to the next comma or bracket that is not the value's own.
    fn value(&mut self) -> Option<Vec<Token>> {
        let mut depth = 0usize;
        let mut value = Vec::new();
        loop {
            let token = self.peek()?;
            let sign = token.kind == TokenKind::Sign;
            match token.text.as_str() {
                "[" | "(" | "{" if sign => depth += 1,
                "]" | ")" | "}" if sign && depth == 0 => return Some(value),
                "]" | ")" | "}" if sign => depth -= 1,
                "," if sign && depth == 0 => return Some(value),
                ";" if sign => return None,
                _ => {}
            }
            value.push(self.next()?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_strings_and_signs() {
        let found = tokens("redef A::b += { [\"x#\\\"y\"] = 1.2.3.4, # no\n};", 0);
        let texts: Vec<&str> = found.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(texts, ["redef", "A::b", "+", "=", "{", "[", "x#\"y", "]", "=", "1.2.3.4", ",", "}", ";"]);
    }

    #[test]
    fn records_of_a_table() {
        let found = tokens("{ [\"a\"] = [$ip=[::1], $m=set(\"x\", \"y\")], [\"b\"] = Cluster::Node($p=1/tcp) }", 0);
        let records = table(&found, 0).expect("a table");
        let shape: Vec<(&str, usize)> = records.iter().map(|r| (r.key.text.as_str(), r.fields.len())).collect();
        assert_eq!(shape, [("a", 2), ("b", 1)]);
        assert_eq!(records[0].fields[1].value.len(), 6);
        for broken in ["{ [\"a\"] = [$ip=", "{ a }", "{ [\"a\"] 1 }", "{"] {
            assert!(table(&tokens(broken, 0), 0).is_none(), "{broken}");
        }
    }
}
