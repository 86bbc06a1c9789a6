//! The URL of a collector.

use std::fmt;

use hyper::Uri;

/// The longest URL, in bytes.
const MAX_BYTES: usize = 2048;

/// What the base URL of a collector is extended by.
const TRACES: &str = "/v1/traces";

/// Where requests go. `Display` shows no query, which may have a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Whether connections use TLS.
    pub(crate) tls: bool,
    /// A host name, or an IP address without brackets.
    pub(crate) host: String,
    /// The TCP port.
    pub(crate) port: u16,
    /// Host and port as the URL has them, for the header `host`.
    pub(crate) authority: String,
    /// The path, with the query if there is one.
    pub(crate) target: String,
}

impl Endpoint {
    /// The endpoint under a base URL: `/v1/traces` is added.
    ///
    /// # Errors
    /// What is wrong, without a part of the URL.
    pub(crate) fn of_base(url: &str) -> Result<Self, &'static str> {
        let mut endpoint = Self::exact(url)?;
        if endpoint.target.contains('?') {
            return Err("must have no query");
        }
        let path = endpoint.target.trim_end_matches('/').len();
        endpoint.target.truncate(path);
        endpoint.target.push_str(TRACES);
        Ok(endpoint)
    }

    /// The endpoint that a URL names as it is. Without a path it is `/`.
    ///
    /// # Errors
    /// What is wrong, without a part of the URL.
    pub(crate) fn exact(url: &str) -> Result<Self, &'static str> {
        let url = url.trim();
        if url.len() > MAX_BYTES {
            return Err("must have at most 2048 bytes");
        }
        // The parser drops a fragment without a word.
        if url.contains('#') {
            return Err("must have no fragment (#)");
        }
        let uri: Uri = url.parse().map_err(|_| "must be a URL such as http://collector:4318")?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("must begin with http:// or https://"),
        };
        let authority = uri.authority().ok_or("must have a host")?;
        if authority.as_str().contains('@') {
            return Err("must have no user or password: use headers");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("must have a host");
        }
        // The parser takes a port that is no number for none.
        let after = &authority.as_str()[authority.host().len()..];
        let port = match (after, uri.port_u16()) {
            ("", _) => {
                if tls {
                    443
                } else {
                    80
                }
            }
            (_, Some(port)) if port > 0 => port,
            _ => return Err("must have a port of 1 to 65535, or none"),
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(Self { tls, host, port, authority: authority.as_str().to_owned(), target })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_gets_the_path_and_an_exact_one_stays() {
        for (base, shown) in [
            ("http://c:4318", "http://c:4318/v1/traces"),
            ("http://c:4318/", "http://c:4318/v1/traces"),
            ("https://c/otlp/", "https://c/otlp/v1/traces"),
            ("HTTP://[::1]:4318/a//", "http://[::1]:4318/a/v1/traces"),
        ] {
            assert_eq!(Endpoint::of_base(base).unwrap().to_string(), shown);
        }
        let exact = Endpoint::exact("https://c/own/?key=s3cret").unwrap();
        assert_eq!((exact.target.as_str(), exact.port), ("/own/?key=s3cret", 443));
        assert_eq!(exact.to_string(), "https://c/own/");
        let bare = Endpoint::exact("http://[::1]:4318").unwrap();
        assert_eq!((bare.host.as_str(), bare.port, bare.target.as_str()), ("::1", 4318, "/"));
    }

    #[test]
    fn a_bad_url_is_told_without_its_parts() {
        for (url, wrong) in [
            ("", "URL"),
            ("collector:4318", "http://"),
            ("/v1/traces", "http://"),
            ("grpc://c:4317", "http://"),
            ("http://user:s3cret@c:4318", "no user"),
            ("http://c:0", "port"),
            ("http://c:99999", "port"),
            ("http://c:", "port"),
            ("http://c:http", "port"),
            ("http://c:4318/#s3cret", "fragment"),
            ("http://", "URL"),
            ("http://c c", "URL"),
        ] {
            let told = Endpoint::of_base(url).unwrap_err();
            assert!(told.contains(wrong) || told.contains("URL"), "{url}: {told}");
            assert!(!told.contains("s3cret"), "{told}");
        }
        assert!(Endpoint::of_base("http://c/?a=b").unwrap_err().contains("query"));
        assert!(Endpoint::exact(&format!("http://c/{}", "a".repeat(2048))).unwrap_err().contains("2048"));
    }
}
