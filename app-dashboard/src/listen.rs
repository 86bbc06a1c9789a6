//! Listens, on loopback only.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpListener;

use crate::sessions::Tokens;

/// Parses the address to listen on: `127.0.0.1:0`, `[::1]:8080`, `localhost:0`.
///
/// # Errors
/// The text is no address with a port, or the address is not loopback.
pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let wrong = || format!("{text:?} is not an address; expected HOST:PORT on loopback, such as 127.0.0.1:0");
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let address: SocketAddr = numeric.parse().map_err(|_| wrong())?;
    check(address)?;
    Ok(address)
}

/// Refuses an address that other machines can reach.
fn check(address: SocketAddr) -> Result<(), String> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let why = "is not loopback, and other machines could act with your certificate";
    let example = if address.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" };
    Err(format!("{} {why}; use {example}, and a tunnel (ssh -L) to come from another machine", address.ip()))
}

/// A server that listens and does not serve yet.
pub struct Bound {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) tokens: Tokens,
}

impl Bound {
    /// Listens on an address. Port 0 is a free port.
    ///
    /// # Errors
    /// The address is not loopback, or the port is in use.
    pub async fn to(address: SocketAddr) -> io::Result<Self> {
        check(address).map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let failed = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("{address}: cannot listen: {error}; --listen names another port"),
            )
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, tokens: Tokens::default() })
    }

    /// The address, with its port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The tokens of this server.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }

    /// The URL of the page, with a token in its fragment. A browser does not send fragments.
    #[must_use]
    pub fn url(&self, token: &str) -> String {
        format!("http://{}/#token={token}", self.address)
    }
}

/// The hosts under which a browser may know the server.
pub(crate) fn hosts(address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let mut hosts = vec![format!("{ip}:{port}"), format!("localhost:{port}")];
    if port == 80 {
        // A browser leaves out the usual port.
        hosts.extend([ip, "localhost".to_owned()]);
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_are_taken() {
        for good in ["127.0.0.1:0", " 127.0.0.1:0\n", "127.8.9.10:8080", "[::1]:0", "localhost:0"] {
            assert!(loopback(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn other_addresses_are_refused_with_the_reason() {
        for other in [
            "0.0.0.0:0",
            "[::]:0",
            "192.168.1.1:8080",
            "[fe80::1]:1",
            "[::ffff:127.0.0.1]:1",
            "[::ffff:0.0.0.0]:1",
        ] {
            let refused = loopback(other).unwrap_err();
            assert!(refused.contains("is not loopback") && refused.contains("ssh -L"), "{refused}");
        }
        for wrong in
            ["", "8080", ":8080", "127.0.0.1", "127.0.0.1:70000", "example.org:80", "*:80", "localhost:"]
        {
            let refused = loopback(wrong).unwrap_err();
            assert!(refused.contains("expected HOST:PORT"), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_an_error_that_names_it() {
        let first = Bound::to(loopback("127.0.0.1:0").unwrap()).await.unwrap();
        let Err(refused) = Bound::to(first.address()).await else { panic!("it is in use") };
        assert!(refused.to_string().contains(&first.address().to_string()), "{refused}");
        let Err(refused) = Bound::to(SocketAddr::from(([0, 0, 0, 0], 0))).await else {
            panic!("not loopback")
        };
        assert!(refused.to_string().contains("is not loopback"), "{refused}");
    }
}
