//! A handshake in memory: what is configured on the one side, and a peer that does not exist on the other.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, ConnectionCommon, Error, ServerConfig, ServerConnection};

use super::Material;
use crate::tls::client::client_config_with;
use crate::tls::server::server_config_with;
use crate::tls::{Authorities, Purpose, probe, sample};

/// More than enough turns for a handshake of TLS 1.3 or 1.2, with flights of many records.
const MOST_TURNS: usize = 64;

/// Shakes hands with a peer whose certificate `issuer` (a name in DER) might have made, and between that and an authority these.
/// The peer trusts the authority above the configured certificate.
pub(super) fn shake(
    material: &Material<'_>,
    issuer: &[u8],
    between: &[CertificateDer<'static>],
    now: SystemTime,
) -> Result<(), Error> {
    let provider = sample::provider();
    let key = rcgen::KeyPair::generate().map_err(|error| Error::General(error.to_string()))?;
    let name = (material.own == Purpose::Client).then_some(material.server);
    let leaf = sample::certificate(issuer, name, &rcgen::PublicKeyData::subject_public_key_info(&key), now);
    let chain = [leaf].into_iter().chain(between.iter().cloned()).collect();
    let signing =
        provider.key_provider.load_private_key(PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
    let peer = Arc::new(CertifiedKey::new(chain, signing));
    let above = Authorities::assumed(sample::assumed_anchors(&material.pair.top_issuer()));
    let (mut server, mut client) = match material.own {
        Purpose::Server => (
            server_config_with(material.pair.certified(), material.peers, Arc::clone(&provider))?,
            client_config_with(peer, &above, provider)?,
        ),
        Purpose::Client => (
            server_config_with(peer, &above, Arc::clone(&provider))?,
            client_config_with(material.pair.certified(), material.peers, provider)?,
        ),
    };
    let clock: Arc<dyn TimeProvider> = Arc::new(Stopped(probe::unix(now)));
    server.time_provider = Arc::clone(&clock);
    client.time_provider = clock;
    let name = ServerName::try_from(material.server.to_owned())
        .map_err(|error| Error::General(error.to_string()))?;
    connect(server, client, name)
}

fn connect(server: ServerConfig, client: ClientConfig, name: ServerName<'static>) -> Result<(), Error> {
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    for _ in 0..MOST_TURNS {
        pass(&mut client, &mut server)?;
        pass(&mut server, &mut client)?;
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

/// Passes on what one side has to say.
fn pass<A, B>(from: &mut ConnectionCommon<A>, to: &mut ConnectionCommon<B>) -> Result<(), Error> {
    let lost = |error: std::io::Error| Error::General(error.to_string());
    while from.wants_write() {
        let mut said = Vec::new();
        from.write_tls(&mut said).map_err(lost)?;
        let mut unread = said.as_slice();
        while !unread.is_empty() {
            to.read_tls(&mut unread).map_err(lost)?;
            to.process_new_packets()?;
        }
    }
    Ok(())
}

/// A clock that stands at the moment of the judgement.
#[derive(Debug)]
struct Stopped(UnixTime);

impl TimeProvider for Stopped {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}
