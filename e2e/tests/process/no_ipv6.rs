//! A machine without IPv6, or a filter that refuses IPv6.
//!
//! A small Python program installs a seccomp filter and then executes the service. The kernel then fails the IPv6 calls, as
//! under some container runtimes.

use std::net::{Ipv4Addr, SocketAddr};

use nix::sys::signal::Signal;

use crate::{
    files::Configs,
    http::get,
    program::{Ended, Process, Program},
    tools,
};

/// The arguments are the refused calls (`socket`, `bind` or `all`), the number of the error, and the command line to execute. The
/// numbers of calls and architectures are those of Linux.
const FILTER: &str = r#"
import ctypes, os, platform, struct, sys
what, error, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
socket, bind = {"x86_64": (41, 49), "aarch64": (198, 200)}[platform.machine()]
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7fff0000, 0x00050000 | error
def argument(index): return 16 + 8 * index
AF_INET6, SIZE_OF_IPV6 = 10, 28
if what == "socket": call, index, value = socket, 0, AF_INET6
elif what == "bind": call, index, value = bind, 2, SIZE_OF_IPV6
else: call, index, value = socket, 1, None
code = [(LOAD, 0, 0, 0), (EQUAL, 0, 3, call), (LOAD, 0, 0, argument(index)), (EQUAL, 0, 1, value),
        (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
if value is None:
    # Every socket of the internet, IPv4 (2) and IPv6.
    code = [(LOAD, 0, 0, 0), (EQUAL, 0, 4, call), (LOAD, 0, 0, argument(0)), (EQUAL, 1, 0, 2), (EQUAL, 0, 1, AF_INET6),
            (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
program = b"".join(struct.pack("HBBI", *step) for step in code)
held = ctypes.create_string_buffer(program)
filter = struct.pack("HxxxxxxP", len(code), ctypes.addressof(held))
libc = ctypes.CDLL(None, use_errno=True)
NO_NEW_PRIVILEGES, SECCOMP, FILTER_MODE = 38, 22, 2
assert libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0, ctypes.get_errno()
assert libc.prctl(SECCOMP, FILTER_MODE, ctypes.c_char_p(filter), 0, 0) == 0, ctypes.get_errno()
os.execv(command[0], command)
"#;

/// The service behind the filter, listening on every address. `None` if the filter cannot be made.
fn filtered(configs: &Configs, what: &str, error: i32) -> Option<Program> {
    let error = error.to_string();
    let filter = |command: &str| {
        ["-c".to_owned(), FILTER.to_owned(), what.to_owned(), error.clone(), command.to_owned()]
    };
    let works = filter("/bin/true");
    let works: Vec<_> = works.iter().map(String::as_str).collect();
    if !tools::installed("python3", &works, "python3, on Linux with seccomp") {
        return None;
    }
    let service = filter(e2e::svc_example());
    Some(Program::new("python3").args(service).args(["--config-dir".as_ref(), configs.path().as_os_str()]))
}

fn on_all_addresses() -> Configs {
    Configs::none().metrics(|mut spec| spec.set_http_port(0))
}

fn ipv6_is_missed(service: &Process) {
    let address = service.ready();
    assert!(address.is_ipv4(), "{address}");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
    assert_eq!(get(address, "/readyz").status, 200);
    let told = service.line("listens on IPv4 alone");
    assert!(told.contains("\"info\""), "{told}");
    service.signal(Signal::SIGTERM);
    service.ended().expect_code(0);
}

#[test]
fn whatever_refuses_ipv6_the_service_listens_on_ipv4() {
    let configs = on_all_addresses();
    // Filters give EPERM and EACCES; kernels give EINVAL, EPROTONOSUPPORT, EAFNOSUPPORT and EADDRNOTAVAIL.
    for (what, error) in [
        ("socket", 1),
        ("socket", 13),
        ("socket", 22),
        ("socket", 93),
        ("socket", 97),
        ("bind", 1),
        ("bind", 99),
    ] {
        let Some(program) = filtered(&configs, what, error) else { return };
        ipv6_is_missed(&program.start());
    }
}

#[test]
fn where_ipv4_is_refused_too_the_start_says_what_refuses_it() {
    let configs = on_all_addresses();
    let Some(program) = filtered(&configs, "all", 1) else { return };
    let ended: Ended = program.run();
    ended.expect_code(1);
    assert!(
        ended.stderr.contains("0.0.0.0:0 is forbidden") && ended.stderr.contains("seccomp"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("1024"), "{}", ended.stderr);
}
