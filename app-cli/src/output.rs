//! What commands print: text for people, JSON for programs.
//!
//! What comes from an app is text of strangers: names, reasons, messages. No control character of it reaches a terminal, in either
//! form.

mod json;
mod page;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod time;

use std::env;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::process::ExitCode;

use app_core::clap::ArgMatches;
use app_core::write_output;
use serde::Serialize;

use crate::failure::{Outcome, Status};

pub(crate) use self::json::{Hex, Moment, json_line, seconds};
pub(crate) use self::page::Page;
pub(crate) use self::table::{Paint, Table};
pub(crate) use self::text::{many_lines, one_line, replaced};
pub(crate) use self::time::{ago, human};

/// Where output goes, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) json: bool,
    /// Whether colours are wanted: a terminal, and nobody asked for none.
    pub(crate) colour: bool,
    /// Which instance it is about, where there are several.
    pub(crate) instance: Option<SocketAddr>,
}

/// An object, with the address of the instance that it is about, where there are several.
#[derive(Serialize)]
struct OfInstance<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<SocketAddr>,
    #[serde(flatten)]
    object: &'a T,
}

impl Output {
    /// As the command line and the environment want it.
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

    /// The same, of an answer that is no if `well` is not.
    pub(crate) fn print_verdict<T: Serialize>(
        self,
        well: bool,
        object: &T,
        page: impl FnOnce(&mut Page),
    ) -> Outcome {
        let status = if well { ExitCode::SUCCESS } else { Status::Unwell.into() };
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
