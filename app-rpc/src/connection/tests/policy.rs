//! Messages that no client needs, and messages that cost more than their size.

use capnp::message::ReaderOptions;

use super::super::policy::{Checked, check};
use super::*;

/// Replaces the capability table of a message with a list that claims any number of elements without a size.
fn claiming(build: impl FnOnce(message::Builder<'_>), elements: u32) -> Reader<Segments> {
    let mut built = Builder::<HeapAllocator>::new_default();
    build(built.init_root());
    let mut bytes = Vec::new();
    encode(&built.get_segments_for_output(), &mut bytes);
    // The list of one capability is a pointer to a tag, which says one element of some size.
    let words: Vec<u64> =
        bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
    let tag = |word: u64| word as u32 == 1 << 2 && (word >> 32) == 1 | 1 << 16;
    let places: Vec<usize> = (1..words.len()).filter(|place| tag(words[*place])).collect();
    let [place] = places[..] else { panic!("{} lists of one capability", places.len()) };
    bytes[place * 8..place * 8 + 8].copy_from_slice(&u64::from(elements << 2).to_le_bytes());
    let whole = Decoder::new(1 << 20).decode(&mut &bytes[..]).unwrap().unwrap();
    Reader::new(whole, ReaderOptions::new())
}

fn checked(reader: &Reader<Segments>, limits: &Limits) -> capnp::Result<Checked> {
    check(reader.get_root().unwrap(), 100, limits)
}

#[test]
fn a_table_that_claims_half_a_million_capabilities_for_no_bytes_is_refused() {
    let call = |message: message::Builder<'_>| {
        message.init_call().init_params().init_cap_table(1);
    };
    let limits = Limits { capabilities: 8, ..Limits::default() };
    let refused = checked(&claiming(call, 500_000), &limits).unwrap_err();
    assert!(refused.extra.contains("brings 500000 capabilities, where at most 8 are accepted"), "{refused}");
    let answer = |message: message::Builder<'_>| {
        message.init_return().init_results().init_cap_table(1);
    };
    assert!(checked(&claiming(answer, 500_000), &limits).is_err());
    // A few elements without a size are accepted: they are no capabilities.
    assert_eq!(checked(&claiming(call, 8), &limits).unwrap().objection, None);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_refused_alone_for_what_it_brings_or_where_it_wants_its_results() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits::default());
        peer.send(|message| message.init_bootstrap().set_question_id(0)).await.unwrap();
        peer.next().await.unwrap();
        peer.send(|message| {
            acquire(message, 1, 0).get_params().unwrap().init_cap_table(1);
        })
        .await
        .unwrap();
        let (question, reason) = answer(&peer.next().await.unwrap()).unwrap();
        assert_eq!(question, 1);
        let reason = reason.unwrap();
        assert!(reason.contains("takes at most 0") && !reason.contains(NOT_EXECUTED), "{reason}");
        for question in 2..4 {
            peer.send(|message| {
                let mut to = acquire(message, question, 0).get_send_results_to();
                if question == 2 {
                    to.set_yourself(())
                } else {
                    {
                        to.init_third_party();
                    }
                }
            })
            .await
            .unwrap();
            let reason = answer(&peer.next().await.unwrap()).unwrap().1.unwrap();
            assert!(reason.contains("only results to the caller are supported"), "{reason}");
        }
        assert_eq!((server.control.running(), server.control.refusals()), (0, 3));
        // A call that depends on it is refused too, and the connection stays.
        peer.call(4, 2, "echo").await.unwrap();
        assert!(answer(&peer.next().await.unwrap()).unwrap().1.unwrap().contains("was refused"));
        peer.call(5, 0, "echo").await.unwrap();
        assert_eq!(answer(&peer.next().await.unwrap()).unwrap(), (5, None));
        assert_eq!(server.control.end(), None);
    };
    LocalSet::new().run_until(test).await;
}

type Build<'a> = &'a dyn Fn(message::Builder<'_>);

#[tokio::test(start_paused = true)]
async fn what_nobody_needs_ends_the_connection_with_a_reason_and_is_not_sent_back() {
    let test = async {
        let long = "x".repeat(900_000);
        let all: [(Build<'_>, &str); 10] = [
            (&|message| message.init_provide().set_question_id(1), "provide is not supported"),
            (&|message| message.init_accept().set_question_id(1), "accept is not supported"),
            (&|message| message.init_join().set_question_id(1), "join is not supported"),
            (
                &|message| {
                    message.init_obsolete_save();
                },
                "not supported",
            ),
            (
                &|message| {
                    let params = message.init_provide().init_target().init_promised_answer();
                    params.init_transform(100_000);
                },
                "provide is not supported",
            ),
            (
                &|message| message.init_return().init_exception().set_reason(&long),
                "return: nothing was asked",
            ),
            (
                &|message| message.init_resolve().init_exception().set_reason(&long),
                "resolve: nothing was asked",
            ),
            (
                &|message| message.init_disembargo().init_context().set_sender_loopback(1),
                "disembargo: nothing was asked",
            ),
            (
                &|message| {
                    let target = message.init_call().init_target().init_promised_answer();
                    target.init_transform(17);
                },
                "has 17 steps, where at most 16",
            ),
            (
                &|message| {
                    message.init_call().init_params().init_cap_table(65);
                },
                "brings 65 capabilities, where at most 0",
            ),
        ];
        for (build, expected) in all {
            let (server, mut peer) = Peer::of(Limits::default());
            peer.send(build).await.unwrap();
            let words = peer.last_words().await.unwrap();
            assert!(words.contains(expected) && words.len() < 1000, "{expected}: {words}");
            assert_eq!(server.control.end(), Some(End::Protocol), "{expected}");
            let (said, _) = server.control.written();
            assert!(said < 2000, "{expected}: {said} bytes are sent back");
        }
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_long_reason_is_not_kept_for_every_call_that_it_is_told_to() {
    let test = async {
        let (server, mut peer) = Peer::of(Limits::default());
        let long = "\u{e9}".repeat(400_000);
        peer.send(|message| message.init_abort().set_reason(&long)).await.unwrap();
        let words = peer.last_words().await.unwrap();
        assert!(words.starts_with("remote exception: \u{e9}") && words.len() < 5000, "{}", words.len());
        assert_eq!(server.control.end(), Some(End::PeerClosed));
        // A call of the client that fails with a long reason.
        let (here, there) = tokio::io::duplex(64 * 1024);
        let mut peer = Peer { stream: here, decoder: Decoder::new(1 << 26), rest: Vec::new() };
        let limits = Limits { capabilities: 16, ..Limits::default() };
        let client = Rc::new(Control::new(limits, Memory::new(1 << 25)));
        let mut rpc = RpcSystem::new(Box::new(TwoPartyNetwork::new(there, Side::Client, client)), None);
        let quota: quota::Client = rpc.bootstrap(Side::Server);
        drive(rpc);
        let call = spawn_local(request(&quota, "echo", 1));
        for question in 0..2 {
            peer.next().await.unwrap();
            if question == 1 {
                peer.send(|message| {
                    let mut answer = message.init_return();
                    answer.set_answer_id(1);
                    answer.init_exception().set_reason(&long);
                })
                .await
                .unwrap();
            }
        }
        let failed = call.await.unwrap().unwrap_err();
        assert!(
            failed.extra.starts_with("remote exception: \u{e9}") && failed.extra.len() < 5000,
            "{}",
            failed.extra.len()
        );
    };
    LocalSet::new().run_until(test).await;
}
