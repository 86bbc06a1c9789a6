//! The names of a certificate in log records and error texts.

use crate::bounded;

/// The longest form of one name, in bytes. A DNS name has at most 253.
const MAX_NAME_BYTES: usize = 255;

/// The bytes that a name takes in a list beside its own: quotes and a comma. They limit the number of empty names too.
const AROUND_BYTES: usize = 3;

/// The most bytes of names in an error text.
const MAX_LISTED_BYTES: usize = 512;

/// Names of a certificate: as many as fit into a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShownNames {
    /// The names in the order of the certificate. A name of more than 255 bytes is cut, and ends with `..`.
    pub names: Vec<String>,
    /// How many other names the certificate has.
    pub left_out: usize,
}

/// The bytes that a name takes in a list. An escaped character takes up to six.
fn length(name: &str) -> usize {
    let shown = name.bytes().take(MAX_NAME_BYTES);
    let bytes =
        shown.map(|byte| if byte.is_ascii_control() || byte == b'"' || byte == b'\\' { 6 } else { 1 });
    bytes.sum::<usize>() + AROUND_BYTES
}

/// The first names that fit into `most_bytes` together. The needed name is always among them, in its place.
///
/// A certificate can have thousands of names, and a stranger can show such a certificate.
#[must_use]
pub fn shown_names(names: &[String], needed: Option<&str>, most_bytes: usize) -> ShownNames {
    let needed = needed.and_then(|needed| names.iter().position(|name| name == needed));
    let mut room = most_bytes.saturating_sub(needed.map_or(0, |at| length(&names[at])));
    let mut full = false;
    let mut shown = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let is_needed = needed == Some(at);
        full |= !is_needed && length(name) > room;
        if full && needed.is_none_or(|needed| needed < at) {
            break;
        }
        if is_needed || !full {
            room -= if is_needed { 0 } else { length(name) };
            shown.push(bounded(name, MAX_NAME_BYTES));
        }
    }
    ShownNames { left_out: names.len() - shown.len(), names: shown }
}

/// Names of a certificate for an error text: as many as fit, and the number of the others.
#[must_use]
pub fn list_names(names: &[String]) -> String {
    let ShownNames { names, left_out } = shown_names(names, None, MAX_LISTED_BYTES);
    match (names.is_empty(), left_out) {
        (true, 0) => "nobody".to_owned(),
        (_, 0) => names.join(", "),
        (_, more) => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(count: usize, bytes: usize) -> Vec<String> {
        (0..count).map(|number| format!("{number:0bytes$}")).collect()
    }

    #[test]
    fn all_names_are_shown_when_they_fit() {
        let names = numbered(3, 10);
        assert_eq!(shown_names(&names, None, 1024), ShownNames { names, left_out: 0 });
        assert_eq!(shown_names(&[], Some("x"), 1024), ShownNames { names: vec![], left_out: 0 });
    }

    #[test]
    fn the_first_names_are_shown_and_the_others_counted() {
        let names = numbered(1000, 255);
        let shown = shown_names(&names, None, 1024);
        assert_eq!((shown.names.len(), shown.left_out), (3, 997));
        assert_eq!(shown.names, names[..3]);
        let empty = vec![String::new(); 20_000];
        assert!(shown_names(&empty, None, 1024).names.len() <= 1024 / AROUND_BYTES);
    }

    #[test]
    fn the_needed_name_is_shown_wherever_it_is() {
        let names = numbered(1000, 255);
        for at in [0, 1, 2, 3, 500, 999] {
            let shown = shown_names(&names, Some(&names[at]), 1024);
            assert_eq!((shown.names.len(), shown.left_out), (3, 997), "{at}");
            assert!(shown.names.contains(&names[at]), "{at}");
            assert!(shown.names.is_sorted(), "in the order of the certificate");
        }
        // It is shown even where nothing fits.
        assert_eq!(shown_names(&names, Some(&names[7]), 10).names, [names[7].clone()]);
    }

    #[test]
    fn a_sentence_has_some_names_and_the_number_of_the_others() {
        assert_eq!(list_names(&[]), "nobody");
        assert_eq!(list_names(&["a".to_owned(), "b".to_owned()]), "a, b");
        let many = list_names(&numbered(5000, 100));
        assert!(many.len() < 600 && many.ends_with(" and 4996 more"), "{many}");
    }

    #[test]
    fn what_is_escaped_counts_as_it_is_written() {
        let names = vec!["\u{1}".repeat(255); 1000];
        let shown = shown_names(&names, Some(&names[0]), 4096);
        assert_eq!((shown.names.len(), shown.left_out), (2, 998));
        assert!(serde_json::to_string(&shown.names).unwrap().len() <= 4096);
    }

    #[test]
    fn a_long_name_is_cut() {
        let shown = shown_names(&["x".repeat(60_000)], None, 1024);
        assert_eq!(shown.names[0].len(), MAX_NAME_BYTES);
        assert!(shown.names[0].ends_with("x.."));
    }
}
