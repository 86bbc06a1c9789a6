//! `appctl stacks`: the stack of every thread of an app, and its running tasks.

use std::io::Read;
use std::process::ExitCode;

use app_core::Subcommand;
use app_core::clap::{ArgMatches, Command};
use flate2::read::ZlibDecoder;
use schema::admin_capnp::app;
use serde::Serialize;

use crate::connect::Effect;
use crate::failure::Failure;
use crate::operation;
use crate::output::many_lines;

/// Largest dump in bytes. Shown, each byte may become six, and a compressed byte may become a thousand.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

const HELP: &str = "\
Examples:
  appctl stacks
  appctl stacks | grep -A12 '^thread'
  appctl stacks --json | jq -r .text > stacks.txt";

app_core::subcommand! { Subcommand::new(command, run) }

#[derive(Debug, Serialize)]
struct Stacks {
    text: String,
}

fn command() -> Command {
    operation::command(
        "stacks",
        "Prints the stack of every thread of a running app, and its running tasks",
        HELP,
    )
}

fn run(matches: &ArgMatches) -> ExitCode {
    operation::ask(matches, async |operation, session| {
        let packed = session.call(Effect::Reads, ask).await?;
        let stacks = Stacks { text: unpack(&packed)? };
        operation.output.print(&stacks, |page| page.escaped(&many_lines(&stacks.text)))
    })
}

pub(super) async fn ask(app: app::Client) -> capnp::Result<Vec<u8>> {
    let runtime = app.runtime_request().send().pipeline.get_runtime();
    let answer = runtime.stack_dump_request().send().promise.await?;
    Ok(answer.get()?.get_stack_dump()?.to_vec())
}

pub(super) fn unpack(packed: &[u8]) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let unpacked = ZlibDecoder::new(packed).take(MOST_BYTES + 1).read_to_end(&mut bytes);
    unpacked.map_err(|error| Failure::failed(format!("the stack dump cannot be unpacked: {error}")))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Failure::failed(format!("the stack dump has more than {MOST_BYTES} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
