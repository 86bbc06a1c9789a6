//! The output of commands: text for people, JSON for programs.
//!
//! Names, reasons and messages of an app are untrusted text. No control character in them reaches a terminal, in either form.

mod json;
mod lines;
mod page;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod time;

use std::env;
use std::io::{self, IsTerminal, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use app_core::clap::ArgMatches;
use app_core::write_output;
use serde::Serialize;

use crate::failure::{Failure, MOST_MESSAGE, Outcome, Status};

pub(crate) use self::json::{Hex, Moment, json_line, seconds};
pub(crate) use self::lines::{Lines, Note, NoteLine, print as print_text, say};
pub(crate) use self::page::Page;
pub(crate) use self::table::{Paint, Table};
pub(crate) use self::text::{many_lines, one_line, replaced};
pub(crate) use self::time::{ago, human};

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) json: bool,
    /// Whether to use colours: on a terminal, unless the environment forbids them.
    pub(crate) colour: bool,
    /// The instance that the output is about, if the command asks several.
    pub(crate) instance: Option<SocketAddr>,
}

/// An object with the address of its instance, if the command asks several.
#[derive(Serialize)]
struct OfInstance<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<SocketAddr>,
    #[serde(flatten)]
    object: &'a T,
}

/// Reports a failure on standard error: as a line for people, or as an object for programs. Returns its exit status.
pub(crate) fn report(failure: &Failure, json: bool) -> ExitCode {
    let line = if json {
        json_line(&serde_json::json!({ "error": failure.message, "status": failure.status as u8 }))
    } else {
        one_line(&failure.message, MOST_MESSAGE)
    };
    // If this fails, there is no place left to report it.
    let _ = writeln!(io::stderr().lock(), "{line}");
    failure.status.into()
}

impl Output {
    /// The form that the command line and the environment ask for.
    pub(crate) fn of(matches: &ArgMatches) -> Self {
        let json = matches.get_flag("json");
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { json, colour: !json && !plain && io::stdout().is_terminal(), instance: None }
    }

    /// Prints an object for programs, or a page for people.
    pub(crate) fn print<T: Serialize>(self, object: &T, page: impl FnOnce(&mut Page)) -> Outcome {
        self.print_with(ExitCode::SUCCESS, object, page)
    }

    /// Prints as [`print`](Self::print) does. The exit status is 6 unless `well` is true.
    pub(crate) fn print_verdict<T: Serialize>(
        self,
        well: bool,
        object: &T,
        page: impl FnOnce(&mut Page),
    ) -> Outcome {
        let status = if well { ExitCode::SUCCESS } else { Status::AnswerIsNo.into() };
        self.print_with(status, object, page)
    }

    fn print_with<T: Serialize>(self, status: ExitCode, object: &T, page: impl FnOnce(&mut Page)) -> Outcome {
        let text = if self.json {
            json_line(&OfInstance { target: self.instance, object }) + "\n"
        } else {
            let mut shown = Page::new(self.colour);
            if let Some(instance) = self.instance {
                shown.line(format!("{instance}:"));
            }
            page(&mut shown);
            shown.text()
        };
        let written = write_output(|out| out.write_all(text.as_bytes()));
        Ok(if written == ExitCode::SUCCESS { status } else { written })
    }
}
