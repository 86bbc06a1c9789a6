//! The ends of connections, and the reasons that both sides get.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_message_that_is_begun_and_not_ended_ends_the_connection() {
    let test = async {
        let limits = Limits::default();
        let (server, mut peer) = Peer::of(limits);
        peer.stream.write_all(&[0, 0, 0, 0, 9]).await.unwrap();
        tokio::time::advance(limits.stall - Duration::from_millis(10)).await;
        settle().await;
        assert_eq!(server.control.end(), None);
        // Sending slowly does not help: only the rest of the table comes, and nothing of the body.
        peer.stream.write_all(&[0, 0, 0]).await.unwrap();
        settle().await;
        tokio::time::advance(limits.stall + Duration::from_millis(10)).await;
        assert!(peer.last_words().await.unwrap().contains("no more of a message came within 10s"));
        assert_eq!(server.control.end(), Some(End::Stalled));
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_64_mib_ends_the_connection_at_once() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits::default());
        peer.stream.write_all(&[0, 0, 0, 0, 0, 0, 0x80, 0]).await.unwrap();
        assert!(peer.last_words().await.unwrap().contains("a message of 67108864 bytes"));
        assert_eq!(server.control.end(), Some(End::TooLarge));
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_dropped_and_takes_no_more_than_its_queue() {
    let test = async {
        let limits = Limits { queued_bytes: 256 * 1024, calls: 1 << 20, ..Limits::default() };
        let (server, peer) = Peer::of(limits);
        let (_unread, mut writing) = tokio::io::split(peer.stream);
        let flood = async {
            for question in 0..1_000_000 {
                let mut built = Builder::<HeapAllocator>::new_default();
                built.init_root::<message::Builder<'_>>().init_bootstrap().set_question_id(question);
                let mut bytes = Vec::new();
                encode(&built.get_segments_for_output(), &mut bytes);
                if writing.write_all(&bytes).await.is_err() {
                    return;
                }
                assert!(server.control.queued() <= limits.queued_bytes);
            }
            panic!("a million were taken");
        };
        tokio::time::timeout(Duration::from_secs(3600), flood).await.unwrap();
        settle().await;
        // The peer does not read, so its messages are not read. In the end the connection is closed for that.
        assert_eq!(server.control.end(), Some(End::NotReading));
        assert!(server.has_ended());
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_million_bootstraps_are_refused_after_the_first_ones() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits::default());
        for question in 0..1_000_000 {
            let sent = peer.send(|message| message.init_bootstrap().set_question_id(question)).await;
            if sent.is_err() || server.has_ended() || server.control.end().is_some() {
                assert!(question < 10_000, "{question}");
                break;
            }
        }
        settle().await;
        assert_eq!(server.control.end(), Some(End::TooManyCalls));
        assert!(server.control.in_flight() <= 1024);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_closes_says_why_and_calls_that_go_on_fail_with_it() {
    let test = async {
        let pair = pair(Limits::default());
        let call = spawn_local(request(&pair.quota, "wait", 1));
        settle().await;
        pair.server.control.close(End::Stopping, not_executed("the server stops"));
        let failed = call.await.unwrap().unwrap_err();
        assert_eq!(failed.extra, format!("remote exception: {NOT_EXECUTED}the server stops"));
        settle().await;
        assert_eq!(pair.server.state.waiting.get(), 0);
        assert!(pair.server.has_ended());
        // Later calls too.
        let failed = request(&pair.quota, "echo", 1).await.unwrap_err();
        assert!(failed.extra.ends_with("the server stops"), "{failed}");
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_takes_its_calls_along() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits::default());
        peer.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
        peer.call(1, 0, "wait").await.unwrap();
        settle().await;
        assert_eq!(server.state.waiting.get(), 1);
        drop(peer);
        settle().await;
        assert_eq!(server.state.waiting.get(), 0);
        assert!(server.has_ended());
        assert!(matches!(server.control.end(), Some(End::PeerClosed | End::Lost)));
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn nonsense_ends_the_connection_and_nothing_else() {
    let test = async {
        let nonsense: [&dyn Fn(message::Builder<'_>); 4] = [
            &|message| message.init_return().set_answer_id(99),
            &|message| message.init_release().set_id(99),
            &|message| message.init_call().init_target().set_imported_cap(99),
            &|message| message.init_disembargo().init_context().set_receiver_loopback(9),
        ];
        for build in nonsense {
            let (server, mut peer) = Peer::of(Limits::default());
            peer.send(build).await.unwrap();
            assert!(peer.last_words().await.is_some());
            drop(peer);
            settle().await;
            assert!(server.has_ended());
        }
    };
    LocalSet::new().run_until(test).await;
}

/// A stack overflow ends the process. The stack of a test is a quarter of that of an RPC thread.
#[tokio::test(start_paused = true)]
async fn chains_of_calls_that_rest_on_one_another_have_an_end() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits::default());
        peer.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
        for question in 1..1000 {
            peer.call(question, question - 1, "wait").await.unwrap();
        }
        settle().await;
        assert_eq!(server.state.waiting.get(), 1);
        assert_eq!(server.control.refusals(), 999 - 65);
        server.state.go_on.notify_waiters();
        settle().await;
        drop(peer);
        settle().await;
        assert!(server.has_ended());
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn chains_of_promises_that_turn_out_to_be_promises_have_an_end() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits { capabilities: 1, ..Limits::default() });
        peer.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
        // A call that brings the first promise, and is not answered.
        peer.send(|message| {
            let mut params = acquire(message, 1, 0).get_params().unwrap();
            params.reborrow().init_cap_table(1).get(0).set_sender_promise(0);
            params.init_content().init_as::<quota::acquire_params::Builder<'_>>().set_rule("wait");
        })
        .await
        .unwrap();
        for promise in 0..100_000 {
            let sent = peer
                .send(|message| {
                    let mut resolve = message.init_resolve();
                    resolve.set_promise_id(promise);
                    resolve.init_cap().set_sender_promise(promise + 1);
                })
                .await;
            if sent.is_err() {
                break;
            }
        }
        settle().await;
        assert_eq!(server.control.end(), Some(End::Protocol));
        drop(peer);
        settle().await;
        assert!(server.has_ended());
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_its_call_was_cancelled_goes_to_no_other_call() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits::default());
        peer.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
        peer.next().await.unwrap();
        for question in 1..50 {
            peer.call(question, 0, "wait").await.unwrap();
            peer.send(|message| message.init_finish().set_question_id(question)).await.unwrap();
            // The handler may be about to answer.
            server.state.go_on.notify_waiters();
            peer.call(question + 100, 0, "echo").await.unwrap();
            let answered = loop {
                let (answered, reason) = answer(&peer.next().await.unwrap()).unwrap();
                assert!(reason.is_none() || answered == question, "{reason:?}");
                if answered != question {
                    break answered;
                }
            };
            assert_eq!(answered, question + 100);
            peer.send(|message| message.init_finish().set_question_id(question + 100)).await.unwrap();
        }
        settle().await;
        assert_eq!((server.state.waiting.get(), server.control.running()), (0, 0));
        assert!(!server.has_ended());
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn promises_that_come_and_go_without_end_leave_nothing_behind() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits { calls: 8, capabilities: 1, ..Limits::default() });
        peer.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
        peer.next().await.unwrap();
        for round in 0..500 {
            // A call brings a promise, which resolves before or after the call is answered.
            peer.send(|message| {
                let mut params = acquire(message, 1, 0).get_params().unwrap();
                params.reborrow().init_cap_table(1).get(0).set_sender_promise(round);
                let content = params.get_content();
                content.init_as::<quota::acquire_params::Builder<'_>>().set_rule("echo");
            })
            .await
            .unwrap();
            if round % 2 == 0 {
                while let Some(message) = peer.next().await {
                    if answer(&message).is_some() {
                        break;
                    }
                }
            }
            peer.send(|message| {
                let mut resolve = message.init_resolve();
                resolve.set_promise_id(round);
                resolve.init_cap().set_sender_hosted(1_000_000 + round);
            })
            .await
            .unwrap();
            peer.send(|message| message.init_finish().set_question_id(1)).await.unwrap();
            settle().await;
        }
        assert_eq!((server.control.in_flight(), server.control.running()), (1, 0));
        assert_eq!(server.control.held_memory(), 0);
        assert_eq!(server.control.end(), None);
        assert_eq!(server.control.refusals(), 0);
    };
    LocalSet::new().run_until(test).await;
}
