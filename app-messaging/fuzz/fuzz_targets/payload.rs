//! Payloads of strangers: one that is accepted is within its limits, and each part of it can be read.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| app_messaging_fuzz::payload(input));
