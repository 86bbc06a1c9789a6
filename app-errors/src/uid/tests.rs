//! Unique ids do not repeat.

use std::collections::HashSet;
use std::thread;

use super::*;

#[test]
fn no_two_errors_of_a_process_share_a_unique_id() {
    let threads: Vec<_> =
        (0..4).map(|_| thread::spawn(|| (0..10_000).map(|_| ErrorUid::next()).collect::<Vec<_>>())).collect();
    let uids: HashSet<ErrorUid> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(uids.len(), 40_000);
}

#[test]
fn a_unique_id_prints_as_hexadecimal_everywhere() {
    let uid = ErrorUid(0xAB);
    assert_eq!((uid.as_u64(), uid.hex().as_str(), uid.to_string().as_str()), (0xab, "ab", "ab"));
    assert_eq!(format!("{uid:?}"), "ErrorUid(0xab)");
    assert_eq!(serde_json::to_string(&uid).unwrap(), "\"ab\"");
}
