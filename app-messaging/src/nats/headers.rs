//! Messages, as the client has them and as this crate does.

use std::sync::{Arc, LazyLock};

use async_nats::{HeaderMap, HeaderName, Message};

use crate::transport::Incoming;
use crate::wire::{Headers, OFTEN};

/// The headers of most answers.
static NONE: LazyLock<Arc<Headers>> = LazyLock::new(Arc::default);

/// The names that most messages have, as the client has them.
static KNOWN: LazyLock<[(&str, HeaderName); OFTEN.len()]> =
    LazyLock::new(|| OFTEN.map(|name| (name, HeaderName::from_static(name))));

/// Headers for the client. `None` if there are none.
pub(super) fn outgoing(headers: &Headers) -> Option<HeaderMap> {
    if headers.is_empty() {
        return None;
    }
    let mut map = HeaderMap::new();
    for (index, (name, value)) in headers.iter().enumerate() {
        let again = headers.iter().take(index).any(|(earlier, _)| earlier == name);
        match KNOWN.iter().find(|(known, _)| *known == name) {
            // Neither checked nor copied, and looked up once.
            Some((_, known)) if !again => map.insert(known.clone(), value),
            Some((_, known)) => map.append(known.clone(), value),
            None => map.append(name, value),
        }
    }
    Some(map)
}

/// Headers that arrived, or that were stored. Those that this crate would not send are left out.
fn incoming_headers(map: Option<&HeaderMap>) -> Arc<Headers> {
    let Some(map) = map.filter(|map| !map.is_empty()) else { return Arc::clone(&NONE) };
    let mut headers = Headers::new();
    for (name, values) in map.iter() {
        for value in values {
            headers.append(name.as_ref(), value.as_str());
        }
    }
    Arc::new(headers)
}

/// A message that arrived.
pub(super) fn incoming(message: Message) -> Incoming {
    Incoming {
        subject: message.subject.as_str().into(),
        reply: message.reply.as_ref().map(|reply| reply.as_str().into()),
        headers: incoming_headers(message.headers.as_ref()),
        payload: message.payload,
    }
}

/// The block of headers of a stored message, as JetStream keeps it.
pub(super) fn parse(block: &[u8]) -> Headers {
    let mut headers = Headers::new();
    let text = String::from_utf8_lossy(block);
    // The first line has the version.
    for line in text.split("\r\n").skip(1) {
        if let Some((name, value)) = line.split_once(':') {
            headers.append(name.trim(), value.trim());
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_both_ways() {
        let mut headers = Headers::new();
        headers.append("Nats-Msg-Id", "7.a");
        headers.append("Op-App", "1");
        headers.append("Op-App", "2");
        let map = outgoing(&headers).unwrap();
        assert_eq!(map.get("Nats-Msg-Id").map(ToString::to_string).as_deref(), Some("7.a"));
        let back = incoming_headers(Some(&map));
        assert_eq!(
            (back.get("Nats-Msg-Id"), back.get("Op-App"), back.iter().count()),
            (Some("7.a"), Some("1"), 3)
        );
        assert_eq!(outgoing(&Headers::new()), None);
    }

    #[test]
    fn a_block_of_headers_is_read_whatever_it_holds() {
        let headers = parse(b"NATS/1.0\r\nA: 1\r\nbad line\r\n: none\r\nB:2\r\nC\xff: 3\r\n\r\n");
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all, [("A", "1"), ("B", "2")]);
        assert!(parse(b"").is_empty());
        assert!(parse(b"NATS/1.0").is_empty());
    }
}
