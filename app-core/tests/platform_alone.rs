//! A program that links services of the platform and none of its own: it runs, and is warned.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{env, process::Command, process::ExitCode};

use app_core::{ExitStatus, Flags, prelude::*, run_with};

const BELOW: ServiceId = ServiceId::new(0xd1c7_08f3_5be2_9a46);
/// Set in a child.
const CHILD: &str = "APP_CORE_TEST_CHILD";

app_core::service! { id: BELOW, name: "below", start: start, infrastructure: true }

async fn start() -> Result<(), Error> {
    Ok(())
}

#[test]
fn checks_as_a_program() {
    if env::var_os(CHILD).is_some() {
        let mut flags = Flags::default();
        flags.check = true;
        assert_eq!(run_with(flags), ExitCode::from(ExitStatus::Clean));
    }
}

#[test]
fn a_program_without_a_service_of_its_own_is_warned() {
    if env::var_os(CHILD).is_some() {
        return;
    }
    let ended = Command::new(env::current_exe().unwrap()).env(CHILD, "1").output().unwrap();
    let told = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
    assert!(ended.status.success(), "{told}");
    assert!(told.contains("only services of the platform are linked"), "{told}");
}
