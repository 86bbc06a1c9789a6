//! Stacks as text: one line for each frame, with name, file and line.

use std::fmt::Write as _;

use app_errors::{FramesAt, frames_at};

use super::ANSWER_DEADLINE;
use super::capture::{Answer, SIGNAL};
use super::slot::MAX_FRAMES;
use super::threads::Thread;

/// Looks up the addresses of these answers.
pub(super) fn names<'a>(answers: impl Iterator<Item = &'a Answer>) -> FramesAt {
    let stacks =
        answers.filter_map(|answer| if let Answer::Stack(frames) = answer { Some(frames) } else { None });
    frames_at(&stacks.flat_map(|frames| inside(frames)).collect::<Vec<_>>())
}

/// An empty line, and then a thread with its stack or the reason why there is none.
pub(super) fn thread(thread: &Thread, answer: &Answer, names: &FramesAt) -> String {
    // The name of a thread may have any bytes, such as a line break.
    let mut text = format!("\nthread {} \"{}\"\n", thread.tid, thread.name.escape_debug());
    let deadline = crate::show_duration(ANSWER_DEADLINE);
    match answer {
        Answer::Stack(frames) => stack(&mut text, frames, names),
        Answer::Silent => note(&mut text, format_args!("no answer within {deadline}: {}", why(thread))),
        Answer::Unfinished => {
            note(&mut text, format_args!("no answer within {deadline}: still walking its stack"));
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

/// The path of a file. For files of the standard library, without the hash of the commit: `library/core/src/..`.
fn short(file: &str) -> &str {
    file.strip_prefix("/rustc/").and_then(|rest| rest.split_once('/')).map_or(file, |(_commit, file)| file)
}

/// The addresses to look up. All but the first are return addresses, which are behind the call instruction.
fn inside(frames: &[usize]) -> impl Iterator<Item = usize> {
    frames
        .iter()
        .enumerate()
        .map(|(index, address)| if index == 0 { *address } else { address.saturating_sub(1) })
}

fn stack(text: &mut String, frames: &[usize], names: &FramesAt) {
    for (index, address) in inside(frames).enumerate() {
        let calls = names.get(&address).map_or(&[][..], |calls| calls);
        for (inlined, call) in calls.iter().enumerate() {
            // Calls that were inlined into one frame share its number.
            let number = if inlined == 0 { format!("{index:>4}:") } else { "     ".to_owned() };
            let _ = write!(text, "{number} {}", call.function);
            if let Some((file, line)) = &call.place {
                let _ = write!(text, " at {}:{line}", short(file));
            }
            text.push('\n');
        }
    }
    if frames.is_empty() {
        note(text, format_args!("an empty stack"));
    }
    if frames.len() == MAX_FRAMES {
        note(text, format_args!("cut off at {MAX_FRAMES} frames"));
    }
}
