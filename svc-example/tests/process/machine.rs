//! A real systemd: the system of this machine, booted once more in namespaces of its own by `systemd-nspawn`.
//!
//! The root file system is an empty one in memory, `/usr` is this machine's and read-only, and there is no network. One
//! machine serves all tests of the process. It ends when the process does, whatever ends that.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    program::{Ended, PATIENCE, Process, Program, pass, poll},
    tools::installed,
};

/// Where the machine has the folder of this machine that tests write to. It is read-only there.
const FOLDER: &str = "/opt/test";
/// Where the unit has the program.
const PROGRAMS: &str = "/usr/local/bin";
/// Where a unit goes that an operator installs.
const UNITS: &str = "/etc/systemd/system";
/// The machine is killed after this time even if the tests go on for ever.
const LIFETIME: &str = "30m";
/// Boots without services that wait for hardware, a network or a person.
const KERNEL_LINE: [&str; 5] = [
    "systemd.unit=basic.target",
    "systemd.firstboot=no",
    "systemd.mask=systemd-firstboot.service",
    "systemd.mask=systemd-networkd-wait-online.service",
    "systemd.mask=networking.service",
];

/// The machine, booted at the first call. `None`, with a word on standard error, where none can be booted.
pub(crate) fn machine() -> Option<&'static Machine> {
    static MACHINE: OnceLock<Option<Machine>> = OnceLock::new();
    MACHINE.get_or_init(Machine::boot).as_ref()
}

/// A machine that runs.
pub(crate) struct Machine {
    /// Process 1 of the machine, as this process sees it.
    init: String,
    folder: TempDir,
    reloads: Mutex<()>,
    // Dropped first: it finds process 1 by way of its parent.
    _guard: Guard,
    _nspawn: Process,
}

/// Kills the machine when its standard input is closed, which the end of this process does.
struct Guard(Child);

impl Guard {
    fn of(nspawn: &Process) -> Self {
        let script = format!(
            "timeout {LIFETIME} cat; kill -KILL $(cat /proc/{pid}/task/{pid}/children) {pid}",
            pid = nspawn.pid()
        );
        let mut guard = Command::new("sh");
        guard.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(guard.spawn().unwrap())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Machine {
    fn boot() -> Option<Self> {
        if !installed("systemd-nspawn", &["--version"], "systemd-container") {
            return None;
        }
        if let Some(obstacle) = obstacle() {
            skipped(&obstacle);
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let programs = Path::new(env!("CARGO_BIN_EXE_svc-example")).parent().unwrap();
        let name = format!("svc-example-{}", std::process::id());
        let bind = |from: &Path, to: &str| format!("--bind-ro={}:{to}", from.display());
        let nspawn = Program::new("systemd-nspawn")
            .args(["--directory=/", "--volatile=yes", "--register=no", "--keep-unit", "--boot"])
            .args(["--private-network", "--console=pipe", "--quiet"])
            .args([format!("--machine={name}")])
            .args([bind(programs, PROGRAMS), bind(folder.path(), FOLDER)])
            .args(["--"])
            .args(KERNEL_LINE)
            .start();
        let guard = Guard::of(&nspawn);
        match booted(&nspawn, &name) {
            Some(init) => {
                Some(Self { init, folder, reloads: Mutex::default(), _nspawn: nspawn, _guard: guard })
            }
            None => {
                drop(guard);
                let problem = format!("systemd-nspawn does not boot: {}", nspawn.ended().stderr.trim());
                let wanted = env::var("REQUIRE_TOOLS").as_deref() == Ok("1");
                assert!(!wanted || !has_control_groups(), "{problem}");
                skipped(&problem);
                None
            }
        }
    }

    /// A new folder for one test, with its path in the machine.
    pub(crate) fn folder_of(&self, test: &str) -> (PathBuf, String) {
        let folder = self.folder.path().join(test);
        fs::create_dir(&folder).unwrap();
        (folder, format!("{FOLDER}/{test}"))
    }

    /// A command line of the shell in the machine, as root.
    pub(crate) fn shell(&self, line: &str) -> Program {
        let line = format!("cd /; PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; {line}");
        Program::new("nsenter").args(["--target", &self.init, "--all", "sh", "-c", &line])
    }

    /// What a command line prints, which must succeed.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        let ended = self.shell(line).run();
        assert_eq!(ended.code(), Some(0), "{line}\n{}{}", ended.stdout, ended.stderr);
        ended.stdout
    }

    /// Held by a test that has systemd reload its units, and by one that would not survive that: systemd then forgets by how
    /// much a unit extended its time.
    pub(crate) fn reloads(&self) -> MutexGuard<'_, ()> {
        self.reloads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Installs a new unit, with settings of a test in a drop-in file. systemd finds a unit that is new by itself.
    pub(crate) fn install(&self, name: &str, unit: &str, settings: &str) -> Unit<'_> {
        let (folder, inside) = self.folder_of(name);
        fs::write(folder.join("unit"), unit).unwrap();
        fs::write(folder.join("settings"), format!("[Service]\n{settings}\n")).unwrap();
        self.run(&format!(
            "install -D -m 0644 {inside}/unit {UNITS}/{name}.service && \
             install -D -m 0644 {inside}/settings {UNITS}/{name}.service.d/test.conf"
        ));
        Unit { machine: self, name: name.to_owned() }
    }

    /// A unit that was installed in another way.
    pub(crate) fn unit(&self, name: &str) -> Unit<'_> {
        Unit { machine: self, name: name.to_owned() }
    }
}

/// A unit of the machine.
pub(crate) struct Unit<'a> {
    machine: &'a Machine,
    name: String,
}

impl Unit<'_> {
    /// `systemctl VERB UNIT`.
    pub(crate) fn systemctl(&self, verb: &str) -> Ended {
        self.machine.shell(&format!("systemctl {verb} {}", self.name)).run()
    }

    /// As above, which must succeed.
    #[track_caller]
    pub(crate) fn does(&self, verb: &str) {
        let ended = self.systemctl(verb);
        let log = if ended.code() == Some(0) { String::new() } else { self.log() };
        assert_eq!(ended.code(), Some(0), "{verb}: {}{}\n{log}", ended.stdout, ended.stderr);
    }

    /// A property, as `systemctl show` prints it.
    pub(crate) fn show(&self, property: &str) -> String {
        self.machine.run(&format!("systemctl show -P {property} {}", self.name)).trim_end().to_owned()
    }

    /// What the unit and systemd said, one message a line.
    pub(crate) fn log(&self) -> String {
        self.machine.run(&format!("journalctl --sync; journalctl -u {} -o cat --no-pager", self.name))
    }

    /// Waits until a property has this value.
    #[track_caller]
    pub(crate) fn becomes(&self, property: &str, value: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.show(property);
            if found == value {
                return;
            }
            assert!(Instant::now() < deadline, "{property} is {found}, not {value}:\n{}", self.log());
            pass(Duration::from_millis(200));
        }
    }

    /// How often systemd has started it again.
    pub(crate) fn restarts(&self) -> u32 {
        self.show("NRestarts").parse().unwrap()
    }
}

/// Waits until the machine has booted; gives its process 1. `None` when it has ended instead.
fn booted(nspawn: &Process, name: &str) -> Option<String> {
    let children = format!("/proc/{pid}/task/{pid}/children", pid = nspawn.pid());
    // By name: while it is being made, the child of systemd-nspawn still sees this machine and its systemd.
    let asks = format!("test \"$(uname -n)\" = {name} && systemctl is-system-running");
    poll("a system that has booted", || {
        if !nspawn.runs() {
            return Some(None);
        }
        let init = fs::read_to_string(&children).ok()?.split_whitespace().next()?.to_owned();
        let state =
            Program::new("nsenter").args(["--target", &init, "--all", "sh", "-c", &asks]).run().stdout;
        // Degraded: a unit of this machine's distribution failed, which is none of ours.
        matches!(state.trim(), "running" | "degraded").then_some(Some(init))
    })
}

/// Why this machine does not let a test boot another one.
fn obstacle() -> Option<String> {
    let namespaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--fork"];
    let mounts = ["sh", "-c", "mount -t tmpfs none /mnt && mount -t proc proc /proc"];
    let tried = Program::new("unshare").args(namespaces).args(mounts).run();
    if tried.code() != Some(0) {
        return Some(format!("namespaces cannot be made here (it takes root): {}", tried.stderr.trim()));
    }
    None
}

/// Whether this machine's control groups may be changed, without which no other machine boots.
fn has_control_groups() -> bool {
    let group = Path::new("/sys/fs/cgroup").join(format!("svc-example-{}", std::process::id()));
    fs::create_dir(&group).and_then(|()| fs::remove_dir(&group)).is_ok()
}

fn skipped(why: &str) {
    // Not `eprintln`, which is kept back for a test that passes.
    let _ = writeln!(io::stderr(), "SKIPPED: a real systemd: {why}");
}
