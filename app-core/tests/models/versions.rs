//! What is remembered of a snapshot: never older than what somebody has seen or was told.

use std::sync::Arc;

use loom::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use crate::{check, source::shard::Shard};

fn number(shard: &Shard<u32>) -> u32 {
    shard.load().as_deref().copied().unwrap_or(0)
}

#[test]
fn what_is_remembered_is_not_older_than_what_anyone_has_seen() {
    check(|| {
        let (shard, seen) = (Arc::new(Shard::new()), Arc::new(AtomicU32::new(0)));
        let writer = thread::spawn({
            let shard = Arc::clone(&shard);
            move || shard.publish(Some(Arc::new(1)))
        });
        let sees = thread::spawn({
            let (shard, seen) = (Arc::clone(&shard), Arc::clone(&seen));
            move || seen.store(number(&shard), Ordering::Release)
        });
        let mut remembered = shard.remember(|| number(&shard));
        let told = seen.load(Ordering::Acquire);
        if !remembered.holds(&shard) {
            remembered = shard.remember(|| number(&shard));
        }
        assert!(remembered.what >= told, "{} after {told}", remembered.what);
        writer.join().unwrap();
        sees.join().unwrap();
        if !remembered.holds(&shard) {
            remembered = shard.remember(|| number(&shard));
        }
        assert_eq!(remembered.what, 1);
    });
}
