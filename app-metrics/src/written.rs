//! How both text formats write values and escape text.

/// Whole numbers below this are exact as `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Writes a value. Whole numbers have no point: that is shorter and faster, and what people expect of counts.
pub(crate) fn number(out: &mut String, value: f64) {
    if value.abs() < EXACT && value.fract() == 0.0 {
        out.push_str(itoa::Buffer::new().format(value as i64));
    } else {
        float(out, value);
    }
}

pub(crate) fn whole(out: &mut String, value: u64) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// Writes a float with a point or an exponent, which OpenMetrics requires for bounds of buckets. NaN and infinities are
/// as Go prints them.
pub(crate) fn float(out: &mut String, value: f64) {
    if value.is_finite() {
        out.push_str(ryu::Buffer::new().format_finite(value));
    } else if value.is_nan() {
        out.push_str("NaN");
    } else {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    }
}

/// A value as text.
pub(crate) fn number_text(value: f64) -> Box<str> {
    let mut text = String::new();
    number(&mut text, value);
    text.into()
}

/// A value that another library wrote as `text`: plain digits as they are, and other numbers as this crate writes them.
pub(crate) fn value_text(text: &str, value: f64) -> Box<str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.len() < 40 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.into() } else { number_text(value) }
}

/// Appends a label value. Both formats escape it in the same way.
pub(crate) fn escape_value(out: &mut String, value: &str) {
    escape(out, value, is_escaped_in_values);
}

pub(crate) fn is_escaped_in_values(byte: u8) -> bool {
    matches!(byte, b'\\' | b'"' | b'\n')
}

pub(crate) fn escape(out: &mut String, text: &str, escaped: impl Fn(u8) -> bool) {
    let mut rest = text;
    // Usually nothing is escaped, and all is appended at once.
    while let Some(at) = rest.bytes().position(&escaped) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        // Every escaped character is one byte long.
        let (special, after) = special.split_at(1);
        out.push('\\');
        out.push_str(if special == "\n" { "n" } else { special });
        rest = after;
    }
    out.push_str(rest);
}
