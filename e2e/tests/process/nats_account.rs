//! The permissions file that is shipped for the account of an application: it lets through what the application does, and no more.

use std::fs;

use crate::dev::shell;
use crate::nats::{NatsProgram, NatsServer};
use crate::program::{Process, Program, poll};

const SHIPPED: &str = include_str!("../../../docs/messaging/account.conf");

/// A server whose clients without a name are a user with these permissions, and the file of its log.
struct Limited {
    server: NatsServer,
    folder: tempfile::TempDir,
}

impl Limited {
    fn start(permissions: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("nats.log");
        let config = format!(
            "log_file: {:?}\nauthorization {{ users: [ {{ user: quota, password: p, {permissions} }} ] }}\nno_auth_user: quota\n",
            log.display()
        );
        let server = NatsProgram::newest()?.start_with(&config);
        Some(Self { server, folder })
    }

    /// What the server refused.
    fn refused(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("nats.log")).unwrap();
        log.lines().filter(|line| line.contains("Violation")).map(str::to_owned).collect()
    }

    /// An instance of the quota service, and the line that sets the contexts of its commands.
    fn instance(&self) -> (Process, String) {
        let process = Program::service().args(["--dev=0", "--nats", &self.server.url()]).start();
        process.started();
        let tour = process.printed("that was the tour'\n");
        let export = tour.lines().find(|line| line.starts_with("export ")).unwrap().to_owned();
        (process, export)
    }
}

#[test]
fn an_application_needs_no_more_than_the_shipped_permissions() {
    let Some(limited) = Limited::start(SHIPPED) else { return };
    let (one, export) = limited.instance();
    let (two, _) = limited.instance();
    let run = |command: &str| shell(&format!("{export}\n{command}")).run();
    // A lease of the fleet's bucket, and a message about a key that ran out.
    run("svc-example acquire --context \"$OP_CONTEXT#quota\" bob --rule shared --until-denied");
    // A stored message that is handled, and one that becomes a dead letter.
    for rule in ["shared", "nosuch"] {
        run(&format!("appctl do quota refill --rule {rule} --bucket bob --reason 'a test'")).expect_code(0);
    }
    let letters = "appctl do messaging dead-letters --stream OP_d0_59e39d8d10c4dfdd";
    poll("a dead letter", || run(letters).stdout.contains("there is no rule").then_some(()));
    for command in [
        "appctl do messaging consumers",
        "appctl do messaging pause-consumer --consumer ce1f32c680e1ef0b_refill --reason 'a test'",
        "appctl do messaging resume-consumer --consumer ce1f32c680e1ef0b_refill --reason 'a test'",
        "appctl do messaging replay-dead-letter --stream OP_d0_59e39d8d10c4dfdd --number 1 --reason 'a test'",
    ] {
        run(command).expect_code(0);
    }
    poll("it fails again", || run(letters).stdout.contains("there is no rule").then_some(()));
    for process in [one, two] {
        process.signal(nix::sys::signal::Signal::SIGTERM);
        process.ended().expect_code(0);
    }
    assert_eq!(limited.refused(), Vec::<String>::new());
}

#[test]
fn messages_of_another_domain_are_refused() {
    let Some(limited) = Limited::start(&SHIPPED.replace("op.d0.", "op.d1.")) else { return };
    let (process, export) = limited.instance();
    let refill = "appctl do quota refill --rule shared --bucket bob --reason 'a test'";
    let refused = shell(&format!("{export}\n{refill}")).run();
    assert_ne!(refused.code(), Some(0), "{refused:?}");
    assert!(refused.stderr.contains("Permissions Violation"), "{refused:?}");
    assert!(!limited.refused().is_empty());
    process.signal(nix::sys::signal::Signal::SIGTERM);
    process.ended().expect_code(0);
}
