//! Answers of strangers to `$SRV.INFO`: what is read of them is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| app_messaging_fuzz::instance(input));
