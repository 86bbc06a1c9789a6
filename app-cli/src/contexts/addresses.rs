//! The address of an app, or the addresses of its instances.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Addresses that are tried in order: `host:port`, `10.0.0.7:44228`, `[::1]:44228`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses(pub(crate) Vec<Address>);

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an address; expected HOST:PORT, such as 127.0.0.1:44228");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = inner.unwrap_or(host);
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c) || (inner.is_some() && c == ':');
        if host.is_empty() || host.len() > 253 || !host.chars().all(good) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(Address::to_string).collect();
        f.write_str(&all.join(", "))
    }
}

impl Serialize for Addresses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.collect_str(one),
            several => serializer.collect_seq(several.iter().map(Address::to_string)),
        }
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Addresses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address HOST:PORT, or a list of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Addresses, E> {
                text.parse().map(|address| Addresses(vec![address])).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Addresses, A::Error> {
                let mut addresses = Vec::new();
                while let Some(text) = list.next_element::<String>()? {
                    addresses.push(text.parse().map_err(A::Error::custom)?);
                }
                if addresses.is_empty() {
                    return Err(A::Error::custom("the list needs an address"));
                }
                Ok(Addresses(addresses))
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}
