//! Mutations of a sealed file: of its header or of its content. A changed header is authenticated again with the key of the file.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use age_core::format::Stanza;
use age_core::primitives::hkdf;
use age_core::secrecy::ExposeSecret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hmac::{Hmac, Mac};
use libfuzzer_sys::fuzzer_mutate;
use sha2::Sha256;

use crate::keys;

const VERSION: &[u8] = b"age-encryption.org/v1\n";
const END: &[u8] = b"\n---";

/// Changes the file. In most cases its header is still authentic.
pub fn mutate(file: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let changed = match seed % 4 {
        0 => None,
        1 => change_content(&file[..size]),
        _ => change_header(&file[..size]),
    };
    match changed {
        Some(changed) if changed.len() <= max_size => {
            file[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        _ => fuzzer_mutate(file, size, max_size),
    }
}

/// The stanzas with their newlines, and the bytes after the last line of the header.
fn parts(file: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = file.strip_prefix(VERSION)?;
    let end = rest.windows(END.len()).position(|bytes| bytes == END)?;
    let (stanzas, rest) = rest.split_at(end + 1);
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    Some((stanzas, &rest[end + 1..]))
}

fn change_content(file: &[u8]) -> Option<Vec<u8>> {
    let (_, content) = parts(file)?;
    let header = &file[..file.len() - content.len()];
    Some([header, &change(content)].concat())
}

fn change_header(file: &[u8]) -> Option<Vec<u8>> {
    let (stanzas, content) = parts(file)?;
    let key = file_key(stanzas)?;
    let mut header = [VERSION, &change(stanzas)].concat();
    header.extend(&END[1..]);
    let mac_key = hkdf(&[], b"header", &key);
    let mut mac = Hmac::<Sha256>::new_from_slice(&mac_key).ok()?;
    mac.update(&header);
    let mac = STANDARD_NO_PAD.encode(mac.finalize().into_bytes());
    Some([&header[..], b" ", mac.as_bytes(), b"\n", content].concat())
}

/// The unwrapped keys, by their wrapped form. The same files are changed many times, so this saves time.
static KEYS: LazyLock<Mutex<Keys>> = LazyLock::new(Mutex::default);

type Keys = HashMap<[String; 2], Option<[u8; 16]>>;

/// The collection is cleared when it has more.
const MOST_KEYS: usize = 1000;

/// The key of a file that is sealed to one of the test identities.
fn file_key(stanzas: &[u8]) -> Option<[u8; 16]> {
    let mut lines = str::from_utf8(stanzas).ok()?.lines();
    while let Some(line) = lines.next() {
        let Some(share) = line.strip_prefix("-> X25519 ") else { continue };
        let wrapped = [share.to_owned(), lines.next()?.to_owned()];
        let mut keys = KEYS.lock().expect("nothing panics with it");
        if keys.len() > MOST_KEYS {
            keys.clear();
        }
        let key = *keys.entry(wrapped).or_insert_with_key(|[share, body]| unwrap(share, body));
        if key.is_some() {
            return key;
        }
    }
    None
}

fn unwrap(share: &str, body: &str) -> Option<[u8; 16]> {
    let body = STANDARD_NO_PAD.decode(body).ok()?;
    let stanza = Stanza { tag: "X25519".to_owned(), args: vec![share.to_owned()], body };
    let identities = keys::texts().filter_map(|text| text.parse::<age::x25519::Identity>().ok());
    let mut keys = identities.filter_map(|identity| age::Identity::unwrap_stanza(&identity, &stanza)?.ok());
    keys.next().map(|key| *key.expose_secret())
}

fn change(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let size = bytes.len();
    bytes.resize(size + 256, 0);
    let size = fuzzer_mutate(&mut bytes, size, size + 256);
    bytes.truncate(size);
    bytes
}
