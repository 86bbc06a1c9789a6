//! Limits of a control group. Few machines let a test make one, so the tests are skipped elsewhere, even with
//! `REQUIRE_TOOLS=1`.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use super::{dev::Dev, possible, some_at_a_time, started_works_or_names};
use crate::program::{Program, poll};

/// A control group with one limit. It is removed when this value is dropped.
struct Group(PathBuf);

impl Group {
    /// `None`, with a line on standard error, if it cannot be made. The limit has one name in version 2 and one in version 1.
    fn make(controller: &str, [new, old]: [&str; 2], most: &str) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("svc-example-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let made = groups.lines().find_map(|line| {
            let (hierarchy, path) = line.split_once(':')?.1.split_once(':')?;
            let (base, limit) = match hierarchy {
                "" => ("/sys/fs/cgroup".to_owned(), new),
                old_one if old_one == controller => (format!("/sys/fs/cgroup/{controller}"), old),
                _ => return None,
            };
            let own = Path::new(&base).join(path.trim_start_matches('/'));
            fs::create_dir(own.join(&name)).ok()?;
            let group = Self(own.join(&name));
            fs::OpenOptions::new()
                .write(true)
                .open(group.0.join(limit))
                .and_then(|mut file| file.write_all(most.as_bytes()))
                .ok()?;
            Some(group)
        });
        if made.is_none() {
            let _ = writeln!(
                io::stderr(),
                "SKIPPED: no control group with a limit of {controller} can be made here"
            );
        }
        made
    }

    /// The service as another user, started inside the group.
    fn service(&self, user: u32) -> Program {
        let enter = "echo $$ >\"$0/cgroup.procs\" && exec setpriv --reuid=\"$1\" --regid=\"$1\" --clear-groups \"$2\" --dev=0";
        let program = Program::new("sh").without_environment().args(["-c", enter]).args([&self.0]);
        program.args([&user.to_string(), e2e::svc_example()])
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The last process leaves the group a moment after it has ended.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                break;
            }
            crate::program::pass(std::time::Duration::from_millis(20));
        }
    }
}

#[test]
fn with_few_tasks_in_its_control_group_it_works_or_names_the_limit() {
    let counts: Vec<_> = (1..=10).map(|most| vec![most.to_string()]).collect();
    if !possible() || Group::make("pids", ["pids.max"; 2], "1").is_none() {
        return;
    }
    some_at_a_time(&counts, |most| {
        let group = Group::make("pids", ["pids.max"; 2], &most[0]).unwrap();
        let dev = Dev::start_as(|user| group.service(user));
        started_works_or_names(&dev.process, most, &[&format!("pids.max of the cgroup is {}", most[0])]);
    });
}

#[test]
fn in_thirty_two_megabytes_it_works_and_shows_its_stacks() {
    if !possible() {
        return;
    }
    let Some(group) = Group::make("memory", ["memory.max", "memory.limit_in_bytes"], "33554432") else {
        return;
    };
    let dev = Dev::start_as(|user| group.service(user));
    let address = dev.process.address();
    let stacks = dev.appctl("operator", &["stacks"]).run();
    assert!(stacks.expect_code(0).stdout.contains("\"worker\""), "{stacks:?}");
    poll("ready", || (crate::http::get(address, "/readyz").status == 200).then_some(()));
    dev.process.signal(nix::sys::signal::Signal::SIGTERM);
    dev.process.ended().expect_code(0);
}
