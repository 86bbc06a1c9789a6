//! The default port of the HTTP server.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use app_core::events;
use app_metrics::DEFAULT_METRICS_HTTP_PORT;
use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::Signal,
};

use crate::{
    files::Configs,
    http::get,
    program::{Process, Program, poll},
};

/// Held by the only test that needs a fixed port, so that parallel runs of the tests wait for each other.
#[test]
fn without_any_config_or_flag_it_serves_on_the_default_port() {
    let lock = File::create(std::env::temp_dir().join("svc-example-default-port.lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let process = poll("the default port", || {
        let process = Program::service().start();
        process.line(&format!(":{DEFAULT_METRICS_HTTP_PORT}"));
        runs(&process).then_some(process)
    });
    process.ready();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_METRICS_HTTP_PORT));
    assert_eq!(get(address, "/readyz").status, 200);
    assert_eq!(get(address, "/metrics").status, 200);
    process.signal(Signal::SIGINT);
    process.ended().expect_code(0);
}

/// Whether the program runs. Otherwise another program, which is not a test, has the port.
fn runs(process: &Process) -> bool {
    let busy = process.record("started or not", |record| {
        record["event"] == app_health::log_events::HEALTHCHECK_RESULT.hex() || record["level"] == "error"
    })["level"]
        == "error";
    if busy {
        process.ended().expect_code(1);
    }
    !busy
}

#[test]
fn a_variable_moves_the_port_without_a_config_and_before_one() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = taken.local_addr().unwrap();
    let busy = Configs::none().metrics(|mut spec| spec.set_http_port(taken.port()));
    for program in [Program::service(), busy.service()] {
        let process = program.env("OP_METRICS_ADDRESS", " 127.0.0.1:0\n").start();
        let address = process.ready();
        assert!(
            address.ip().is_loopback()
                && ![taken.port(), DEFAULT_METRICS_HTTP_PORT].contains(&address.port()),
            "{address}"
        );
        // The health check of an image asks there too.
        let asks = Program::service().args(["health", "ready"]);
        let asked = asks.env("OP_METRICS_ADDRESS", address.to_string()).run();
        asked.expect_code(0);
        process.signal(Signal::SIGINT);
        process.ended().expect_code(0);
    }
    let every = Program::service().args(["--metrics-address", "[::]:0"]).start();
    let port = every.ready().port();
    assert_eq!(get(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), "/readyz").status, 200);
}

#[test]
fn a_bad_or_a_busy_address_in_the_variable_is_one_line_that_names_it() {
    for bad in ["1", "localhost:0", "127.0.0.1", ":0"] {
        let ended = Program::service().env("OP_METRICS_ADDRESS", bad).run();
        ended.expect_code(2);
        assert!(
            ended.stderr.contains("OP_METRICS_ADDRESS")
                && ended.stderr.contains(bad)
                && ended.stderr.contains("such as 127.0.0.1:"),
            "{}",
            ended.stderr
        );
        let asked = Program::service().args(["health", "ready"]).env("OP_METRICS_ADDRESS", bad).run();
        asked.expect_code(2);
        let said = asked.stderr;
        let names_it = said.contains("OP_METRICS_ADDRESS") && said.contains("such as 127.0.0.1:");
        assert!(names_it && said.lines().count() == 1, "{said}");
    }
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (program, name) in [
        (Program::service().env("OP_METRICS_ADDRESS", &address), "OP_METRICS_ADDRESS"),
        (Program::service().args(["--metrics-address", &address]), "--metrics-address"),
    ] {
        let ended = program.run();
        ended.expect_code(1);
        let cure =
            format!("address {address} is already in use; set the port in {name}, or stop the other process");
        assert!(ended.stderr.contains(&cure), "{}", ended.stderr);
    }
}

#[test]
fn a_busy_port_ends_the_start_with_one_clear_line() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let configs = Configs::none().metrics(|mut spec| {
        spec.set_http_port(address.port());
        spec.set_bind_address("127.0.0.1");
    });
    let ended = configs.service().run();
    ended.expect_code(1);
    // The failed start ends at once; it does not wait for a stop timeout.
    assert!(ended.took < Duration::from_secs(8), "took {:?}", ended.took);
    let address = address.to_string();
    let records = ended.records().into_iter().filter(|record| record["level"] == "error");
    let messages: Vec<_> =
        records.filter_map(|record| record["message"].as_str().map(str::to_owned)).collect();
    let naming: Vec<_> = messages.iter().filter(|message| message.contains(&address)).collect();
    let [message] = naming.as_slice() else { panic!("not one line names {address}:\n{}", ended.stderr) };
    assert!(message.contains("already in use") && message.contains("httpPort"), "{message}");
    assert!(!ended.stderr.contains(&events::APP_STARTED.hex()), "it was never ready");
}
