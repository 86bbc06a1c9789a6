//! Messages of a peer are charged to it, and refunded.

use super::*;

fn small(memory: usize) -> (Limits, Memory) {
    let limits = Limits { peer_memory_bytes: memory, capabilities: 4, ..Limits::default() };
    (limits, Memory::new(memory))
}

#[tokio::test(start_paused = true)]
async fn calls_are_refused_while_the_memory_of_the_client_is_taken_by_its_other_connections() {
    let test = async {
        let (limits, memory) = small(512 * 1024);
        let (one, mut first) = Peer::within(limits, memory.clone());
        let (other, mut second) = Peer::within(limits, memory.clone());
        for peer in [&mut first, &mut second] {
            peer.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
            peer.next().await.unwrap();
        }
        for question in 1..300 {
            first.call(question, 0, "wait").await.unwrap();
        }
        settle().await;
        assert!(one.control.refusals() > 150, "{}", one.control.refusals());
        assert_eq!(one.control.end(), None, "calls are refused one by one");
        // The memory that the second connection holds already is enough for a few calls only.
        for question in 1..20 {
            second.call(question, 0, "wait").await.unwrap();
        }
        let (_, reason) = answer(&second.next().await.unwrap()).unwrap();
        assert!(reason.unwrap().contains("no memory left for more calls of this client"));
        // Each connection may have a little waiting output without memory, and keeps the numbers of refused questions.
        assert!(memory.taken() <= 512 * 1024 + 2 * 64 * 1024, "{}", memory.taken());
        // Memory that the first connection frees is available for the second.
        drop(first);
        settle().await;
        assert!(one.has_ended());
        // As `run` does at the end.
        one.control.settle();
        assert_eq!(one.control.left(), 0);
        second.call(100, 0, "echo").await.unwrap();
        while answer(&second.next().await.unwrap()).unwrap() != (100, None) {}
        other.state.go_on.notify_waiters();
        settle().await;
        assert_eq!((other.control.held_memory(), other.control.end()), (0, None));
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn calls_of_all_connections_of_a_client_have_one_limit() {
    let test = async {
        let limits = Limits { calls: 2, ..Limits::default() };
        let memory = Memory::new(limits.peer_memory_bytes);
        let mut peers: Vec<_> = (0..5).map(|_| Peer::within(limits, memory.clone())).collect();
        // The bootstraps are not finished, so they are in flight too. The client may have eight questions.
        for (_, peer) in &mut peers[..4] {
            peer.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
            peer.call(1, 0, "wait").await.unwrap();
        }
        settle().await;
        let (served, last) = &mut peers[4];
        last.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
        let (_, reason) = answer(&last.next().await.unwrap()).unwrap();
        assert!(reason.unwrap().contains("too many calls of this client are in flight"));
        assert_eq!((served.control.refusals(), served.control.end()), (1, None));
        let (before, _) = peers.remove(0);
        assert_eq!(before.control.refusals(), 0);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_slowly_is_charged_as_it_grows() {
    let test = async {
        let (limits, memory) = small(256 * 1024);
        let (server, mut peer) = Peer::within(limits, memory.clone());
        // 1 MiB, which is within the limit of a message.
        peer.stream.write_all(&[0, 0, 0, 0, 0, 0, 2, 0]).await.unwrap();
        for _ in 0..60 {
            if peer.stream.write_all(&[0; 16 * 1024]).await.is_err() {
                break;
            }
            settle().await;
            assert!(memory.taken() <= 512 * 1024, "{}", memory.taken());
        }
        assert!(peer.last_words().await.unwrap().contains("too much memory"));
        assert_eq!(server.control.end(), Some(End::TooMuchMemory));
        drop((server, peer));
        settle().await;
        assert_eq!(memory.taken(), 0);
    };
    LocalSet::new().run_until(test).await;
}

/// A cancelled call continues and counts while another call depends on it.
#[tokio::test(start_paused = true)]
async fn calls_that_are_cancelled_and_go_on_count_until_they_are_gone() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits { calls: 8, ..Limits::default() });
        peer.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
        for round in 0..10 {
            let (first, second) = (1 + 2 * round, 2 + 2 * round);
            peer.call(first, 0, "wait").await.unwrap();
            peer.call(second, first, "wait").await.unwrap();
            peer.send(|message| message.init_finish().set_question_id(first)).await.unwrap();
        }
        settle().await;
        assert!(server.state.waiting.get() <= 8, "{} handlers", server.state.waiting.get());
        assert!(server.control.refusals() > 0);
        drop(peer);
        settle().await;
        assert_eq!(server.state.waiting.get(), 0);
        assert_eq!(server.control.held_memory(), 0);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn capabilities_of_the_peer_are_charged_until_they_are_let_go_of() {
    let test = async {
        let (limits, memory) = small(1 << 20);
        let (server, mut peer) = Peer::within(limits, memory);
        peer.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
        peer.next().await.unwrap();
        settle().await;
        let before = server.control.memory();
        for question in 1..20 {
            peer.send(|message| {
                let mut params = acquire(message, question, 0).get_params().unwrap();
                let mut table = params.reborrow().init_cap_table(4);
                for place in 0..4 {
                    table.reborrow().get(place).set_sender_hosted(question * 4 + place);
                }
                params.init_content().init_as::<quota::acquire_params::Builder<'_>>().set_rule("wait");
            })
            .await
            .unwrap();
        }
        settle().await;
        assert!(server.control.memory() - before > 19 * 4 * 1024, "{}", server.control.memory() - before);
        server.state.go_on.notify_waiters();
        settle().await;
        for question in 1..20 {
            peer.send(|message| message.init_finish().set_question_id(question)).await.unwrap();
        }
        settle().await;
        assert_eq!((server.control.memory(), server.control.held_memory()), (before, 0));
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_is_waited_for_and_calls_that_are_cancelled_are_not() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits::default());
        peer.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
        peer.next().await.unwrap();
        for question in 1..50 {
            peer.call(question, 0, "wait").await.unwrap();
            peer.send(|message| message.init_finish().set_question_id(question)).await.unwrap();
        }
        settle().await;
        timeout(Duration::from_millis(1), server.control.answered()).await.unwrap();
        // The server waits for an answer that it owes.
        peer.call(100, 0, "wait").await.unwrap();
        settle().await;
        assert!(timeout(Duration::from_secs(5), server.control.answered()).await.is_err());
        server.state.go_on.notify_waiters();
        timeout(Duration::from_secs(5), server.control.answered()).await.unwrap();
        assert_eq!(server.control.queued(), 0);
        assert_eq!(answer(&peer.next().await.unwrap()).unwrap(), (100, None));
    };
    LocalSet::new().run_until(test).await;
}
