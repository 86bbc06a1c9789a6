//! Tests of listening, with simulated answers of the system about IPv6.

use std::io::ErrorKind;

use tokio::net::TcpStream;

use super::*;
use app_ids::ServiceId;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const EPERM: i32 = 1;
/// Ports that nothing is bound to: the test answers for the system.
const PRIVILEGED: u16 = 80;
const FREE: u16 = 4444;

/// The answers of a machine: `v6` for IPv6 addresses, and `v4`, if it is set, for others.
fn machine(v6: i32, v4: Option<i32>) -> impl Fn(SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    move |address| match if address.is_ipv6() { Some(v6) } else { v4 } {
        Some(code) => Err(io::Error::from_raw_os_error(code)),
        None => open(address),
    }
}

#[tokio::test]
async fn all_addresses_are_ipv4_and_ipv6() {
    let bound = bind(None, 0).unwrap();
    let port = bound.address.port();
    assert_ne!(port, 0);
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    if bound.address.is_ipv6() {
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.unwrap();
    }
}

#[tokio::test]
async fn a_busy_port_is_an_error_that_names_the_address() {
    let bound = bind(None, 0).unwrap();
    let port = bound.address.port();
    for address in [None, Some(LOCALHOST)] {
        let failed = bind(address, port).unwrap_err();
        assert_eq!((failed.error.kind(), failed.address.port()), (ErrorKind::AddrInUse, port));
    }
    let foreign = bind(Some("192.0.2.1".parse().unwrap()), 0).unwrap_err();
    assert_eq!(foreign.error.kind(), ErrorKind::AddrNotAvailable);
}

#[tokio::test]
async fn whatever_the_system_says_of_ipv6_it_is_ipv4_then() {
    // EPERM, EACCES, EINVAL, ENOPROTOOPT, EPROTONOSUPPORT, EAFNOSUPPORT, EADDRNOTAVAIL
    for code in [EPERM, EACCES, 22, 92, 93, 97, 99] {
        let bound = choose(None, 0, machine(code, None)).unwrap();
        assert_eq!(bound.address.ip(), IpAddr::V4(Ipv4Addr::UNSPECIFIED), "{code}");
        assert_eq!(bound.without_ipv6.unwrap().raw_os_error(), Some(code));
        TcpStream::connect((Ipv4Addr::LOCALHOST, bound.address.port())).await.unwrap();
    }
}

#[tokio::test]
async fn a_port_of_ipv6_that_is_in_use_is_not_left_to_the_other_program() {
    let failed = choose(None, 0, machine(98, None)).unwrap_err();
    assert!(failed.error.kind() == ErrorKind::AddrInUse && failed.address.is_ipv6(), "{failed:?}");
}

#[tokio::test]
async fn where_ipv4_fails_too_its_reason_is_told_with_a_cure_that_helps() {
    let explained = |port, code| {
        let failed = choose(None, port, machine(EPERM, Some(code))).unwrap_err();
        failed.explain("metrics HTTP server", SetBy::Config { service: ServiceId::new(1), port: "httpPort" })
    };
    assert_eq!(
        explained(PRIVILEGED, EACCES),
        format!(
            "metrics HTTP server: address 0.0.0.0:{PRIVILEGED} may not be used by this user; set httpPort in config 0x1 \
             to 1024 or above"
        )
    );
    for forbidden in [explained(PRIVILEGED, EPERM), explained(FREE, EACCES), explained(0, EPERM)] {
        assert!(forbidden.contains("is forbidden") && forbidden.contains("seccomp"), "{forbidden}");
        assert!(!forbidden.contains("1024"), "{forbidden}");
    }
    assert!(explained(FREE, 98).contains(&format!("0.0.0.0:{FREE} is already in use")));
    // EMFILE
    assert!(explained(FREE, 24).contains("cannot be used: Too many open files"), "{}", explained(FREE, 24));
}
