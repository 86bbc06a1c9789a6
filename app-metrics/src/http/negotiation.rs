//! Negotiation of format and coding from `Accept` and `Accept-Encoding` (RFC 9110, section 12.5), and of names from the
//! parameter `names`.
//!
//! A malformed element of such a list is ignored, and the rest counts. A client that accepts neither format gets the
//! default, which RFC 9110 permits. A client that forbids every coding gets a 406.

#[cfg(test)]
mod tests;

use crate::exposition::Format;
use crate::names::Names;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The request headers that the answer depends on, for caches.
pub(super) const VARY: &str = "Accept, Accept-Encoding";

/// The coding of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
}

/// The parameter of a scrape that chooses names.
const NAMES: &str = "names";

/// The longest value that an error repeats.
const MAX_REPEATED: usize = 40;

/// The names that the query asks for; ids if it asks for none. Other parameters make no difference.
///
/// # Errors
/// A text for the client: a value that is unknown, or two values that differ.
pub(super) fn names(query: Option<&str>) -> Result<Names, String> {
    let mut asked = None;
    for (_, value) in parameters(query.unwrap_or_default()).filter(|(name, _)| name == NAMES) {
        let found: String = value.chars().take(MAX_REPEATED).collect();
        let cure = "ask for names=ids, names=readable, or neither, which means ids";
        let Some(names) = Names::of_word(&value) else {
            return Err(format!("names: there is no {found:?}; {cure}\n"));
        };
        if asked.is_some_and(|other| other != names) {
            return Err(format!("names: asked for twice, with two values; {cure}\n"));
        }
        asked = Some(names);
    }
    Ok(asked.unwrap_or_default())
}

/// The parameters of a query, decoded. A parameter without a value has an empty one.
fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy();
    query.split('&').map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

/// The format that the client prefers; text if it prefers none.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let ranges: Vec<Element<'_>> = elements(headers, ACCEPT).collect();
    let open_metrics = media_quality(&ranges, "application", "openmetrics-text", "1.0.0");
    let text = media_quality(&ranges, "text", "plain", "0.0.4");
    if open_metrics > text { Format::OpenMetrics } else { Format::Text }
}

/// The coding that the client prefers; gzip if it prefers none. `None` if it accepts neither.
pub(super) fn coding(headers: &HeaderMap) -> Option<Coding> {
    let codings: Vec<Element<'_>> = elements(headers, ACCEPT_ENCODING).collect();
    let quality = |name: &str| {
        let named = codings.iter().filter(|coding| coding.name.eq_ignore_ascii_case(name));
        named.map(|coding| coding.quality).reduce(f64::max)
    };
    let any = quality("*");
    let gzip = quality("gzip").or_else(|| quality("x-gzip")).or(any).unwrap_or(0.0);
    match quality("identity").or(any) {
        // If the list does not name it, identity is acceptable, but not requested.
        None if gzip > 0.0 => Some(Coding::Gzip),
        None => Some(Coding::Identity),
        Some(identity) if gzip > 0.0 && gzip >= identity => Some(Coding::Gzip),
        Some(identity) if identity > 0.0 => Some(Coding::Identity),
        Some(_) => None,
    }
}

/// One element of a list: `text/plain;version=0.0.4;q=0.5`.
struct Element<'a> {
    name: &'a str,
    version: Option<&'a str>,
    quality: f64,
}

/// The valid elements of all headers with this name.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Element<'_>> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| split(value, b',')).filter_map(element)
}

fn element(text: &str) -> Option<Element<'_>> {
    let mut parts = split(text, b';');
    let name = parts.next()?.trim();
    let (mut version, mut quality) = (None, 1.0);
    for part in parts {
        // Other parameters, such as `charset` and `escaping`, make no difference: our names and labels are plain ASCII.
        let Some((parameter, value)) = part.split_once('=') else { continue };
        let value = value.trim();
        match parameter.trim() {
            q if q.eq_ignore_ascii_case("q") => quality = parsed_quality(value)?,
            v if v.eq_ignore_ascii_case("version") => version = Some(value.trim_matches('"')),
            _ => {}
        }
    }
    (!name.is_empty()).then_some(Element { name, version, quality })
}

fn parsed_quality(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|quality| plain && (0.0..=1.0).contains(quality))
}

/// Splits at a separator outside of quotes.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.bytes().position(|byte| {
            let ends = byte == separator && !quoted;
            quoted ^= byte == b'"' && !escaped;
            escaped = byte == b'\\' && quoted && !escaped;
            ends
        });
        // The separator is one ASCII byte.
        let (part, after) = end.map_or((text, None), |end| (&text[..end], Some(&text[end + 1..])));
        rest = after;
        Some(part)
    })
}

/// The quality of a media type: that of the most specific range that matches, or 0 if none does.
fn media_quality(ranges: &[Element<'_>], kind: &str, subtype: &str, version: &str) -> f64 {
    let matching = ranges.iter().filter_map(|range| {
        let specific = match range.name.split_once('/') {
            // Java's clients send `*` alone.
            Some(("*", "*")) => 0,
            None if range.name == "*" => 0,
            Some((k, "*")) if k.eq_ignore_ascii_case(kind) => 1,
            Some((k, s)) if k.eq_ignore_ascii_case(kind) && s.eq_ignore_ascii_case(subtype) => {
                match range.version {
                    None => 2,
                    Some(wanted) if wanted == version => 3,
                    Some(_) => return None,
                }
            }
            _ => return None,
        };
        Some((specific, range.quality))
    });
    let best = matching.reduce(|best, other| if other > best { other } else { best });
    best.map_or(0.0, |(_, quality)| quality)
}
