//! Limits that are lowered while the service runs. The service continues and reports what it cannot do.

use nix::sys::signal::Signal;

use super::{dev::Dev, possible};
use crate::{http::get, program::Process};

/// Asks for a reload twice. Each time a record of the failure contains this text.
fn reload_fails(process: &Process, part: &str) {
    for times in 1..=2 {
        process.signal(Signal::SIGHUP);
        process.records(&format!("{times} failures with {part}"), times, |record| {
            let message = record["message"].as_str().unwrap_or_default();
            message.contains("in effect stay") && message.contains(part)
        });
    }
}

#[test]
fn without_another_thread_it_goes_on_answers_and_can_be_killed() {
    if !possible() {
        return;
    }
    let dev = Dev::start(&[]);
    let address = dev.process.address();
    dev.limit("--nproc=1");
    reload_fails(&dev.process, "RLIMIT_NPROC (ulimit -u) is 1");
    assert_eq!(get(address, "/readyz").status, 200);
    let status = dev.appctl("operator", &["status"]).run();
    assert!(status.expect_code(0).stdout.contains("ready"), "{status:?}");
    for needs_a_thread in ["stacks", "metrics"] {
        let refused = dev.appctl("operator", &[needs_a_thread]).run();
        let named = refused.stderr.lines().count() == 1 && refused.stderr.contains("RLIMIT_NPROC");
        assert!(refused.code() != Some(0) && named, "{refused:?}");
    }
    let reload = dev.appctl("operator", &["reload", "--reason", "try"]).run();
    assert!(reload.expect_code(6).stdout.contains("RLIMIT_NPROC"), "{reload:?}");
    // The rule "slow" comes from the config that was read before.
    let granted = dev.tool("quota", &[], &["svc-example", "acquire", "alice", "--rule=slow", "--context"]);
    let granted = granted.args([dev.context("quota")]).run();
    assert!(granted.expect_code(0).stdout.contains("2 left"), "{granted:?}");
    assert_eq!(get(address, "/readyz").status, 200);
    dev.appctl("admin", &["kill", "--yes", "--reason", "try"]).run().expect_code(0);
    let ended = dev.process.ended();
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    let last = ended.records().pop().unwrap();
    assert!(last["message"].as_str().unwrap().starts_with("app stopped: killed: try"), "{last}");
}

#[test]
fn without_another_descriptor_it_goes_on_and_works_again_when_there_is_one() {
    if !possible() {
        return;
    }
    let dev = Dev::start(&[]);
    let address = dev.process.address();
    dev.limit("--nofile=10:");
    reload_fails(&dev.process, "Too many open files");
    dev.limit("--nofile=100:");
    assert_eq!(get(address, "/readyz").status, 200);
    dev.appctl("operator", &["status"]).run().expect_code(0);
    dev.appctl("operator", &["reload", "--reason", "try"]).run().expect_code(0);
    dev.limit("--nofile=10:");
    dev.limit("--nproc=1");
    dev.process.signal(Signal::SIGTERM);
    let ended = dev.process.ended();
    ended.expect_code(0);
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
}
