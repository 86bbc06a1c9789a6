//! The memory of a server with default limits for each byte that a client sends.
#![no_main]

use app_rpc_fuzz::{conversation, memory};
use libfuzzer_sys::fuzz_target;

/// A connection before the first message: two streams of 16 KiB, which grow by doubling, and the tables and tasks of both ends.
const BASE: usize = 512 << 10;

/// A call of least size has 72 bytes. It takes 4 KiB in capnp-rpc and its handler, and tables have up to twice the room that they need.
const FOR_EACH_BYTE: usize = 96;

fuzz_target!(|input: &[u8]| memory::within_each(BASE, FOR_EACH_BYTE, || conversation::at_length(input)));
