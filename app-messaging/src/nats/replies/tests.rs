//! Every entry of the map has an end, and every delivery goes to a pull or back.

use async_nats::StatusCode;

use super::*;

fn message(subject: &str, status: Option<u16>) -> Message {
    Message {
        subject: subject.into(),
        reply: Some("$JS.ACK.S.c.1.1.1.1.0".into()),
        payload: bytes::Bytes::new(),
        headers: None,
        status: status.map(|code| StatusCode::from_u16(code).unwrap()),
        description: None,
        length: 0,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn sizes(replies: &Replies) -> (usize, usize, usize) {
    let waiting = replies.waiting.lock();
    (waiting.calls.len(), waiting.pulls.len(), waiting.keys.len())
}

#[tokio::test]
async fn a_call_gets_its_answer_once_and_leaves_nothing_behind() {
    let replies: Arc<Replies> = Arc::default();
    let (guard, answer) = replies.call(|_| "a".into()).unwrap();
    replies.answer(guard.token() + 1, message("other", None));
    replies.answer(guard.token(), message("first", None));
    replies.answer(guard.token(), message("second", None));
    assert_eq!(answer.await.unwrap().unwrap().subject.as_str(), "first");
    // One that nobody answers.
    let (unanswered, answer) = replies.call(|_| "a".into()).unwrap();
    drop((guard, unanswered, answer));
    assert_eq!(sizes(&replies), (0, 0, 0));
}

#[tokio::test]
async fn the_map_is_bounded_and_closed_with_its_connection() {
    let replies: Arc<Replies> = Arc::default();
    let calls: Vec<_> = (0..MAX_WAITING).map(|_| replies.call(|_| "a".into()).unwrap()).collect();
    let full = replies.call(|_| "a".into()).err().unwrap();
    assert!(matches!(&full, TransportError::Refused(why) if why.contains("65536 calls wait")), "{full}");
    assert!(replies.pull("S.c", 1, soon()).is_err());
    replies.close();
    let (_, answer) = calls.into_iter().next().unwrap();
    assert!(answer.await.is_err());
    assert_eq!(replies.call(|_| "a".into()).err(), Some(TransportError::NotConnected));
}

#[tokio::test]
async fn deliveries_go_to_the_first_pull_with_room_and_then_back() {
    let replies: Arc<Replies> = Arc::default();
    let (_one, mut first) = replies.pull("S.c", 1, soon()).unwrap();
    let (_other, mut second) = replies.pull("S.c", 2, soon()).unwrap();
    for _ in 0..3 {
        assert!(matches!(replies.deliver("S.c", message("m", None)), Routed::Done));
    }
    assert!(matches!(replies.deliver("S.c", message("m", None)), Routed::Late(_)));
    assert!(matches!(replies.deliver("S.other", message("m", None)), Routed::Done), "nobody asked for it");
    assert!(first.try_recv().is_ok() && first.try_recv().is_err());
    assert!(second.try_recv().is_ok() && second.try_recv().is_ok() && second.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_a_pull_ended_is_handed_back_until_the_server_knows() {
    let replies: Arc<Replies> = Arc::default();
    let (guard, messages) = replies.pull("S.c", 3, soon()).unwrap();
    drop((guard, messages));
    assert_eq!(replies.late().0, 1);
    assert!(matches!(replies.deliver("S.c", message("m", None)), Routed::Late(_)));
    // A later pull gets what the server still sends for the first one.
    let (_next, mut messages) = replies.pull("S.c", 1, soon()).unwrap();
    assert!(matches!(replies.deliver("S.c", message("m", None)), Routed::Done));
    assert!(messages.try_recv().is_ok());
    assert!(matches!(replies.deliver("S.c", message("m", None)), Routed::Late(_)));
    assert!(matches!(replies.deliver("S.c", message("m", None)), Routed::Late(_)));
    assert_eq!(replies.late().0, 0, "all three came");
    // One whose time is over at the server too.
    let (guard, messages) = replies.pull("S.d", 3, soon()).unwrap();
    drop((guard, messages));
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(replies.late().0, 1, "a delivery may be on its way");
    assert!(matches!(replies.deliver("S.d", message("m", None)), Routed::Late(_)));
    tokio::time::advance(ON_THE_WAY).await;
    assert_eq!(replies.late().0, 0);
    assert!(matches!(replies.deliver("S.d", message("m", None)), Routed::Done), "nobody knows how old it is");
}

#[tokio::test]
async fn a_status_ends_what_is_left_of_a_pull() {
    let replies: Arc<Replies> = Arc::default();
    let (guard, mut messages) = replies.pull("S.c", 3, soon()).unwrap();
    let token = guard.token();
    replies.answer(token, message("inbox", Some(100)));
    assert!(messages.try_recv().is_ok());
    drop(guard);
    replies.answer(token, message("inbox", Some(100)));
    assert_eq!(replies.late().0, 1, "a sign of life ends nothing");
    replies.answer(token, message("inbox", Some(408)));
    assert_eq!((replies.late().0, sizes(&replies)), (0, (0, 0, 0)));
    let (mut guard, _messages) = replies.pull("S.c", 3, soon()).unwrap();
    guard.is_over();
    drop(guard);
    assert_eq!(sizes(&replies), (0, 0, 0));
}
