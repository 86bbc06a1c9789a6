//! Lists of `key=value` pairs as variables have them: separated by commas, keys and values percent-encoded.

/// The most pairs of a list.
const MAX_PAIRS: usize = 128;

/// Reads a list. One wrong pair makes the list wrong as a whole: half of the headers of a login is no login.
///
/// # Errors
/// What is wrong, without a text of the list, which may have secrets.
pub(super) fn pairs(list: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for (number, pair) in (1..).zip(list.split(',')) {
        let pair = pair.trim();
        // A list may end with a comma.
        if pair.is_empty() {
            continue;
        }
        if pairs.len() >= MAX_PAIRS {
            return Err(format!("must have at most {MAX_PAIRS} pairs"));
        }
        let Some((key, value)) = pair.split_once('=') else {
            return Err(format!("must be key=value pairs separated by commas; pair {number} has no ="));
        };
        let (key, value) = (decoded(key.trim()), decoded(value.trim()));
        let (Some(key), Some(value)) = (key, value) else {
            return Err(format!(
                "pair {number} must be percent-encoded UTF-8: a % stands before two hex digits"
            ));
        };
        if key.is_empty() {
            return Err(format!("pair {number} must have a key before ="));
        }
        // The last of several counts.
        pairs.retain(|(other, _)| *other != key);
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// The text that a percent-encoded one stands for. `+` stands for itself.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let code = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(code).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> Result<Vec<(String, String)>, String> {
        pairs(list)
    }

    #[test]
    fn pairs_are_decoded_and_spaces_around_them_dropped() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let list = " api-key = a%20b%2Cc%3D== , x=, %C3%BC=%e2%82%ac+1,";
        let expected = vec![pair("api-key", "a b,c==="), pair("x", ""), pair("ü", "€+1")];
        assert_eq!(read(list), Ok(expected));
        assert_eq!(read("a=1,a=2"), Ok(vec![pair("a", "2")]));
        assert_eq!(read(""), Ok(vec![]));
    }

    #[test]
    fn a_wrong_pair_is_told_by_its_number_and_not_by_its_text() {
        for list in ["a=1,s3cret", "a=1,k=%s3cret", "a=1,k=s3cret%4", "a=1,=s3cret", "a=1,s3cret=%FF"] {
            let told = read(list).unwrap_err();
            assert!(told.contains("pair 2") && !told.contains("s3cret"), "{list}: {told}");
        }
        let many: Vec<_> = (0..129).map(|n| format!("a{n}=1")).collect();
        assert!(read(&many.join(",")).unwrap_err().contains("128"));
    }
}
