//! Stacks as text: one line a frame, with names, files and lines.

use std::ffi::c_void;
use std::fmt::Write as _;

use super::ANSWER_DEADLINE;
use super::capture::{Answer, SIGNAL};
use super::slot::MAX_FRAMES;
use super::threads::Thread;

/// A thread with its stack or the reason why there is none, with an empty line before it.
pub(super) fn thread(thread: &Thread, answer: &Answer) -> String {
    // Names of threads are anybody's bytes: escaped, they can't pretend to be another line.
    let mut text = format!("\nthread {} \"{}\"\n", thread.tid, thread.name.escape_debug());
    let deadline = ANSWER_DEADLINE.as_millis();
    match answer {
        Answer::Stack(frames) => stack(&mut text, frames),
        Answer::Silent => note(&mut text, format_args!("no answer within {deadline} ms: {}", why(thread))),
        Answer::Unfinished => {
            note(&mut text, format_args!("no answer within {deadline} ms: still walking its stack"));
        }
        Answer::Failed(error) => note(&mut text, format_args!("not asked: {error}")),
        Answer::NotAsked => note(&mut text, format_args!("not asked: the dump took too long")),
        Answer::Ended => note(&mut text, format_args!("has ended")),
    }
    text
}

fn note(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "      ({what})");
}

fn why(thread: &Thread) -> String {
    let blocked = if thread.blocks(SIGNAL) { ", the signal is blocked" } else { "" };
    format!("{}{blocked}", thread.state.escape_debug())
}

/// The standard library's files without the hash of the compiler's commit: `library/core/src/..`.
fn short(file: &str) -> &str {
    file.strip_prefix("/rustc/").and_then(|rest| rest.split_once('/')).map_or(file, |(_commit, file)| file)
}

fn stack(text: &mut String, frames: &[usize]) {
    for (index, &address) in frames.iter().enumerate() {
        // `resolve` expects return addresses and looks one byte before them. The first frame was
        // interrupted and not called from: its address is the one to look at.
        let returns_to = if index == 0 { address.wrapping_add(1) } else { address };
        let mut named = false;
        backtrace::resolve(returns_to as *mut c_void, |symbol| {
            // Functions inlined into one frame share its number.
            let number = if named { "     ".to_owned() } else { format!("{index:>4}:") };
            named = true;
            let _ = match symbol.name() {
                Some(name) => write!(text, "{number} {name:#}"),
                None => write!(text, "{number} {address:#x}"),
            };
            if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
                let _ = write!(text, " at {}:{line}", short(&file.to_string_lossy()));
            }
            text.push('\n');
        });
        if !named {
            let _ = writeln!(text, "{index:>4}: {address:#x}");
        }
    }
    if frames.is_empty() {
        note(text, format_args!("an empty stack"));
    }
    if frames.len() == MAX_FRAMES {
        note(text, format_args!("cut off at {MAX_FRAMES} frames"));
    }
}
