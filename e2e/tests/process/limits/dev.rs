//! The service with both RPC endpoints (`--dev`), as a user of its own.

use std::{fs, os::unix::fs::chown, path::PathBuf};

use tempfile::TempDir;

use super::{as_user, cases, fresh_user, possible, some_at_a_time, started_works_or_names};
use crate::program::{Process, Program};

/// A service that runs, or that did not start.
pub(super) struct Dev {
    pub(super) process: Process,
    user: u32,
    folder: TempDir,
}

impl Dev {
    /// Starts the service under limits. Starts it again if another program takes a port first.
    pub(super) fn start(limits: &[String]) -> Self {
        Self::start_as(|user| as_user(user, limits, e2e::svc_example()).args(["--dev=0"]))
    }

    /// Starts a program that runs the service with `--dev=0` as the given user.
    pub(super) fn start_as(program: impl Fn(u32) -> Program) -> Self {
        loop {
            let (user, folder) = (fresh_user(), tempfile::tempdir().unwrap());
            chown(folder.path(), Some(user), Some(user)).unwrap();
            let temporary = folder.path().to_str().unwrap();
            let process = program(user).env("TMPDIR", temporary).start();
            let taken = !process.starts() && process.ended().stderr.contains("ddress already in use");
            if !taken {
                return Self { process, user, folder };
            }
        }
    }

    /// The folder of its keys and configs.
    pub(super) fn made(&self) -> PathBuf {
        let made = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        made.into_iter().find(|path| path.join("contexts.json").is_file()).unwrap()
    }

    /// The value of `--context` for a role.
    pub(super) fn context(&self, role: &str) -> String {
        format!("{}#{role}", self.made().join("contexts.json").display())
    }

    /// Another program as the same user, with the context of a role, under limits.
    pub(super) fn tool(&self, role: &str, limits: &[String], line: &[&str]) -> Program {
        let (program, args) = line.split_first().unwrap();
        as_user(self.user, limits, e2e::folder().join(program))
            .env("OP_CONTEXT", self.context(role))
            .args(args)
    }

    pub(super) fn appctl(&self, role: &str, args: &[&str]) -> Program {
        self.tool(role, &[], &[&["appctl"], args].concat())
    }

    /// Sets a limit of the running process, given as an option of `prlimit`.
    pub(super) fn limit(&self, limit: &str) {
        let pid = self.process.pid().to_string();
        as_user(self.user, &[], "prlimit").args(["--pid", &pid, limit]).run().expect_code(0);
    }
}

#[test]
fn with_rpc_it_works_or_names_the_limit() {
    if !possible() {
        return;
    }
    let mut limits = cases("nproc", 1..=20, &[3, 5, 6, 7, 8]);
    limits.extend(cases("nofile", 16..=60, &[16, 23, 30, 31, 32, 35, 36, 37, 38, 40]));
    some_at_a_time(&limits, |limits| {
        let dev = Dev::start(limits);
        started_works_or_names(&dev.process, limits, &["RLIMIT_NPROC", "RLIMIT_NOFILE"]);
    });
}
