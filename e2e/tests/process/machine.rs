//! A real systemd: `systemd-nspawn` boots the system of this machine a second time, in namespaces of its own.
//!
//! Its root file system is empty and in memory. `/usr` is the one of this machine, read-only. There is no network. All tests
//! of the process share one booted machine. It ends when the process ends, for any reason.

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

/// Path in the machine of the folder that tests write to. It is read-only in the machine.
const FOLDER: &str = "/opt/test";
/// Folder of the programs in the machine.
const PROGRAMS: &str = "/usr/local/bin";
/// Folder for units that an operator installs.
const UNITS: &str = "/etc/systemd/system";
/// Longest life of the machine. It is killed then, even if the tests still run.
const LIFETIME: &str = "30m";
/// Boot options that leave out services that wait for hardware, a network or a person.
const KERNEL_LINE: [&str; 5] = [
    "systemd.unit=basic.target",
    "systemd.firstboot=no",
    "systemd.mask=systemd-firstboot.service",
    "systemd.mask=systemd-networkd-wait-online.service",
    "systemd.mask=networking.service",
];

/// The machine, booted at the first call. `None`, with a line on standard error, if this system cannot boot one.
pub(crate) fn machine() -> Option<&'static Machine> {
    static MACHINE: OnceLock<Option<Machine>> = OnceLock::new();
    MACHINE.get_or_init(Machine::boot).as_ref()
}

/// A running machine.
pub(crate) struct Machine {
    /// Id of the machine's process 1 on this system.
    init: String,
    folder: TempDir,
    reloads: Mutex<()>,
    // Declared first, so dropped first: it finds process 1 through its parent, which is `_nspawn`.
    _guard: Guard,
    _nspawn: Process,
}

/// Kills the machine when its standard input is closed. The end of this process closes it.
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
        let programs = e2e::folder();
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

    /// A shell command line that runs in the machine as root.
    pub(crate) fn shell(&self, line: &str) -> Program {
        let line = format!("cd /; PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; {line}");
        Program::new("nsenter").args(["--target", &self.init, "--all", "sh", "-c", &line])
    }

    /// The output of a command line that must succeed.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        let ended = self.shell(line).run();
        assert_eq!(ended.code(), Some(0), "{line}\n{}{}", ended.stdout, ended.stderr);
        ended.stdout
    }

    /// A lock around reloads of systemd's units. A test that reloads takes it, and so does a test that a reload would break: systemd
    /// then forgets the time by which a unit has extended its timeout.
    pub(crate) fn reloads(&self) -> MutexGuard<'_, ()> {
        self.reloads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Installs a new unit, with settings of the test in a drop-in file. systemd finds new units without a reload.
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

    /// A unit that the test has installed in another way.
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
    /// Runs `systemctl VERB UNIT`.
    pub(crate) fn systemctl(&self, verb: &str) -> Ended {
        self.machine.shell(&format!("systemctl {verb} {}", self.name)).run()
    }

    /// Runs `systemctl VERB UNIT`, which must succeed.
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

    /// The messages of the unit and of systemd about it, one on each line.
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

    /// Number of restarts by systemd.
    pub(crate) fn restarts(&self) -> u32 {
        self.show("NRestarts").parse().unwrap()
    }
}

/// Waits until the machine has booted. Returns the id of its process 1, or `None` if the machine has ended.
fn booted(nspawn: &Process, name: &str) -> Option<String> {
    let children = format!("/proc/{pid}/task/{pid}/children", pid = nspawn.pid());
    // Checks the host name, because the child of systemd-nspawn at first still sees this system and its systemd.
    let asks = format!("test \"$(uname -n)\" = {name} && systemctl is-system-running");
    poll("a system that has booted", || {
        if !nspawn.runs() {
            return Some(None);
        }
        let init = fs::read_to_string(&children).ok()?.split_whitespace().next()?.to_owned();
        let state =
            Program::new("nsenter").args(["--target", &init, "--all", "sh", "-c", &asks]).run().stdout;
        // Degraded means that a unit of the distribution failed. That does not matter here.
        matches!(state.trim(), "running" | "degraded").then_some(Some(init))
    })
}

/// The reason why a test cannot boot a machine here, if any.
fn obstacle() -> Option<String> {
    let namespaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--fork"];
    let mounts = ["sh", "-c", "mount -t tmpfs none /mnt && mount -t proc proc /proc"];
    let tried = Program::new("unshare").args(namespaces).args(mounts).run();
    if tried.code() != Some(0) {
        return Some(format!("namespaces cannot be made here (it takes root): {}", tried.stderr.trim()));
    }
    None
}

/// Whether this process may make control groups, which a booted machine needs.
fn has_control_groups() -> bool {
    let group = Path::new("/sys/fs/cgroup").join(format!("svc-example-{}", std::process::id()));
    fs::create_dir(&group).and_then(|()| fs::remove_dir(&group)).is_ok()
}

fn skipped(why: &str) {
    // Not `eprintln`: the test harness hides its output if the test passes.
    let _ = writeln!(io::stderr(), "SKIPPED: a real systemd: {why}");
}
