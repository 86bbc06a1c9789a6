//! Reads JSON text ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259)) as a [`Tree`].
//!
//! A reader of its own, because a config must mean exactly what was written. Numbers keep their digits, duplicate members stay, and
//! every text is overwritten on drop, also one with escapes.

use std::fmt;

use zeroize::Zeroizing;

use super::tree::Tree;
use crate::secret::SecretText;

/// How deeply lists and objects may be nested. Reading is recursive, so this bounds the stack.
const MAX_DEPTH: usize = 127;

/// Why a text is not JSON. Repeats nothing of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    what: &'static str,
    line: usize,
    column: usize,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {} column {}", self.what, self.line, self.column)
    }
}

/// Reads a text that is one JSON value.
pub(crate) fn parse(json: &str) -> Result<Tree, SyntaxError> {
    let mut reader = Reader { json, at: 0, depth: 0 };
    let read = reader.value().and_then(|tree| match reader.peek() {
        None => Ok(tree),
        Some(_) => Err("more text follows the value"),
    });
    read.map_err(|what| reader.error(what))
}

/// The reader only moves forward, so the place of an error is where the reader stopped.
struct Reader<'j> {
    json: &'j str,
    /// Always at the start of a character.
    at: usize,
    depth: usize,
}

type Read<T> = Result<T, &'static str>;

impl<'j> Reader<'j> {
    fn error(&self, what: &'static str) -> SyntaxError {
        let before = &self.json[..self.at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        SyntaxError {
            what,
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
            column: 1 + before[line_start..].chars().count(),
        }
    }

    fn byte(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    /// The next byte after white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    fn value(&mut self) -> Read<Tree> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            Some(b'"') => Ok(Tree::Text(Zeroizing::new(self.text()?))),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Tree::Bool(true)),
            Some(b'f') => self.word("false", Tree::Bool(false)),
            Some(b'n') => self.word("null", Tree::Null),
            Some(_) => Err("expected a value"),
            None => Err("the text ends where a value is expected"),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Read<Tree>) -> Read<Tree> {
        if self.depth == MAX_DEPTH {
            return Err("lists and objects are nested more than 127 deep");
        }
        self.depth += 1;
        self.at += 1;
        let tree = read(self)?;
        self.depth -= 1;
        Ok(tree)
    }

    fn list(&mut self) -> Read<Tree> {
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Tree::List(items));
        }
        loop {
            items.push(self.value()?);
            if self.ends(b']', "expected a comma or ]")? {
                return Ok(Tree::List(items));
            }
        }
    }

    fn object(&mut self) -> Read<Tree> {
        let mut members = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Tree::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err("expected the name of a member in quotes");
            }
            let name = self.text()?;
            if self.peek() != Some(b':') {
                return Err("expected a colon");
            }
            self.at += 1;
            members.push((name, self.value()?));
            if self.ends(b'}', "expected a comma or }")? {
                return Ok(Tree::Object(members));
            }
        }
    }

    /// Reads what follows an element: true for the end of the list or object, false for a comma.
    fn ends(&mut self, close: u8, expected: &'static str) -> Read<bool> {
        let next = self.peek().filter(|byte| *byte == close || *byte == b',').ok_or(expected)?;
        self.at += 1;
        Ok(next == close)
    }

    fn word(&mut self, word: &str, tree: Tree) -> Read<Tree> {
        if !self.json[self.at..].starts_with(word) {
            return Err("expected a value");
        }
        self.at += word.len();
        Ok(tree)
    }

    fn number(&mut self) -> Read<Tree> {
        let start = self.at;
        self.skip(b'-');
        match self.byte() {
            Some(b'0') => {
                self.at += 1;
                if self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
                    return Err("a number has a zero in front");
                }
            }
            _ => self.digits()?,
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _sign = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        Ok(Tree::Number(self.json[start..self.at].to_owned()))
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// One digit or more.
    fn digits(&mut self) -> Read<()> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err("expected a digit") } else { Ok(()) }
    }

    fn text(&mut self) -> Read<String> {
        self.at += 1;
        let mut text = SecretText::default();
        loop {
            let rest: &'j str = &self.json[self.at..];
            let plain = rest.bytes().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
            text.push_str(&rest[..plain]);
            self.at += plain;
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text.into_string());
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err("a control character in a text is not escaped"),
                None => return Err("a text has no end"),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        const UNKNOWN: &str = "an escape in a text is unknown";
        self.at += 1;
        let escaped = match self.byte().ok_or("a text has no end")? {
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            _ => return Err(UNKNOWN),
        };
        self.at += 1;
        Ok(escaped)
    }

    /// One or two escaped UTF-16 units, after the first `\u`.
    fn unicode(&mut self) -> Read<char> {
        const LONE: &str = "a text has half of a surrogate pair";
        let first = self.unit()?;
        let code = match first {
            0xd800..0xdc00 => {
                if !self.json[self.at..].starts_with("\\u") {
                    return Err(LONE);
                }
                self.at += 2;
                let second = self.unit()?;
                if !(0xdc00..0xe000).contains(&second) {
                    return Err(LONE);
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            unit => unit,
        };
        char::from_u32(code).ok_or(LONE)
    }

    fn unit(&mut self) -> Read<u32> {
        let digits = self
            .json
            .get(self.at..self.at + 4)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let digits = digits.ok_or("an escape \\u needs four hex digits")?;
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| "an escape \\u needs four hex digits")
    }
}

#[cfg(test)]
mod tests;
