//! This program again, under valgrind: what does not differ between few times and many is not what one time costs.

use std::{
    env,
    process::{Command, Stdio},
};

/// In the environment: what to do, as `table/piece`, and how often.
pub(crate) const PIECE: &str = "PIECES_PIECE";
pub(crate) const TIMES: &str = "PIECES_TIMES";

const FEW: u64 = 100;
const MANY: u64 = 1_100;

/// A process that does it under this tool of valgrind's. Nothing of the environment gets in: it moves the stack.
pub(crate) fn command(tool: &[&str], piece: &str, times: u64) -> Command {
    let mut command = Command::new("valgrind");
    command.args(tool).arg(env::current_exe().unwrap()).env_clear();
    // Where valgrind is.
    command.env("PATH", env::var_os("PATH").unwrap_or_default());
    command.env(PIECE, piece).env(TIMES, times.to_string()).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Instructions of one time, between entry and end of the function of this path.
pub(crate) fn instructions(piece: &str, function: &str) -> u64 {
    // Older compilers end names in a hash.
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

/// Allocations of one time.
pub(crate) fn allocations(piece: &str) -> u64 {
    each(&["--tool=memcheck", "--leak-check=no"], piece, "total heap usage:")
}

fn each(tool: &[&str], piece: &str, label: &str) -> u64 {
    let [few, many] = [FEW, MANY].map(|times| {
        let output = command(tool, piece, times)
            .output()
            .unwrap_or_else(|error| panic!("valgrind, which has to be installed: {error}"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{piece}: {}: {said}", output.status);
        number(&said, label).unwrap_or_else(|| panic!("{piece}: no {label:?} in: {said}"))
    });
    let times = MANY - FEW;
    (many - few + times / 2) / times
}

/// The number after a label, in whatever line has it.
pub(crate) fn number(said: &str, label: &str) -> Option<u64> {
    let (_, rest) = said.lines().find_map(|line| line.split_once(label))?;
    rest.split_whitespace().next()?.replace(',', "").parse().ok()
}
