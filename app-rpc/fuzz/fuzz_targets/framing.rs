//! The framing meter over any bytes in any pieces: it is the parser that has them all before it, and takes no more memory than came.
#![no_main]

use app_rpc_fuzz::pieces;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, [u8; 4])| {
    let (bytes, sizes) = input;
    pieces::check(&bytes, &sizes);
});
