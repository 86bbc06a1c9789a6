//! What every transport has to do with buckets.

use super::*;

async fn bucket(any: &Any, name: &str) {
    any.ensure_bucket(bucket_config(name)).await.unwrap();
}

fn bucket_config(name: &str) -> BucketConfig {
    let (max_age, max_bytes) = (Duration::ZERO, 0);
    BucketConfig { name: name.to_owned(), history: 3, max_value_bytes: 1_000, max_age, max_bytes }
}

fn value(text: &str) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(text.as_bytes()))
}

pub(crate) async fn a_bucket_changes_by_revision(any: Any) {
    bucket(&any, "bucket-r").await;
    let put = |value: Option<Bytes>, expected| any.bucket_put("bucket-r", "k", value, expected, SOON);
    assert_eq!(any.bucket_get("bucket-r", "k").await.unwrap(), None);
    let first = put(value("1"), Expected::Absent).await.unwrap();
    assert_eq!(put(value("x"), Expected::Absent).await.unwrap_err(), TransportError::WrongRevision);
    let second = put(value("2"), Expected::Revision(first)).await.unwrap();
    assert!(second > first);
    assert_eq!(put(value("x"), Expected::Revision(first)).await.unwrap_err(), TransportError::WrongRevision);
    let entry = any.bucket_get("bucket-r", "k").await.unwrap().unwrap();
    assert_eq!((entry.value, entry.revision), (value("2"), second));
    put(None, Expected::Revision(second)).await.unwrap();
    assert_eq!(any.bucket_get("bucket-r", "k").await.unwrap().and_then(|entry| entry.value), None);
    put(value("3"), Expected::Absent).await.unwrap();
    put(value("4"), Expected::Any).await.unwrap();
    let history = any.bucket_history("bucket-r", "k").await.unwrap();
    let values: Vec<_> = history.into_iter().map(|entry| entry.value).collect();
    assert_eq!(values, [None, value("3"), value("4")]);
    let large = put(value(&"x".repeat(1_001)), Expected::Any).await.unwrap_err();
    assert!(matches!(large, TransportError::Refused(_)), "{large}");
}

pub(crate) async fn a_watch_shows_what_is_there_and_every_change(any: Any) {
    bucket(&any, "bucket-w").await;
    for (key, text) in [("a", "1"), ("b", "2"), ("a", "3")] {
        any.bucket_put("bucket-w", key, value(text), Expected::Any, SOON).await.unwrap();
    }
    let mut all = any.bucket_watch("bucket-w", None).await.unwrap();
    let mut only_a = any.bucket_watch("bucket-w", Some("a")).await.unwrap();
    any.bucket_put("bucket-w", "b", None, Expected::Any, SOON).await.unwrap();
    any.bucket_put("bucket-w", "a", value("4"), Expected::Any, SOON).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let next = tokio::time::timeout(SOON, all.next()).await.unwrap().unwrap();
        let RawEntry { key, value, .. } = next.unwrap();
        seen.push((key.to_string(), value));
    }
    let expected = [("b", value("2")), ("a", value("3")), ("b", None), ("a", value("4"))];
    assert_eq!(seen, expected.map(|(key, value)| (key.to_owned(), value)));
    for text in ["3", "4"] {
        let next = tokio::time::timeout(SOON, only_a.next()).await.unwrap().unwrap();
        assert_eq!(next.unwrap().value, value(text));
    }
    assert!(tokio::time::timeout(NEVER, only_a.next()).await.is_err());
}

pub(crate) async fn an_entry_is_forgotten_without_a_trace(any: Any) {
    bucket(&any, "bucket-f").await;
    let put = |text, expected| any.bucket_put("bucket-f", "k", value(text), expected, SOON);
    let first = put("1", Expected::Absent).await.unwrap();
    let second = put("2", Expected::Revision(first)).await.unwrap();
    // What is gone, and what has another revision, is not an error.
    for revision in [first, first, second] {
        any.bucket_forget("bucket-f", "k", revision).await.unwrap();
    }
    assert_eq!(any.bucket_get("bucket-f", "k").await.unwrap(), None);
    assert_eq!(any.bucket_history("bucket-f", "k").await.unwrap(), []);
    assert!(put("3", Expected::Absent).await.unwrap() > second);
}

pub(crate) async fn a_bucket_says_when_it_stored_and_forgets_after_its_age(any: Any) {
    let config = |max_age| BucketConfig {
        name: "bucket-a".to_owned(),
        history: 1,
        max_value_bytes: 1_000,
        max_age: Duration::from_secs(max_age),
        max_bytes: 0,
    };
    any.ensure_bucket(config(1)).await.unwrap();
    // An age is raised, and never lowered.
    any.ensure_bucket(config(2)).await.unwrap();
    any.ensure_bucket(config(1)).await.unwrap();
    let put = |key: &'static str, expected| any.bucket_put("bucket-a", key, value("1"), expected, SOON);
    let before = put("k", Expected::Absent).await.unwrap();
    let stored = any.bucket_get("bucket-a", "k").await.unwrap().unwrap().stored_at;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    put("later", Expected::Absent).await.unwrap();
    let later = any.bucket_get("bucket-a", "later").await.unwrap().unwrap().stored_at;
    let apart = later.duration_since(stored).unwrap();
    assert!((Duration::from_millis(1_100)..Duration::from_secs(60)).contains(&apart), "{apart:?}");
    assert!(any.bucket_get("bucket-a", "k").await.unwrap().is_some(), "kept for two seconds");
    let gone = async {
        while any.bucket_get("bucket-a", "k").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
    assert_eq!(put("k", Expected::Revision(before)).await.unwrap_err(), TransportError::WrongRevision);
    put("k", Expected::Absent).await.unwrap();
}
