//! The addresses that the server may listen on, and the hosts under which a browser may know it: loopback only.

use std::net::{IpAddr, SocketAddr};

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
pub(crate) fn check(address: SocketAddr) -> Result<(), String> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let why = "is not loopback, and other machines could act with your certificate";
    let example = if address.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" };
    Err(format!("{} {why}; use {example}, and a tunnel (ssh -L) to come from another machine", address.ip()))
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
}
