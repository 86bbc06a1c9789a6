//! The decoder with any bytes in any pieces: it agrees with a parser that has all bytes, and its memory depends on received bytes.
#![no_main]

use app_rpc_fuzz::pieces;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, [u8; 4])| {
    let (bytes, sizes) = input;
    pieces::check(&bytes, &sizes);
});
