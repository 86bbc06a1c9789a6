//! What every transport has to do with streams and what they keep.

use super::*;

pub(crate) async fn a_store_says_the_sequence_and_finds_duplicates(any: Any) {
    make(&any, stream("dedup")).await;
    let first = any.store(with_id("dedup.x", "1", "a"), SOON).await.unwrap();
    let second = any.store(with_id("dedup.x", "2", "b"), SOON).await.unwrap();
    let again = any.store(with_id("dedup.x", "1", "a"), SOON).await.unwrap();
    assert_eq!((&*first.stream, first.sequence, first.duplicate), ("dedup", 1, false));
    assert_eq!((second.sequence, second.duplicate), (2, false));
    assert_eq!((again.sequence, again.duplicate), (1, true));
    assert_eq!(any.stream_state("dedup").await.unwrap().messages, 2);
    let failed = any.store(message("no-stream.x", ""), SOON).await.unwrap_err();
    assert!(matches!(failed, TransportError::NotFound(_)), "{failed}");
}

pub(crate) async fn a_stream_keeps_within_its_limits(any: Any) {
    make(&any, StreamConfig { max_messages: 3, ..stream("limit-m") }).await;
    for _ in 0..5 {
        any.store(message("limit-m.x", "m"), SOON).await.unwrap();
    }
    let state = any.stream_state("limit-m").await.unwrap();
    assert_eq!((state.messages, state.first_sequence, state.last_sequence), (3, 3, 5));
    make(&any, StreamConfig { max_bytes: 4_000, ..stream("limit-b") }).await;
    for _ in 0..10 {
        any.store(message("limit-b.x", &"m".repeat(1_000)), SOON).await.unwrap();
    }
    let state = any.stream_state("limit-b").await.unwrap();
    assert!(state.messages < 5 && state.messages > 1 && state.bytes <= 4_000, "{state:?}");
    let age = Duration::from_secs(1);
    let short = StreamConfig { max_age: age, duplicate_window: age, ..stream("limit-a") };
    make(&any, short).await;
    any.store(message("limit-a.x", "m"), SOON).await.unwrap();
    tokio::time::sleep(age * 2).await;
    assert_eq!(any.stream_state("limit-a").await.unwrap().messages, 0);
}

pub(crate) async fn a_stream_says_what_it_is_and_takes_changes(any: Any) {
    assert!(matches!(any.stream_info("changes").await, Err(TransportError::NotFound(_))));
    make(&any, StreamConfig { max_messages: 3, ..stream("changes") }).await;
    let subjects = vec!["changes.>".to_owned(), "changes2.>".to_owned()];
    let wider = StreamConfig { max_messages: 5, subjects, release: 7, ..stream("changes") };
    any.put_stream(wider.clone(), true).await.unwrap();
    let info = any.stream_info("changes").await.unwrap();
    assert_eq!((&info.config, &info.unfit[..]), (&wider, &[][..]));
    for _ in 0..9 {
        any.store(message("changes2.x", "m"), SOON).await.unwrap();
    }
    let info = any.stream_info("changes").await.unwrap();
    assert_eq!((info.state.messages, info.state.last_sequence), (5, 9));
    let subjects = vec!["changes.>".to_owned()];
    let taken =
        any.put_stream(StreamConfig { subjects, ..stream("changes-other") }, false).await.unwrap_err();
    assert!(matches!(taken, TransportError::Refused(_)), "{taken}");
}

pub(crate) async fn a_stream_that_refuses_keeps_what_it_has(any: Any) {
    make(&any, StreamConfig { max_messages: 2, when_full: WhenFull::Refuse, ..stream("refuses") }).await;
    for _ in 0..2 {
        any.store(message("refuses.x", "m"), SOON).await.unwrap();
    }
    let refused = any.store(message("refuses.x", "m"), SOON).await.unwrap_err();
    assert!(matches!(refused, TransportError::Refused(_)), "{refused}");
    assert!(any.stream_delete("refuses", 1).await.unwrap());
    assert_eq!(any.store(message("refuses.x", "m"), SOON).await.unwrap().sequence, 3);
}

pub(crate) async fn messages_are_read_by_sequence_and_subject(any: Any) {
    make(&any, stream("read")).await;
    for (subject, payload) in [("read.a", "1"), ("read.b", "2"), ("read.a", "3")] {
        any.store(with_id(subject, payload, payload), SOON).await.unwrap();
    }
    let read = async |from, filter: Option<&str>| {
        let record = any.stream_next("read", from, filter).await.unwrap()?;
        assert_eq!(
            record.message.headers.get(header::MSG_ID).unwrap().as_bytes(),
            &record.message.payload[..]
        );
        Some((record.sequence, record.message.subject.to_string()))
    };
    assert_eq!(read(0, None).await, Some((1, "read.a".to_owned())));
    assert_eq!(read(2, None).await, Some((2, "read.b".to_owned())));
    assert_eq!(read(2, Some("read.a")).await, Some((3, "read.a".to_owned())));
    assert_eq!(read(2, Some("*.a")).await, Some((3, "read.a".to_owned())));
    assert_eq!(read(4, None).await, None);
    assert_eq!(read(1, Some("read.c")).await, None);
    assert!(any.stream_delete("read", 2).await.unwrap());
    assert!(!any.stream_delete("read", 2).await.unwrap(), "it is gone");
    assert_eq!(read(2, None).await, Some((3, "read.a".to_owned())));
    assert!(matches!(any.stream_next("read-none", 1, None).await, Err(TransportError::NotFound(_))));
}

pub(crate) async fn a_deleted_message_is_not_delivered_any_more(any: Any) {
    filled(&any, "delivered", &["1", "2", "3"], |_| ()).await;
    let first = pulled(&any, "delivered", 1, SOON).await;
    assert_eq!(texts(&first), ["1"]);
    for sequence in [1, 2] {
        assert!(any.stream_delete("delivered", sequence).await.unwrap());
    }
    assert_eq!(texts(&pulled(&any, "delivered", 3, Duration::from_millis(1_700)).await)[0], "3");
    // The acknowledgement of a message that is gone is confirmed.
    settle(&any, &first[0], Settlement::Ack).await;
}

pub(crate) async fn consumers_are_listed_with_how_far_they_are(any: Any) {
    filled(&any, "listed", &["1", "2", "3"], |config| config.ack_wait = Duration::from_secs(30)).await;
    let other = ConsumerConfig { filter: Some("listed.*".to_owned()), release: 3, ..consumer("other") };
    any.ensure_consumer("listed", other.clone()).await.unwrap();
    let two = pulled(&any, "listed", 2, SOON).await;
    settle(&any, &two[0], Settlement::Ack).await;
    let mut all = any.consumers("listed").await.unwrap();
    all.sort_by(|one, other| one.config.name.cmp(&other.config.name));
    let names: Vec<_> = all.iter().map(|one| one.config.name.as_str()).collect();
    assert_eq!(names, ["c", "other"]);
    let state = all[0].state;
    assert_eq!((state.pending, state.ack_pending, state.delivered_sequence), (1, 1, 2));
    let info = any.consumer_info("listed", "other").await.unwrap();
    assert_eq!((&info.config, &info.unfit[..]), (&other, &[][..]));
    assert!(matches!(any.consumer_info("listed", "none").await, Err(TransportError::NotFound(_))));
}

pub(crate) async fn a_message_beyond_the_limit_does_not_leave_the_process(any: Any) {
    make(&any, stream("large")).await;
    let limit = any.max_bytes();
    let large = message("large.x", &"x".repeat(limit));
    let mut with_headers = large.clone();
    with_headers.headers.append(header::MSG_ID, "a");
    let refused = any.store(with_headers.clone(), SOON).await.unwrap_err();
    assert!(
        matches!(refused, TransportError::TooLarge { bytes, limit: told } if bytes > limit && told == limit)
    );
    let refused = any.publish(with_headers).await.unwrap_err();
    assert!(matches!(refused, TransportError::TooLarge { .. }), "{refused}");
    assert_eq!(any.store(large, SOON).await.unwrap().sequence, 1, "the connection lives");
}
