//! A handshake in memory between the configured side and a peer that does not exist.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, ConnectionCommon, Error, ServerConfig, ServerConnection};

use super::ConfigCheck;
use crate::client::client_config_with;
use crate::server::server_config_with;
use crate::{Authorities, Purpose, probe, sample};

/// More rounds than a handshake of TLS 1.3 or 1.2 needs, even if its messages take many records.
const MAX_ROUNDS: usize = 64;

/// Makes a handshake with a peer whose certificate `issuer` (a name in DER) might have issued. The peer shows the certificates
/// `between` after its own, and trusts the authority above the configured certificate.
pub(super) fn try_in_memory(
    check: &ConfigCheck<'_>,
    issuer: &[u8],
    between: &[CertificateDer<'static>],
    now: SystemTime,
) -> Result<(), Error> {
    let provider = sample::provider();
    let key = throwaway_key(&provider)?;
    let public = key.public_key().ok_or_else(|| Error::General("the key has no public key".to_owned()))?;
    let name = (check.own == Purpose::Client).then_some(check.server);
    let leaf = sample::certificate(issuer, name, &public, now);
    let chain = [leaf].into_iter().chain(between.iter().cloned()).collect();
    let peer = Arc::new(CertifiedKey::new(chain, key));
    let above = Authorities::assumed(sample::assumed_anchors(&check.pair.top_issuer()));
    let (mut server, mut client) = match check.own {
        Purpose::Server => (
            server_config_with(check.pair.certified(), check.peers, Arc::clone(&provider))?,
            client_config_with(peer, &above, provider)?,
        ),
        Purpose::Client => (
            server_config_with(peer, &above, Arc::clone(&provider))?,
            client_config_with(check.pair.certified(), check.peers, provider)?,
        ),
    };
    let clock: Arc<dyn TimeProvider> = Arc::new(FixedClock(probe::unix(now)));
    server.time_provider = Arc::clone(&clock);
    client.time_provider = clock;
    let name =
        ServerName::try_from(check.server.to_owned()).map_err(|error| Error::General(error.to_string()))?;
    connect(server, client, name)
}

/// A random Ed25519 key, for one handshake.
fn throwaway_key(provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, Error> {
    /// PKCS #8 of an Ed25519 key up to the 32 bytes of the key (RFC 8410, 7).
    const HEAD: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let mut secret = [0; 32];
    provider.secure_random.fill(&mut secret)?;
    let der = [HEAD.as_slice(), &secret].concat();
    provider.key_provider.load_private_key(PrivatePkcs8KeyDer::from(der).into())
}

fn connect(server: ServerConfig, client: ClientConfig, name: ServerName<'static>) -> Result<(), Error> {
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    for _ in 0..MAX_ROUNDS {
        transfer(&mut client, &mut server)?;
        transfer(&mut server, &mut client)?;
        if !client.is_handshaking()
            && !server.is_handshaking()
            && !client.wants_write()
            && !server.wants_write()
        {
            return Ok(());
        }
    }
    Err(Error::General("the handshake does not end".to_owned()))
}

/// Gives one side everything that the other has to send.
fn transfer<A, B>(from: &mut ConnectionCommon<A>, to: &mut ConnectionCommon<B>) -> Result<(), Error> {
    let lost = |error: std::io::Error| Error::General(error.to_string());
    while from.wants_write() {
        let mut sent = Vec::new();
        from.write_tls(&mut sent).map_err(lost)?;
        let mut unread = sent.as_slice();
        while !unread.is_empty() {
            to.read_tls(&mut unread).map_err(lost)?;
            to.process_new_packets()?;
        }
    }
    Ok(())
}

/// A clock that stands at the time of the check.
#[derive(Debug)]
struct FixedClock(UnixTime);

impl TimeProvider for FixedClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}
