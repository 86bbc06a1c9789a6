//! The container image without a container runtime. The program and the C library run as the image's user, as process 1, on a
//! read-only root file system without a shell, `/proc`, `/dev`, `/tmp` and `/etc`.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
};

use app_config::compat::service_config_id;
use app_metrics::METRICS_SERVICE_ID;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::{
    deploy::{PROGRAM, USER, exec_form},
    files::Configs,
    http::get,
    program::{Process, Program, poll},
    tools::run,
};

/// The command line that becomes the first process of the container, as its user. It passes no environment of this process;
/// `PATH` is that of the base image.
const ENTER: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; root=$1 user=$2 env=$3; shift 3; \
    mount --bind \"$root\" \"$root\" && mount -o remount,ro,bind \"$root\" && cd \"$root\" && \
    exec env -i PATH=\"$PATH\" $env chroot --userspec=\"$user:$user\" --groups=\"$user\" \"$root\" \"$@\"";

const PAGE: &str = include_str!("../../../docs/OPERATING.md");

/// The root file system of the container.
struct Image {
    root: TempDir,
}

impl Image {
    /// `None`, with a line on standard error, if this machine cannot make a container.
    fn new() -> Option<Self> {
        let tried = Program::new("unshare").args(["--mount", "--pid", "--fork", "true"]).run();
        if tried.code() != Some(0) {
            // Skipped even with REQUIRE_TOOLS: it needs root, which no package provides.
            let why = tried.stderr.trim();
            let _ = writeln!(io::stderr(), "SKIPPED: a container: no namespaces can be made here: {why}");
            return None;
        }
        let root = tempfile::tempdir().unwrap();
        // A temporary folder is closed to other users, and the image has another user.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        let image = Self { root };
        let program = e2e::svc_example();
        image.copy(Path::new(program), PROGRAM);
        for word in run("ldd", [program]).split_whitespace().filter(|word| word.starts_with('/')) {
            image.copy(Path::new(word), word);
        }
        let secrets = image.path("/run/secrets");
        fs::create_dir_all(&secrets).unwrap();
        // The way Kubernetes mounts a secret for `fsGroup`: root owns it, and the group may read it.
        let id = service_config_id(METRICS_SERVICE_ID);
        image.copy(&Configs::any_port().path_of(METRICS_SERVICE_ID), &format!("/run/secrets/{id}"));
        let config = secrets.join(id);
        chown(&config, Some(0), Some(u32::try_from(USER).unwrap())).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o440)).unwrap();
        Some(image)
    }

    fn path(&self, inside: &str) -> std::path::PathBuf {
        self.root.path().join(inside.trim_start_matches('/'))
    }

    fn copy(&self, from: &Path, inside: &str) {
        let to = self.path(inside);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }

    /// Starts the program in a new container, with one environment variable.
    fn runs(&self, args: &[impl AsRef<str>], variable: &str) -> Program {
        let args: Vec<_> = args.iter().map(AsRef::as_ref).collect();
        Program::new("unshare")
            .args([
                "--mount",
                "--pid",
                "--ipc",
                "--uts",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                ENTER,
                "enter",
            ])
            .args([self.root.path().to_str().unwrap(), &USER.to_string(), variable])
            .args(args)
    }

    fn service(&self, args: &[&str]) -> Program {
        self.runs(&[exec_form("ENTRYPOINT"), args.iter().map(|&arg| arg.to_owned()).collect()].concat(), "")
    }
}

/// Id of the container's first process, as this machine numbers it.
fn first_process(container: &Process) -> Pid {
    let children = format!("/proc/{pid}/task/{pid}/children", pid = container.pid());
    poll("the first process", || fs::read_to_string(&children).ok()?.trim().parse().ok().map(Pid::from_raw))
}

/// The commands that the operators' page runs with `kubectl exec` and `docker exec`.
fn commands_of_the_page() -> Vec<&'static str> {
    let in_container = |line: &'static str| match line.split_once(' ')? {
        ("kubectl", rest) if rest.starts_with("exec ") => Some(line.split_once(" -- ")?.1),
        ("docker", rest) if rest.starts_with("exec ") => Some(line.rsplit_once(")\" ")?.1),
        _ => None,
    };
    let commands: Vec<_> = PAGE.lines().filter_map(in_container).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    commands
}

#[test]
fn the_image_serves_as_process_1_without_proc_dev_tmp_and_users() {
    let Some(image) = Image::new() else { return };
    let container = image.service(&["--log-format=json", "--drain-delay=1s"]).start();
    let address = container.ready();
    for path in ["/readyz", "/livez", "/healthz", "/metrics"] {
        assert_eq!(get(address, path).status, 200, "{path}");
    }
    let metrics = get(address, "/metrics").body;
    assert!(metrics.contains("op_"), "{metrics}");
    // The probes of the container runtime.
    let asked = image.runs(&exec_form("HEALTHCHECK"), &format!("OP_HEALTH_ADDRESS={address}")).run();
    asked.expect_code(0);
    assert_eq!(asked.stdout, "started\nalive\n");

    for command in commands_of_the_page() {
        let words: Vec<_> = command.split(' ').collect();
        let answer = image.runs(&words, &format!("OP_HEALTH_ADDRESS={address}")).run();
        answer.expect_code(0);
        assert!(answer.stdout.starts_with("ready\nhealthy\n"), "{command}: {}", answer.stdout);
    }

    kill(first_process(&container), Signal::SIGTERM).unwrap();
    let ended = container.ended();
    ended.expect_code(0);
    let problems: Vec<_> = ended.records().into_iter().filter(|record| record["level"] == "error").collect();
    assert!(problems.is_empty(), "{problems:?}");
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[test]
fn a_command_that_the_image_has_no_place_for_says_so_in_one_line() {
    let Some(image) = Image::new() else { return };
    image.service(&["--check"]).run().expect_code(0);
    let ended = image.service(&["--dev=0"]).run();
    ended.expect_code(1);
    assert!(ended.stderr.starts_with("--dev: /tmp/svc-example-dev-"), "{}", ended.stderr);
    assert!(ended.stderr.contains("TMPDIR") && ended.stderr.lines().count() == 1, "{}", ended.stderr);
}
