//! A whole server connection with a client that sends anything: it stays or ends, within its limits, and leaves nothing behind.
#![no_main]

use app_rpc_fuzz::{conversation, memory};
use libfuzzer_sys::fuzz_target;

/// The most memory of one connection here. Its limits are far below those of a server.
const CONNECTION_BYTES: usize = 4 << 20;

fuzz_target!(|input: &[u8]| {
    memory::within(CONNECTION_BYTES, || conversation::with(input));
});
