//! Headers and subjects of strangers: they are read without a panic, what is understood reads back, and what is kept is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| app_messaging_fuzz::headers(input));
