//! Reads the config, and collects every problem.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use app_config::{Expected, Place, Problems, SecretBytes, quoted};
use app_ids::StreamId;
use app_tls::{Authorities, KeyPair, Purpose};
use schema::messaging_capnp::{Provision, Storage, messaging_spec, stream_override};

use super::credentials::{read_credentials, user_key};
use super::{
    Account, MessagingConfig, Provisioning, ServerAddress, StreamSettings, StreamStorage, TlsConfig,
};

/// What the subjects of answers begin with if the config says nothing.
pub(super) const DEFAULT_INBOX_PREFIX: &str = "_INBOX";

/// The most servers of a cluster that are named.
const MAX_SERVERS: usize = 64;

/// The longest timeout: ten minutes.
const MAX_MILLIS: u32 = 600_000;

/// The most bytes of a credentials file.
const MAX_CREDENTIALS_BYTES: usize = 64 << 10;

/// Reads everything.
pub(super) fn read(spec: messaging_spec::Reader<'_>, problems: &mut Problems) -> Option<MessagingConfig> {
    let servers = read_servers(spec, &mut problems.at("servers"))?;
    let in_process = spec.get_in_process();
    if in_process && !servers.is_empty() {
        problems.at("inProcess").add("must not be set together with servers; remove one of them");
    }
    if !in_process && servers.is_empty() {
        problems.at("servers").add("must name a server, unless inProcess is set");
    }
    let account = read_account(spec, problems)?;
    let tls = read_tls(spec, &servers, problems)?;
    let send_millis = spec.get_send_millis();
    for (field, value) in [("connectMillis", spec.get_connect_millis()), ("sendMillis", send_millis)] {
        within(value, 1, MAX_MILLIS, &mut problems.at(field));
    }
    within(spec.get_max_message_bytes(), 1 << 10, 64 << 20, &mut problems.at("maxMessageBytes"));
    within(spec.get_max_waiting_acks().into(), 1, u16::MAX.into(), &mut problems.at("maxWaitingAcks"));
    let provision = match problems.at("provision").value(spec.get_provision().map_err(Into::into))? {
        Provision::Ensure => Provisioning::Ensure,
        Provision::Verify => Provisioning::Verify,
    };
    let streams = read_streams(spec, send_millis, &mut problems.at("streams"))?;
    let inbox_prefix = read_prefix(spec, &mut problems.at("inboxPrefix"))?;
    let jetstream_domain = read_domain(spec, &mut problems.at("domain"))?;
    Some(MessagingConfig {
        servers,
        account,
        tls,
        connect_timeout: Duration::from_millis(spec.get_connect_millis().into()),
        send_timeout: Duration::from_millis(send_millis.into()),
        max_message_bytes: spec.get_max_message_bytes() as usize,
        max_waiting_acks: spec.get_max_waiting_acks().into(),
        required: spec.get_required(),
        provision,
        streams,
        publish_services: spec.get_publish_services(),
        in_process,
        inbox_prefix,
        jetstream_domain,
    })
}

fn within(value: u32, least: u32, most: u32, place: &mut Place<'_>) {
    if !(least..=most).contains(&value) {
        place.add_found(Expected::of_code(format_args!("must be {least} to {most}")), value);
    }
}

fn read_servers(spec: messaging_spec::Reader<'_>, place: &mut Place<'_>) -> Option<Vec<ServerAddress>> {
    let list = place.value(spec.get_servers())?;
    if list.len() as usize > MAX_SERVERS {
        place.add_found("must have at most 64 servers", list.len());
        return None;
    }
    let (mut servers, mut seen) = (Vec::new(), BTreeSet::new());
    for (index, text) in list.iter().enumerate() {
        let mut place = place.index(index);
        let text = place.text(text)?;
        match ServerAddress::parse(text) {
            // An address with a password is not shown.
            Err(wrong) if text.contains('@') => place.add(wrong),
            Err(wrong) => place.add_found(wrong, quoted(text)),
            Ok(server) if !seen.insert((server.host.clone(), server.port)) => {
                place.add_found("must not be named twice", quoted(text));
            }
            Ok(server) => servers.push(server),
        }
    }
    Some(servers)
}

/// Secrets of the config, in buffers that are overwritten.
fn secret(bytes: &[u8]) -> SecretBytes {
    SecretBytes::from(bytes.to_vec())
}

fn read_account(spec: messaging_spec::Reader<'_>, problems: &mut Problems) -> Option<Account> {
    let credentials = problems.at("credentials").value(spec.get_credentials())?;
    let seed = problems.at("nkeySeed").value(spec.get_nkey_seed())?;
    let user = problems.at("user").text(spec.get_user())?;
    let password = problems.at("password").text(spec.get_password())?;
    let token = problems.at("token").text(spec.get_token())?;
    let named = [
        !credentials.is_empty(),
        !seed.is_empty(),
        !user.is_empty() || !password.is_empty(),
        !token.is_empty(),
    ];
    if named.iter().filter(|named| **named).count() > 1 {
        problems.add("must have at most one of credentials, nkeySeed, user with password, and token");
    }
    if user.is_empty() != password.is_empty() {
        let missing = if user.is_empty() { "user" } else { "password" };
        problems.at(missing).add("must not be empty: user and password belong together");
    }
    if !credentials.is_empty() {
        check_credentials(credentials, &mut problems.at("credentials"));
        return Some(Account::Credentials(secret(credentials)));
    }
    if !seed.is_empty() {
        let seed = seed.trim_ascii();
        let base32 = |byte: &u8| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(byte);
        if seed.len() != 58 || !seed.starts_with(b"SU") || !seed.iter().all(base32) {
            problems
                .at("nkeySeed")
                .add("must be the seed of a user: 58 characters of A-Z and 2-7 that begin with SU");
        } else if let Err(wrong) = user_key(seed) {
            let rule = Expected::of_code(format_args!("must be the seed of a user: {wrong}"));
            problems.at("nkeySeed").add(rule);
        }
        return Some(Account::NkeySeed(secret(seed)));
    }
    if !user.is_empty() {
        return Some(Account::User(user.to_owned(), secret(password.as_bytes())));
    }
    Some(if token.is_empty() { Account::None } else { Account::Token(secret(token.as_bytes())) })
}

fn check_credentials(credentials: &[u8], place: &mut Place<'_>) {
    let has = |marker: &[u8]| credentials.windows(marker.len()).any(|part| part == marker);
    if credentials.len() > MAX_CREDENTIALS_BYTES {
        place.add_found("must have at most 65536 bytes", credentials.len());
    } else if std::str::from_utf8(credentials).is_err() {
        place.add("must be text: the content of a .creds file");
    } else if !has(b"-----BEGIN NATS USER JWT-----") || !has(b"-----BEGIN USER NKEY SEED-----") {
        place.add("must have the blocks NATS USER JWT and USER NKEY SEED: give the whole .creds file");
    } else if let Err(wrong) = read_credentials(credentials) {
        place.add(Expected::of_code(format_args!("must be the content of a .creds file: {wrong}")));
    }
}

#[expect(
    clippy::option_option,
    reason = "the outer one says that it could not be read, as in the other functions"
)]
fn read_tls(
    spec: messaging_spec::Reader<'_>,
    servers: &[ServerAddress],
    problems: &mut Problems,
) -> Option<Option<TlsConfig>> {
    let ca_cert = problems.at("caCert").value(spec.get_ca_cert())?.to_vec();
    let shows = KeyPair::is_given(spec.get_client_cert());
    if ca_cert.is_empty() {
        for (field, asks) in [
            ("servers", servers.iter().any(|server| server.tls)),
            ("clientCert", shows),
            ("tlsFirst", spec.get_tls_first()),
        ] {
            if asks {
                problems
                    .at(field)
                    .add("needs caCert: the authorities that a server's certificate may come from");
            }
        }
        return Some(None);
    }
    let authorities = match Authorities::from_pem(&ca_cert, &[]) {
        Ok(authorities) => authorities,
        Err(error) => {
            problems.at("caCert").add_in_full("must be certificates, PEM", &error);
            return None;
        }
    };
    let key_pair = if shows {
        let mut place = problems.at("clientCert");
        let pair = place.value(spec.get_client_cert())?;
        Some(KeyPair::read(pair, Purpose::Client, None, &mut place)?)
    } else {
        None
    };
    Some(Some(TlsConfig { servers: authorities, key_pair, first: spec.get_tls_first() }))
}

fn read_streams(
    spec: messaging_spec::Reader<'_>,
    send_millis: u32,
    place: &mut Place<'_>,
) -> Option<BTreeMap<StreamId, StreamSettings>> {
    let list = place.value(spec.get_streams())?;
    let mut streams = BTreeMap::new();
    for (index, stream) in list.iter().enumerate() {
        let mut place = place.index(index);
        let id = StreamId::new(stream.get_id());
        if id.is_zero() {
            place.field("id").add("must not be 0: give the id of a stream");
        }
        let settings = read_stream(stream, send_millis, &mut place)?;
        if streams.insert(id, settings).is_some() {
            place.field("id").add_found("must not be named twice", id);
        }
    }
    Some(streams)
}

fn read_stream(
    stream: stream_override::Reader<'_>,
    send_millis: u32,
    place: &mut Place<'_>,
) -> Option<StreamSettings> {
    let replicas = stream.get_replicas();
    if ![0, 1, 3, 5].contains(&replicas) {
        place.field("replicas").add_found("must be 0, 1, 3 or 5", replicas);
    }
    let storage = match place.field("storage").value(stream.get_storage().map_err(Into::into))? {
        Storage::AsDeclared => None,
        Storage::File => Some(StreamStorage::File),
        Storage::Memory => Some(StreamStorage::Memory),
    };
    let seconds = |value: u32| (value > 0).then(|| Duration::from_secs(value.into()));
    let (age, window) =
        (seconds(stream.get_max_age_seconds()), seconds(stream.get_duplicate_window_seconds()));
    let shortest = Duration::from_millis(u64::from(send_millis) * 2);
    if window.is_some_and(|window| window < shortest) {
        let millis = shortest.as_millis();
        place.field("duplicateWindowSeconds").add_found(
            Expected::of_code(format_args!("must be at least twice sendMillis, {millis} ms")),
            stream.get_duplicate_window_seconds(),
        );
    }
    if let (Some(age), Some(window)) = (age, window)
        && window > age
    {
        place.field("duplicateWindowSeconds").add_found("must not be above maxAgeSeconds", window.as_secs());
    }
    let max_bytes = stream.get_max_bytes();
    Some(StreamSettings {
        replicas: (replicas > 0).then_some(replicas),
        storage,
        max_age: age,
        max_bytes: (max_bytes > 0).then_some(max_bytes),
        duplicate_window: window,
    })
}

/// A part of a subject: letters, digits, `_` and `-`.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn read_prefix(spec: messaging_spec::Reader<'_>, place: &mut Place<'_>) -> Option<String> {
    let prefix = place.text(spec.get_inbox_prefix())?;
    if prefix.is_empty() {
        return Some(DEFAULT_INBOX_PREFIX.to_owned());
    }
    if prefix.len() > 128 || !prefix.split('.').all(is_token) {
        place.add_found(
            "must be tokens of letters, digits, _ and -, separated by dots, at most 128 bytes",
            quoted(prefix),
        );
    }
    Some(prefix.to_owned())
}

#[expect(
    clippy::option_option,
    reason = "the outer one says that it could not be read, as in the other functions"
)]
fn read_domain(spec: messaging_spec::Reader<'_>, place: &mut Place<'_>) -> Option<Option<String>> {
    let domain = place.text(spec.get_domain())?;
    if domain.is_empty() {
        return Some(None);
    }
    if domain.len() > 64 || !is_token(domain) {
        place.add_found("must be at most 64 letters, digits, _ and -", quoted(domain));
    }
    Some(Some(domain.to_owned()))
}
