//! A program that links no service, written with `main!`: refused by a start and by `--check`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env,
    process::{Command, ExitCode},
};

use app_core::ExitStatus;

/// Set in a child.
const CHILD: &str = "APP_CORE_TEST_CHILD";

mod program {
    //! The `main.rs` of an application whose author forgot everything.

    app_core::main! { link: [app_ids, app_errors] }

    pub(crate) fn entry() -> std::process::ExitCode {
        main()
    }
}

#[test]
fn runs_as_a_program() {
    if env::var_os(CHILD).is_some() {
        assert_eq!(program::entry(), ExitCode::from(ExitStatus::StartFailed));
    }
}

#[test]
fn a_program_without_a_service_is_refused_by_a_start_and_by_a_check() {
    if env::var_os(CHILD).is_some() {
        return;
    }
    for check in ["false", "true"] {
        // Without arguments, as an application has none: the child runs both tests, and this one does nothing there.
        let mut child = Command::new(env::current_exe().unwrap());
        let ended = child.env(CHILD, "1").env("OP_CHECK", check).output().unwrap();
        let told = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        assert!(ended.status.success(), "{told}");
        assert!(told.contains("no service is linked into this program: name the crates"), "{told}");
    }
}

#[test]
fn the_package_of_a_program_is_its_own() {
    let package = app_core::package!();
    assert_eq!((package.name(), package.version()), ("app-core", env!("CARGO_PKG_VERSION")));
    let app = app_core::AppBuilder::new().services([]).package(package.clone()).build().unwrap();
    assert_eq!(app.package(), &package);
}
