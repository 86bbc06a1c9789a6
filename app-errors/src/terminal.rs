//! Text that is safe to show on a terminal: which characters have to be escaped, and functions that escape them.
//!
//! Text may come from outside: names in certificates, reasons, file names, arguments. It must not move the cursor, break
//! its line, change the direction of text around it, hide anything, or draw over other lines.

use std::fmt::{self, Write};

/// The most marks, such as accents and vowel signs, that may follow a character. No script needs more (UTS 39, section
/// 5.4), and more would be drawn over other lines.
const MAX_MARKS: u8 = 4;

/// Whether the character could mislead a terminal or its reader.
///
/// Hostile are control characters, characters that break lines or change the direction of text, invisible characters,
/// and characters without a standard form (private use, unassigned). Spaces are not, and neither are marks by themselves:
/// see [`Hostile`].
#[must_use]
pub fn is_hostile(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    is_ignorable(c) || !(c.is_whitespace() && !is_separator(c) || is_printable(c))
}

/// Characters that are drawn as nothing (`Default_Ignorable_Code_Point`), and the braille blank.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// White space that ends a line: NEL, and the separators of lines and paragraphs.
fn is_separator(c: char) -> bool {
    matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether the standard library prints the character as it is: it is not a control, private use or unassigned.
fn is_printable(c: char) -> bool {
    // `escape_debug` escapes a mark at the start of a text, so the character is put behind another one.
    let mut bytes = [0; 5];
    bytes[0] = b'a';
    let length = 1 + c.encode_utf8(&mut bytes[1..]).len();
    std::str::from_utf8(&bytes[..length]).is_ok_and(|text| text.escape_debug().nth(1) == Some(c))
}

/// Whether the character is drawn onto the one before it (`Grapheme_Extend`).
fn is_mark(c: char) -> bool {
    !c.is_ascii() && is_printable(c) && c.escape_debug().next() == Some('\\')
}

/// Finds the characters of a text that have to be escaped, one by one from the start.
///
/// These are [hostile](is_hostile) characters, marks without a character before them, and marks after four in a row.
///
/// ```
/// use app_errors::Hostile;
///
/// let mut hostile = Hostile::default();
/// let escaped: Vec<_> = "a\u{301}\u{202e}b".chars().filter(|c| hostile.is(*c)).collect();
/// assert_eq!(escaped, ['\u{202e}']);
/// ```
#[derive(Debug, Clone)]
pub struct Hostile {
    /// How many marks follow the last character that is not a mark.
    marks: u8,
}

impl Default for Hostile {
    fn default() -> Self {
        // A mark at the start would be drawn onto the character before the text.
        Self { marks: MAX_MARKS }
    }
}

impl Hostile {
    /// Whether `c`, the next character of the text, has to be escaped.
    pub fn is(&mut self, c: char) -> bool {
        if c.is_ascii() {
            self.marks = 0;
            return c.is_ascii_control();
        }
        if is_mark(c) && !is_hostile(c) {
            let too_many = self.marks >= MAX_MARKS;
            self.marks += u8::from(!too_many);
            return too_many;
        }
        // An escape ends with a bracket, which a mark may follow.
        self.marks = 0;
        is_hostile(c)
    }

    /// The index of the first character of `text` that has to be escaped.
    #[must_use]
    pub fn find(text: &str) -> Option<usize> {
        let mut hostile = Self::default();
        text.char_indices().find(|(_, c)| hostile.is(*c)).map(|(at, _)| at)
    }
}

/// A text on one line. Hostile characters are escaped as in Rust. Backslashes stay, so that paths stay readable.
///
/// ```
/// assert_eq!(app_errors::one_line("C:\\a\u{202e}b\n").to_string(), r"C:\a\u{202e}b\n");
/// ```
#[must_use]
pub fn one_line(text: &str) -> impl fmt::Display {
    Escaped { text, keeps: |_| false, write: write_as_rust }
}

/// A text of several lines. Line ends and tabs stay; other hostile characters are escaped as in Rust.
///
/// ```
/// assert_eq!(app_errors::many_lines("a\n\tb\u{7f}\n").to_string(), "a\n\tb\\u{7f}\n");
/// ```
#[must_use]
pub fn many_lines(text: &str) -> impl fmt::Display {
    Escaped { text, keeps: |c| matches!(c, '\n' | '\t'), write: write_as_rust }
}

/// Well-formed JSON. Hostile characters in its strings are escaped as in JSON, so its meaning stays.
///
/// ```
/// assert_eq!(app_errors::json_text("[\"a\u{202e}\u{e0041}\"]\n").to_string(), "[\"a\\u202e\\udb40\\udc41\"]\n");
/// ```
#[must_use]
pub fn json_text(json: &str) -> impl fmt::Display {
    Escaped { text: json, keeps: |c| matches!(c, '\n' | '\t'), write: write_as_json }
}

struct Escaped<'a> {
    text: &'a str,
    keeps: fn(char) -> bool,
    write: fn(char, &mut fmt::Formatter<'_>) -> fmt::Result,
}

fn write_as_rust(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    c.escape_default().try_for_each(|c| f.write_char(c))
}

fn write_as_json(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(f, "\\u{unit:04x}"))
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut hostile, mut written) = (Hostile::default(), 0);
        for (at, c) in self.text.char_indices() {
            if hostile.is(c) && !(self.keeps)(c) {
                f.write_str(&self.text[written..at])?;
                (self.write)(c, f)?;
                written = at + c.len_utf8();
            }
        }
        f.write_str(&self.text[written..])
    }
}

#[cfg(test)]
mod tests;
