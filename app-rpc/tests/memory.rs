//! The memory that hostile clients can make a server use. A program of its own, because it counts the whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "rpc/pki.rs"]
#[allow(dead_code, reason = "shared with another program of tests")]
mod pki;
#[path = "rpc/raw.rs"]
#[allow(dead_code, reason = "shared with another program of tests")]
mod raw;
#[path = "rpc/stand.rs"]
#[allow(dead_code, reason = "shared with another program of tests")]
mod stand;

use app_rpc::End;
use capnp_rpc::rpc_capnp::message;
use peak_alloc::PeakAlloc;
use tokio::io::AsyncWriteExt;

use crate::raw::connected;
use crate::stand::{Stand, ask, eventually};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const MIB: usize = 1024 * 1024;

/// The most memory in use while something happens, beyond the memory before, in bytes.
async fn taken<T>(happens: impl Future<Output = T>) -> (T, usize) {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let result = happens.await;
    (result, ALLOCATED.peak_usage().saturating_sub(before))
}

/// The parts run one after another, so that each counts only its own memory.
#[tokio::test]
async fn hostile_clients_take_little_and_the_others_are_served() {
    let stand = Stand::new().await;
    let client = stand.client();
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));

    // One header claims 64 MiB. Another claims the limit, and its body never comes.
    let mut open = vec![connected(stand.address()).await, connected(stand.address()).await];
    let ((), bytes) = taken(async {
        open[0].write_all(&[0, 0, 0, 0, 0, 0, 0x80, 0]).await.unwrap();
        open[1].write_all(&[0, 0, 0, 0, 0, 0, 2, 0]).await.unwrap();
        eventually("refused", || stand.counts().ended(End::TooLarge) == 1).await;
    })
    .await;
    assert!(bytes < MIB, "{bytes} bytes for a claim");

    // A million bootstraps with answers that are never read.
    let mut request = capnp::message::Builder::new_default();
    request.init_root::<message::Builder<'_>>().init_bootstrap().set_question_id(0);
    let mut flood = connected(stand.address()).await;
    let (sent, bytes) = taken(async {
        for question in 0..1_000_000_u32 {
            let root = request.get_root::<message::Builder<'_>>().unwrap();
            let message::Bootstrap(Ok(mut bootstrap)) = root.which().unwrap() else { panic!("no bootstrap") };
            bootstrap.set_question_id(question);
            let bytes = capnp::serialize::write_message_to_words(&request);
            if flood.write_all(&bytes).await.is_err() {
                return question;
            }
            if question % 1000 == 0 {
                assert_eq!(client.call(|quota| ask(quota, "echo", 2)).await, Ok(2));
            }
        }
        1_000_000
    })
    .await;
    assert!(bytes < 32 * MIB, "{bytes} bytes for unread bootstraps");
    assert!(sent < 1_000_000, "the connection was dropped");
    eventually("dropped", || stand.counts().ended(End::TooManyCalls) == 1).await;
    assert_eq!(client.call(|quota| ask(quota, "echo", 3)).await, Ok(3));
    drop((open, flood));

    // capnp-rpc does not clean up after panics. This is their memory the first time.
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = files();
    // Printing the panics and their stacks would take most of the memory.
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let ((), bytes) = taken(async {
        for _ in 0..50 {
            client.call(|quota| ask(quota, "panic", 1)).await.unwrap_err();
        }
    })
    .await;
    std::panic::set_hook(print);
    assert!(bytes < 8 * MIB, "{bytes} bytes for 50 panics");
    eventually("their sockets are closed", || files() < before + 10).await;
    stand.app.stop().await.expect_clean();
}
