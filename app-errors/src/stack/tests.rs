//! The frames that a stack shows, and those that it leaves out.

use app_ids::ServiceId;

use super::*;
use crate::errors::{BUG, SERVICE_SHUTDOWN_FAILED};
use crate::{Error, ServiceErrSpec, new_bug, service_shutdown_error};

const SERVICE: ServiceId = ServiceId::new(0x5e);

#[inline(never)]
fn raise() -> Error {
    BUG.error(SERVICE).build()
}

#[inline(never)]
fn deep(levels: usize) -> Error {
    let error = if levels == 0 { raise() } else { deep(levels - 1) };
    // Prevents a tail call, which would leave no frame.
    std::hint::black_box(error)
}

#[test]
fn a_stack_begins_where_the_error_was_raised_and_has_files_and_lines() {
    let frames = raise().stack().unwrap().frames();
    assert!(frames[0].function.ends_with("raise"), "{frames:#?}");
    let (file, line) = frames[0].place.clone().unwrap();
    assert!(file.ends_with("app-errors/src/stack/tests.rs"), "{file}");
    assert_eq!(line, raise().location().line());
    assert!(frames[1].function.contains("a_stack_begins_where"), "{frames:#?}");
}

#[test]
fn a_stack_leaves_out_the_capture_for_each_way_to_raise_an_error() {
    let raised = [
        BUG.error(SERVICE).message("m").build(),
        ServiceErrSpec::new(SERVICE_SHUTDOWN_FAILED, SERVICE).error().build(),
        service_shutdown_error(SERVICE, "cause"),
        new_bug(None, "m", SERVICE, None, &[]),
    ];
    for error in raised {
        let frames = error.stack().unwrap().frames();
        assert!(frames[0].function.contains("a_stack_leaves_out_the_capture"), "{frames:#?}");
    }
}

#[test]
#[rustfmt::skip]
fn a_stack_begins_at_the_raising_call_of_several_lines() {
    let error = BUG
        .error(SERVICE)
        .message("m")
        .build();
    let frames = error.stack().unwrap().frames();
    assert!(frames[0].function.contains("a_stack_begins_at_the_raising_call"), "{frames:#?}");
    assert_eq!(frames[0].place.as_ref().map(|place| place.1), Some(error.location().line()), "{frames:#?}");
}

#[test]
fn a_stack_leaves_out_the_threads_start() {
    let error = std::thread::spawn(raise).join().unwrap();
    let printed = error.stack().unwrap().to_string();
    assert!(!printed.contains("__rust_begin_short_backtrace"), "{printed}");
    assert!(!printed.contains("clone3") && !printed.contains("start_thread"), "{printed}");
}

#[inline(never)]
fn raise_of_a_thread() -> Error {
    BUG.error(SERVICE).build()
}

#[test]
fn a_walk_ends_where_a_printed_stack_ended_and_prints_the_same() {
    let start = || std::thread::spawn(raise_of_a_thread).join().unwrap();
    let (first, functions) = (start(), |error: &Error| -> Vec<String> {
        error.stack().unwrap().frames().into_iter().map(|frame| frame.function).collect()
    });
    let printed = functions(&first);
    let second = start();
    let (long, short) = (first.stack().unwrap().addresses(), second.stack().unwrap().addresses());
    assert!(long.len() > short.len() && long.starts_with(short), "{long:x?} {short:x?}");
    assert_eq!(functions(&second), printed);
}

#[test]
fn a_stack_ends_with_the_outermost_call() {
    let mut raised = None;
    outermost(&mut || raised = Some(deep(3)));
    let stack = raised.as_ref().and_then(Error::stack).unwrap();
    let frames = stack.frames();
    let last = frames.last().unwrap();
    assert!(last.function.contains("a_stack_ends_with_the_outermost_call"), "{frames:#?}");
    assert_eq!(frames.iter().filter(|frame| frame.function.ends_with("deep")).count(), 4, "{frames:#?}");
    // The walk ended there, too: the last address is that of `outermost`, not of its caller.
    let outermost = stack.addresses().last().unwrap() - 1;
    assert!(frames_at(&[outermost])[&outermost].iter().any(|frame| is_outermost(&frame.function)));
}

#[test]
fn of_a_deep_stack_64_addresses_are_kept() {
    let error = deep(1_000);
    let stack = error.stack().unwrap();
    assert_eq!(stack.addresses().len(), 64);
    assert!(stack.frames().last().unwrap().function.ends_with("deep"));
}

#[test]
fn a_printed_stack_has_one_line_for_each_frame() {
    let error = deep(3);
    let stack = error.stack().unwrap();
    let printed = stack.to_string();
    assert_eq!(printed.lines().count(), stack.frames().len());
    let first = printed.lines().next().unwrap();
    assert!(first.starts_with("   0: ") && first.contains("raise (") && first.ends_with(')'), "{first}");
}

fn stack_of(addresses: &[usize]) -> Stack {
    Stack { addresses: addresses.into(), raised_at: Location::caller() }
}

#[test]
fn the_debug_form_is_the_addresses() {
    let stack = stack_of(&[0x1f, 0x2e]);
    assert_eq!(format!("{stack:?}"), "Stack([1f, 2e])");
}

#[test]
fn an_address_without_a_name_prints_as_the_address() {
    let stack = stack_of(&[0x10]);
    assert_eq!(stack.to_string(), "   0: 0xf", "the address inside the call that returns to 0x10");
}

#[test]
fn a_frame_prints_on_one_line() {
    let frame = Frame { function: "f\n".to_owned(), place: Some(("a\u{1b}.rs".to_owned(), 7)) };
    assert_eq!(frame.to_string(), r"f\n (a\u{1b}.rs:7)");
    assert_eq!(Frame { place: None, ..frame }.to_string(), r"f\n");
}

/// Frames of a binary without line tables.
fn named(functions: &[&str]) -> Vec<Frame> {
    functions.iter().map(|function| Frame { function: (*function).to_owned(), place: None }).collect()
}

#[test]
fn without_line_tables_the_frames_of_the_capture_are_left_out_by_name() {
    let stack = stack_of(&[]);
    let frames = named(&[
        "trace",
        "backtrace::trace",
        "<app_errors::stack::Stack>::capture",
        "app_errors::error::spec::ErrSpec::error",
        "quota::start",
    ]);
    assert_eq!(stack.start(&frames), 4);
    assert_eq!(stack.start(&named(&["0x10", "0x20"])), 0);
    assert_eq!(stack.start(&[]), 0);
}

#[test]
fn own_frames_are_found_in_both_manglings() {
    assert!(is_own("app_errors::error::builder::<impl app_errors::error::spec::ErrSpec>::error"));
    assert!(is_own("<app_errors::error::spec::ErrSpec>::error"));
    assert!(is_own("backtrace::backtrace::libunwind::trace"));
    assert!(!is_own("quota::start"));
    assert!(is_own("app_errors::constructors::config_error"));
    assert!(!is_own("my_app_errors::constructors::raise"));
}
