//! The memory of a stack dump, and of an error that is printed with its stack. A test program of its own, because it measures
//! the whole process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use app_core::compat::dump_all_stacks;
use app_core::prelude::*;

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches([':', ' ', '\t']).trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

const MIB: u64 = 1024 * 1024;

#[test]
fn a_dump_and_a_printed_stack_take_little_memory_and_give_it_back() {
    let (anonymous, resident) = (status("RssAnon"), status("VmRSS"));
    for _ in 0..3 {
        let mut dump = Vec::new();
        dump_all_stacks(&mut dump).unwrap();
        let dump = String::from_utf8(dump).unwrap();
        assert!(dump.contains("stack_memory.rs:"), "names and lines: {dump}");
        let error = app_errors::errors::BUG.error(ServiceId::new(1)).message("on purpose").build();
        assert!(format!("{error:?}").contains("stack_memory.rs:"));
    }
    let peak = status("VmHWM").saturating_sub(resident);
    let kept = status("RssAnon").saturating_sub(anonymous);
    assert!(peak <= 24 * MIB, "{peak} bytes more at the peak");
    assert!(kept <= 2 * MIB, "{kept} bytes more afterwards");
}
