//! Runs this program under valgrind, with few repetitions and with many. The difference is the cost of a repetition, without
//! one-time work.

use std::{
    env,
    process::{Command, Stdio},
};

/// The variable with what to run, as `table/piece`.
pub(crate) const PIECE: &str = "PIECES_PIECE";
/// The variable with the number of repetitions.
pub(crate) const TIMES: &str = "PIECES_TIMES";

const FEW: u64 = 100;
const MANY: u64 = 1_100;

/// A process that runs a piece under a tool of valgrind. The environment is empty, because it would move the stack.
pub(crate) fn command(tool: &[&str], piece: &str, times: u64) -> Command {
    let mut command = Command::new("valgrind");
    command.args(tool).arg(env::current_exe().unwrap()).env_clear();
    // Needed to find valgrind.
    command.env("PATH", env::var_os("PATH").unwrap_or_default());
    command.env(PIECE, piece).env(TIMES, times.to_string()).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The instructions of one repetition, within the function of this path.
pub(crate) fn instructions(piece: &str, function: &str) -> u64 {
    // Older compilers append a hash to the name.
    let toggles = [function.to_owned(), format!("{function}::h*")].map(|f| format!("--toggle-collect={f}"));
    let tool = [
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        "--collect-atstart=no",
        &toggles[0],
        &toggles[1],
    ];
    each(&tool, piece, "Collected :")
}

/// The allocations of one repetition.
pub(crate) fn allocations(piece: &str) -> u64 {
    each(&["--tool=memcheck", "--leak-check=no"], piece, "total heap usage:")
}

fn each(tool: &[&str], piece: &str, label: &str) -> u64 {
    let [few, many] = [FEW, MANY].map(|times| {
        let output = command(tool, piece, times)
            .output()
            .unwrap_or_else(|error| panic!("valgrind cannot be run: {error}; install it"));
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{piece}: {}: {report}", output.status);
        number(&report, label).unwrap_or_else(|| panic!("{piece}: no {label:?} in: {report}"))
    });
    let times = MANY - FEW;
    (many - few + times / 2) / times
}

/// The number after a label, from the first line that has the label.
pub(crate) fn number(report: &str, label: &str) -> Option<u64> {
    let (_, rest) = report.lines().find_map(|line| line.split_once(label))?;
    rest.split_whitespace().next()?.replace(',', "").parse().ok()
}
