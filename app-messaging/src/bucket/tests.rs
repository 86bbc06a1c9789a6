//! Buckets, typed, on the transport in this process.

use app_core::testing::TestApp;
use quota_schema::quota_capnp::quota_rule;

use super::*;
use crate::{MESSAGING_SERVICE_ID, Messaging};

const SHOP: ServiceId = ServiceId::new(0x51ab_0c3e_94d7_2f68);
const RULES: BucketSpec = BucketSpec::new(BucketId::new(0xb701_6294_fa3d_85ce), SHOP, "rules").history(3);

async fn opened() -> (TestApp, Bucket<quota_rule::Owned>) {
    let app = TestApp::with([MESSAGING_SERVICE_ID]).await;
    let bucket = app.get::<Messaging>().bucket(RULES).await.unwrap();
    (app, bucket)
}

fn keys(entry: &Entry<quota_rule::Owned>) -> Option<u32> {
    entry.read(|rule| Ok(rule.get_max_keys())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_value_changes_by_its_revision() {
    let (_app, bucket) = opened().await;
    assert!(bucket.get("ä key / with *").await.unwrap().is_none());
    let first = bucket.create("ä key / with *", |rule| rule.set_max_keys(1)).await.unwrap();
    let taken = bucket.create("ä key / with *", |rule| rule.set_max_keys(9)).await.unwrap_err();
    assert_eq!(taken.failure(), BucketFailure::WrongRevision);
    let second = bucket.update("ä key / with *", first, |rule| rule.set_max_keys(2)).await.unwrap();
    let stale = bucket.update("ä key / with *", first, |rule| rule.set_max_keys(9)).await.unwrap_err();
    assert_eq!(stale.failure(), BucketFailure::WrongRevision);
    let entry = bucket.get("ä key / with *").await.unwrap().unwrap();
    assert_eq!((entry.key(), entry.revision(), keys(&entry)), ("ä key / with *", second, Some(2)));
    assert_eq!(
        bucket.delete_revision("ä key / with *", first).await.unwrap_err().failure(),
        BucketFailure::WrongRevision
    );
    bucket.delete("ä key / with *").await.unwrap();
    assert!(bucket.get("ä key / with *").await.unwrap().is_none());
    bucket.put("ä key / with *", |rule| rule.set_max_keys(3)).await.unwrap();
    let history = bucket.history("ä key / with *").await.unwrap();
    assert_eq!(history.iter().map(keys).collect::<Vec<_>>(), [Some(2), None, Some(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_key_has_a_length() {
    let (_app, bucket) = opened().await;
    for bad in ["", &"x".repeat(257)] {
        let refused = bucket.put(bad, |_| ()).await.unwrap_err();
        assert_eq!(refused.failure(), BucketFailure::Refused);
        assert!(refused.to_string().starts_with("bucket rules: a key has 1 to 256 bytes"), "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_shows_what_is_there_and_then_each_change() {
    let (_app, bucket) = opened().await;
    bucket.put("a", |rule| rule.set_max_keys(1)).await.unwrap();
    let (mut all, mut b) = (bucket.watch().await.unwrap(), bucket.watch_key("b").await.unwrap());
    bucket.put("b", |rule| rule.set_max_keys(2)).await.unwrap();
    bucket.delete("a").await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let entry = all.next().await.unwrap();
        seen.push((entry.key().to_owned(), keys(&entry), entry.is_deleted()));
    }
    let a = |value: Option<u32>| ("a".to_owned(), value, value.is_none());
    assert_eq!(seen, [a(Some(1)), ("b".to_owned(), Some(2), false), a(None)]);
    assert_eq!(b.next().await.unwrap().key(), "b");
}

#[tokio::test(start_paused = true)]
async fn without_a_server_there_is_no_bucket() {
    let app = TestApp::builder().provide(Place::NoServer).linked([MESSAGING_SERVICE_ID]).start().await;
    let refused = app.get::<Messaging>().bucket::<quota_rule::Owned>(RULES).await.unwrap_err();
    assert_eq!(refused.failure(), BucketFailure::NotSent);
}
