//! The answer to `--dev` in a program that was built without the feature of this name.

use std::io::Write;
use std::process::ExitCode;

use app_core::ExitStatus;

/// Why this program has no `--dev`, and where to find one that has it.
const ANSWER: &str = "--dev: this program was built without the feature dev, as images are; run it from a clone of its repository: cargo run -p svc-example -- --dev";

/// Writes the answer. Status 2, as for every flag that is not known.
pub(crate) fn refuse(to: &mut impl Write) -> ExitCode {
    // If this fails, there is no other place for the message.
    let _ = writeln!(to, "{ANSWER}");
    ExitStatus::Usage.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_the_feature_answers_in_one_line_with_status_2() {
        let mut written = Vec::new();
        assert_eq!(refuse(&mut written), ExitCode::from(2));
        let text = String::from_utf8(written).unwrap();
        assert!(text.starts_with("--dev: ") && text.contains("cargo run -p svc-example -- --dev"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
}
