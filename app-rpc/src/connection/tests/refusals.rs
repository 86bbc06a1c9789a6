//! Calls beyond the limits, and their answers.

use super::*;

fn is_not_executed(error: &capnp::Error, why: &str) -> bool {
    error.extra == format!("remote exception: {NOT_EXECUTED}{why}")
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_limit_are_refused_and_the_others_go_on() {
    let test = async {
        let pair = pair(Limits { calls: 10, ..Limits::default() });
        request(&pair.quota, "echo", 1).await.unwrap();
        // The bootstrap is one question.
        let waiting: Vec<_> =
            (0..9).map(|permits| spawn_local(request(&pair.quota, "wait", permits))).collect();
        settle().await;
        assert_eq!(pair.server.state.waiting.get(), 9);
        for _ in 0..30 {
            let refused = request(&pair.quota, "echo", 1).await.unwrap_err();
            assert!(
                is_not_executed(&refused, "too many calls of this connection are in flight"),
                "{refused}"
            );
            assert_eq!(refused.kind, capnp::ErrorKind::Overloaded);
        }
        assert_eq!(pair.server.control.refusals(), 30);
        pair.server.state.go_on.notify_waiters();
        for (permits, call) in (0..).zip(waiting) {
            assert_eq!(call.await.unwrap().unwrap(), permits);
        }
        assert_eq!(request(&pair.quota, "echo", 2).await.unwrap(), 2);
        assert!(!pair.server.has_ended());
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_large_together_are_refused() {
    let test = async {
        let pair = pair(Limits { held_bytes: 64 * 1024, ..Limits::default() });
        request(&pair.quota, "echo", 1).await.unwrap();
        let large = |rule: &str| {
            let mut request = pair.quota.acquire_request();
            request.get().set_rule(rule);
            request.get().set_key("x".repeat(40 * 1024));
            request.send().promise
        };
        let first = spawn_local(large("wait"));
        settle().await;
        let refused = large("echo").await.err().unwrap();
        let why = "the calls of this connection that are in flight are too large together";
        assert!(is_not_executed(&refused, why), "{refused}");
        assert_eq!(request(&pair.quota, "echo", 3).await.unwrap(), 3);
        pair.server.state.go_on.notify_waiters();
        first.await.unwrap().unwrap();
        settle().await;
        large("echo").await.unwrap();
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn what_rests_on_a_refused_call_is_refused_too() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits { calls: 1, ..Limits::default() });
        for question in 0..2 {
            peer.send(|message| message.init_bootstrap().set_question_id(question)).await.unwrap();
        }
        // A call on the refused question.
        peer.send(|message| {
            let mut call = message.init_call();
            call.set_question_id(2);
            call.reborrow().init_target().init_promised_answer().set_question_id(1);
        })
        .await
        .unwrap();
        assert_eq!(answer(&peer.next().await.unwrap()), Some((0, None)));
        let (question, reason) = answer(&peer.next().await.unwrap()).unwrap();
        assert_eq!(question, 1);
        assert!(reason.unwrap().starts_with(NOT_EXECUTED));
        // The client may have one refusal that it has not finished.
        assert!(peer.last_words().await.unwrap().contains("too many calls of this connection were refused"));
        assert_eq!(server.control.end(), Some(End::TooManyCalls));
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn refused_questions_may_be_asked_again_once_they_are_done_with() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits { calls: 1, ..Limits::default() });
        peer.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
        peer.next().await.unwrap();
        for _ in 0..100 {
            peer.send(|message| message.init_bootstrap().set_question_id(7)).await.unwrap();
            assert_eq!(answer(&peer.next().await.unwrap()).unwrap().0, 7);
            peer.send(|message| message.init_finish().set_question_id(7)).await.unwrap();
        }
        peer.send(|message| message.init_finish().set_question_id(0)).await.unwrap();
        peer.send(|message| message.init_bootstrap().set_question_id(8)).await.unwrap();
        assert_eq!(answer(&peer.next().await.unwrap()), Some((8, None)));
        assert_eq!(server.control.refusals(), 100);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn capabilities_of_a_refused_call_are_released() {
    let test = async {
        let (_server, mut peer) = Peer::of(Limits { calls: 1, ..Limits::default() });
        peer.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
        peer.next().await.unwrap();
        peer.send(|message| {
            let mut call = message.init_call();
            call.set_question_id(1);
            let mut table = call.init_params().init_cap_table(2);
            table.reborrow().get(0).set_sender_hosted(41);
            table.reborrow().get(1).set_sender_promise(42);
        })
        .await
        .unwrap();
        assert!(answer(&peer.next().await.unwrap()).unwrap().1.is_some());
        for id in [41, 42] {
            let released = peer.next().await.unwrap();
            let message::Release(release) =
                released.get_root::<message::Reader<'_>>().unwrap().which().unwrap()
            else {
                panic!("no release");
            };
            assert_eq!((release.as_ref().unwrap().get_id(), release.unwrap().get_reference_count()), (id, 1));
        }
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_or_an_answer_that_is_too_large_fails_alone() {
    let test = async {
        let pair = pair(Limits { message_bytes: 64 * 1024, ..Limits::default() });
        // The client's own limit is 1 MiB.
        let mut large = pair.quota.acquire_request();
        large.get().set_rule("x".repeat(1 << 20));
        let failed = large.send().promise.await.err().unwrap();
        assert!(failed.extra.contains(NOT_EXECUTED) && failed.extra.contains("are sent"), "{failed}");
        assert_eq!(request(&pair.quota, "echo", 3).await.unwrap(), 3);
        // Messages from here on are above the server's limit, and end the connection.
        let mut large = pair.quota.acquire_request();
        large.get().set_rule("x".repeat(100 << 10));
        let failed = large.send().promise.await.err().unwrap();
        assert!(failed.extra.contains("where at most 65536 are accepted"), "{failed}");
        settle().await;
        assert_eq!(pair.server.control.end(), Some(End::TooLarge));
        assert_eq!(pair.client.end(), Some(End::PeerClosed));
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn capabilities_that_a_peer_does_not_let_go_of_are_counted() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits::default());
        // Each answer has the bootstrap, which counts as one capability in all answers together.
        for question in 0..100 {
            peer.send(|message| message.init_bootstrap().set_question_id(question)).await.unwrap();
            peer.next().await.unwrap();
            peer.send(|message| {
                let mut finish = message.init_finish();
                finish.set_question_id(question);
                finish.set_release_result_caps(question % 2 == 0);
            })
            .await
            .unwrap();
        }
        settle().await;
        assert_eq!((server.control.in_flight(), server.control.given()), (0, vec![(0, 50)]));
        peer.send(|message| {
            let mut release = message.init_release();
            release.set_id(0);
            release.set_reference_count(50);
        })
        .await
        .unwrap();
        settle().await;
        assert_eq!(server.control.given(), []);
        assert!(!server.has_ended());
    };
    LocalSet::new().run_until(test).await;
}

#[test]
fn a_peer_that_holds_too_many_capabilities_is_refused_until_it_lets_go_of_some() {
    use super::super::memory::Credit;
    use super::super::meter::{CallMeter, MessageDecision};
    use super::super::policy::Checked;
    use super::super::refusal::Retry;
    let credit = Rc::new(Credit::of_connection(Memory::new(1 << 25)));
    let (mut meter, limits) = (CallMeter::new(Rc::clone(&credit), None), Limits::default());
    let before = credit.used();
    let paid = || Checked { paid: true, ..Checked::default() };
    let asked = |meter: &mut CallMeter, question| {
        let mut message = Builder::<HeapAllocator>::new_default();
        message.init_root::<message::Builder<'_>>().init_bootstrap().set_question_id(question);
        meter.inbound(message.get_root_as_reader().unwrap(), 8, paid(), false, &limits).unwrap()
    };
    let mut answered = Builder::<HeapAllocator>::new_default();
    let mut table =
        answered.init_root::<message::Builder<'_>>().init_return().init_results().init_cap_table(4096);
    for id in 0..4096 {
        table.reborrow().get(id).set_sender_hosted(id);
    }
    assert_eq!(asked(&mut meter, 0), MessageDecision::Pass { is_call: false });
    meter.outbound(answered.get_root_as_reader().unwrap(), 8).unwrap();
    assert!(matches!(asked(&mut meter, 1), MessageDecision::Refuse { question: 1, retry: Retry::Later, .. }));
    let mut released = Builder::<HeapAllocator>::new_default();
    let mut release = released.init_root::<message::Builder<'_>>().init_release();
    release.set_id(7);
    release.set_reference_count(1);
    meter.inbound(released.get_root_as_reader().unwrap(), 8, paid(), false, &limits).unwrap();
    assert_eq!(asked(&mut meter, 2), MessageDecision::Pass { is_call: false });
    assert_eq!(meter.charged(), credit.used() - before);
    assert!(meter.charged() > 4095 * 512, "{} bytes for what it holds", meter.charged());
}
