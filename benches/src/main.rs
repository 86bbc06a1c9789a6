//! Runs the comparisons; see the README.

use std::process::ExitCode;

fn main() -> ExitCode {
    benches::main()
}
