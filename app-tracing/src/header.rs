//! A header that is sent to the collector. Its value is a secret.

use std::fmt;
use std::sync::Arc;

use app_config::SecretBytes;
use hyper::header::{HeaderName, HeaderValue};

/// The longest name and the longest value, in bytes.
const MAX_NAME_BYTES: usize = 256;
const MAX_VALUE_BYTES: usize = 4096;

/// The headers that the exporter sets itself.
const OWN: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A header. `Debug` shows its name alone, and the value is overwritten when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Header {
    name: HeaderName,
    value: Arc<SecretBytes>,
}

impl Header {
    /// Checks a name and a value.
    ///
    /// # Errors
    /// What is wrong, without the value.
    pub(crate) fn checked(name: &str, value: Vec<u8>) -> Result<Self, String> {
        let value = SecretBytes::from(value);
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(format!("must have names of headers of 1 to {MAX_NAME_BYTES} bytes"));
        }
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| "must have names of headers: letters, digits and !#$%&'*+-.^_`|~".to_owned())?;
        if OWN.contains(&name.as_str()) {
            return Err(format!("must not have the header {name}, which the exporter sets"));
        }
        let good = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
        if value.len() > MAX_VALUE_BYTES || !value.iter().all(good) {
            return Err(format!(
                "must have a value of header {name} of at most {MAX_VALUE_BYTES} visible ASCII characters, spaces and tabs"
            ));
        }
        Ok(Self { name, value: Arc::new(value) })
    }

    pub(crate) fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The value for one request.
    pub(crate) fn value(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_bytes(&self.value).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ..", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_header_is_told_without_its_value_and_a_good_one_shows_its_name_alone() {
        let good = Header::checked("X-Token", b"s3cret value".to_vec()).unwrap();
        assert_eq!(format!("{good:?}"), "x-token: ..");
        assert_eq!(good.value().unwrap().to_str().unwrap(), "s3cret value");
        assert_eq!(format!("{:?}", good.value().unwrap()), "Sensitive");
        for (name, value) in [
            ("", "s3cret"),
            ("a b", "s3cret"),
            ("Host", "s3cret"),
            ("content-TYPE", "s3cret"),
            ("x", "s3cret\r\nx: y"),
            ("x", "s3crét"),
        ] {
            let told = Header::checked(name, value.as_bytes().to_vec()).unwrap_err();
            assert!(!told.contains("s3cr"), "{name}: {told}");
        }
        assert!(Header::checked("x", vec![b'a'; 4097]).is_err());
    }
}
