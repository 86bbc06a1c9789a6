//! A shell that runs the commands of the page, one after another.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::page::Command;
use crate::place;

/// Longer than any build takes.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Begins the line after the output of a command. Its exit status follows.
const MARK: &str = "--8<--";

/// The page uses fixed ports. A network of its own keeps other programs away from them, if this user may make one.
const OWN_NETWORK: [&str; 4] = ["unshare", "--map-root-user", "--net", "--"];

/// A shell in a folder. It ends with this value, and all that it started with it.
pub(crate) struct Shell {
    bash: Child,
    lines: Receiver<String>,
}

/// How a command ended. What it wrote to standard error is in the output.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: String,
    pub(crate) printed: Vec<String>,
}

impl Shell {
    /// Starts the shell. Its commands find `appctl`, and the programs that they build.
    pub(crate) fn start(folder: &Path) -> Self {
        let mut bash = command();
        for (name, _) in env::vars_os().filter(|(name, _)| is_of_programs(name)) {
            bash.env_remove(name);
        }
        let appctl = Path::new(env!("CARGO_BIN_EXE_appctl")).parent().unwrap();
        let path = [place::target().join("debug"), appctl.to_owned()];
        let others = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(path.into_iter().chain(env::split_paths(&others))).unwrap();
        bash.env("PATH", path).envs(place::settings()).env("CARGO_TERM_COLOR", "never");
        bash.env("XDG_CONFIG_HOME", folder.join("config")).current_dir(folder).process_group(0);
        let mut bash = bash.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(bash.stdout.take().unwrap());
        let (lines, received) = mpsc::channel();
        thread::spawn(move || {
            // The receiver is gone when the shell ends.
            let _ = output.lines().map_while(Result::ok).try_for_each(|line| lines.send(line));
        });
        Self { bash, lines: received }
    }

    /// Runs a command. It reads nothing.
    pub(crate) fn run(&mut self, command: &str) -> Ran {
        let mut input = self.bash.stdin.as_ref().unwrap();
        writeln!(input, "{{ {command}\n}} < /dev/null 2>&1; printf '\\n{MARK}%s\\n' $?").unwrap();
        let mut printed = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no end: {command}\n{}", printed.join("\n")));
            if let Some(status) = line.strip_prefix(MARK) {
                // The line break before the mark.
                if printed.last().is_some_and(String::is_empty) {
                    printed.pop();
                }
                return Ran { status: status.to_owned(), printed };
            }
            printed.push(line);
        }
    }

    /// Runs a command that must succeed. A build must have no warning.
    pub(crate) fn succeed(&mut self, command: &str) -> Vec<String> {
        let ran = self.run(command);
        let is_clean =
            !command.contains("cargo ") || !ran.printed.iter().any(|line| line.starts_with("warning"));
        assert!(
            ran.status == "0" && is_clean,
            "$ {command}\n{}\nstatus {}",
            ran.printed.join("\n"),
            ran.status
        );
        ran.printed
    }

    /// Runs a command of the page. It must succeed, and print what the page shows.
    pub(crate) fn expect(&mut self, command: &Command) {
        let printed = self.succeed(&command.line);
        let Command { line, shown } = command;
        if !shown.is_empty() {
            assert!(
                fits(&printed, shown),
                "$ {line}\nprinted:\n{}\nthe page shows:\n{}",
                printed.join("\n"),
                shown.join("\n")
            );
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.bash.id().try_into().unwrap());
        // It fails if all have ended.
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.bash.wait();
    }
}

fn command() -> process::Command {
    let [unshare, flags @ ..] = OWN_NETWORK;
    let tried = process::Command::new(unshare).args(flags).arg("true").output();
    if !tried.is_ok_and(|output| output.status.success()) {
        eprintln!("the ports of the page must be free");
        return process::Command::new("bash");
    }
    let mut bash = process::Command::new(unshare);
    bash.args(flags).args(["bash", "-c", "ip link set lo up && exec bash"]);
    bash
}

/// Whether a variable sets what the page sets, or leaves at its default.
fn is_of_programs(name: &OsString) -> bool {
    [&b"OP_"[..], b"OTEL_"].iter().any(|begin| name.as_encoded_bytes().starts_with(begin))
}

/// Whether lines are those that the page shows. A line `...` stands for any lines.
fn fits(printed: &[String], shown: &[String]) -> bool {
    let Some((first, rest)) = shown.split_first() else { return printed.is_empty() };
    if first == "..." {
        return (0..=printed.len()).any(|skipped| fits(&printed[skipped..], rest));
    }
    printed.split_first().is_some_and(|(line, others)| line_fits(line, first) && fits(others, rest))
}

/// Whether a line is the one that the page shows. `...` stands for any text.
fn line_fits(line: &str, shown: &str) -> bool {
    let Some((begin, rest)) = shown.split_once("...") else { return line == shown };
    let Some(left) = line.strip_prefix(begin) else { return false };
    (0..=left.len()).filter_map(|at| left.get(at..)).any(|end| line_fits(end, rest))
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_stand_for_text_and_for_lines() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        for (shown, is_so) in [
            ("a 1 b\nc", true),
            ("a ... b\nc", true),
            ("...\nc", true),
            ("a...\n...", true),
            ("...", true),
            ("a 1", false),
            ("a 1 b", false),
            ("a ... d\nc", false),
        ] {
            assert_eq!(fits(&lines("a 1 b\nc"), &lines(shown)), is_so, "{shown}");
        }
    }

    #[test]
    fn a_shell_keeps_its_folder_and_its_variables() {
        let folder = tempfile::tempdir().unwrap();
        let mut shell = Shell::start(folder.path());
        shell.succeed("mkdir sub && cd sub && x=1");
        assert_eq!(shell.succeed("echo \"$x ${PWD##*/}\"; printf end"), ["1 sub", "end"]);
        assert_eq!(shell.run("cat; echo wrong >&2; false").status, "1");
    }
}
