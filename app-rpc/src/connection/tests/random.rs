//! Random messages in random order: the connection stays or ends, and nothing else happens.

use capnp::traits::HasTypeId;
use capnp_rpc::rpc_capnp::cap_descriptor;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Builder as RuntimeBuilder;

use super::*;

/// Everything that a peer may send. Numbers are small, so that messages refer to each other.
#[derive(Debug, Clone)]
enum Said {
    Bootstrap(u32),
    Call { question: u32, target: Target, rule: &'static str, takes: Option<Takes> },
    Finish(u32, bool),
    Release(u32, u32),
    Resolve(u32, Takes),
    ResolveBroken(u32),
    Disembargo(Target, bool, u32),
    Return(u32),
    ReturnFromOther(u32, u32),
    Unimplemented(u32),
    Provide(u32),
}

#[derive(Debug, Clone)]
enum Target {
    Import(u32),
    Answer(u32),
}

/// A capability in a call.
#[derive(Debug, Clone)]
enum Takes {
    Hosted(u32),
    Promise(u32),
    Yours(u32),
    Answer(u32),
    Third,
}

impl Takes {
    fn write(&self, mut to: cap_descriptor::Builder<'_>) {
        match *self {
            Self::Hosted(id) => to.set_sender_hosted(id),
            Self::Promise(id) => to.set_sender_promise(id),
            Self::Yours(id) => to.set_receiver_hosted(id),
            Self::Answer(id) => to.init_receiver_answer().set_question_id(id),
            Self::Third => to.init_third_party_hosted().set_vine_id(0),
        }
    }
}

fn said() -> impl Strategy<Value = Said> {
    let id = || 0_u32..6;
    let target = || prop_oneof![id().prop_map(Target::Import), id().prop_map(Target::Answer)];
    let takes = || {
        prop_oneof![
            id().prop_map(Takes::Hosted),
            id().prop_map(Takes::Promise),
            id().prop_map(Takes::Yours),
            id().prop_map(Takes::Answer),
            Just(Takes::Third),
        ]
    };
    let rule = prop_oneof![Just("wait"), Just("echo")];
    prop_oneof![
        3 => id().prop_map(Said::Bootstrap),
        8 => (id(), target(), rule, prop::option::of(takes()))
            .prop_map(|(question, target, rule, takes)| Said::Call { question, target, rule, takes }),
        6 => (id(), any::<bool>()).prop_map(|(question, release)| Said::Finish(question, release)),
        1 => (id(), 0..3_u32).prop_map(|(id, count)| Said::Release(id, count)),
        2 => (id(), takes()).prop_map(|(id, takes)| Said::Resolve(id, takes)),
        1 => id().prop_map(Said::ResolveBroken),
        1 => (target(), any::<bool>(), id()).prop_map(|(target, sender, id)| Said::Disembargo(target, sender, id)),
        1 => id().prop_map(Said::Return),
        1 => (id(), id()).prop_map(|(question, other)| Said::ReturnFromOther(question, other)),
        1 => id().prop_map(Said::Unimplemented),
        1 => id().prop_map(Said::Provide),
    ]
}

impl Said {
    fn write(&self, message: message::Builder<'_>) {
        match self {
            Self::Bootstrap(question) => message.init_bootstrap().set_question_id(*question),
            Self::Call { question, target, rule, takes } => {
                let mut call = message.init_call();
                call.set_question_id(*question);
                call.set_interface_id(quota::Client::TYPE_ID);
                match target {
                    Target::Import(id) => call.reborrow().init_target().set_imported_cap(*id),
                    Target::Answer(id) => {
                        call.reborrow().init_target().init_promised_answer().set_question_id(*id)
                    }
                }
                let mut params = call.init_params();
                if let Some(takes) = takes {
                    takes.write(params.reborrow().init_cap_table(1).get(0));
                }
                params.init_content().init_as::<quota::acquire_params::Builder<'_>>().set_rule(rule);
            }
            Self::Finish(question, release) => {
                let mut finish = message.init_finish();
                finish.set_question_id(*question);
                finish.set_release_result_caps(*release);
            }
            Self::Release(id, count) => {
                let mut release = message.init_release();
                release.set_id(*id);
                release.set_reference_count(*count);
            }
            Self::Resolve(id, takes) => {
                let mut resolve = message.init_resolve();
                resolve.set_promise_id(*id);
                takes.write(resolve.init_cap());
            }
            Self::ResolveBroken(id) => {
                let mut resolve = message.init_resolve();
                resolve.set_promise_id(*id);
                resolve.init_exception().set_reason("broken");
            }
            Self::Disembargo(target, sender, id) => {
                let mut disembargo = message.init_disembargo();
                match target {
                    Target::Import(id) => disembargo.reborrow().init_target().set_imported_cap(*id),
                    Target::Answer(id) => {
                        disembargo.reborrow().init_target().init_promised_answer().set_question_id(*id);
                    }
                }
                let mut context = disembargo.init_context();
                if *sender { context.set_sender_loopback(*id) } else { context.set_receiver_loopback(*id) }
            }
            Self::Return(question) => message.init_return().set_answer_id(*question),
            Self::ReturnFromOther(question, other) => {
                let mut answer = message.init_return();
                answer.set_answer_id(*question);
                answer.set_take_from_other_question(*other);
            }
            Self::Unimplemented(question) => {
                message.init_unimplemented().init_bootstrap().set_question_id(*question)
            }
            Self::Provide(question) => message.init_provide().set_question_id(*question),
        }
    }
}

/// Sends everything to a server, with its handlers running in between, and then disconnects.
async fn talk(all: &[Said]) -> End {
    let (here, there) = tokio::io::duplex(1 << 20);
    let state = Rc::<Waiting>::default();
    let bootstrap: quota::Client = capnp_rpc::new_client(Server(Rc::clone(&state)));
    let limits = Limits { calls: 4, capabilities: 8, ..Limits::default() };
    let memory = Memory::new(1 << 25);
    let control = Rc::new(Control::new(limits, memory.clone()));
    let system = System::server(there, Some(Client::new(bootstrap.into_client_hook())), &control);
    let ended = spawn_local(run(system));
    let mut peer = here;
    for (place, said) in all.iter().enumerate() {
        let mut built = Builder::<HeapAllocator>::new_default();
        said.write(built.init_root());
        let mut bytes = Vec::new();
        encode(&built.get_segments_for_output(), &mut bytes);
        if peer.write_all(&bytes).await.is_err() {
            break;
        }
        if place % 4 == 3 {
            settle().await;
            state.go_on.notify_waiters();
        }
    }
    drop(peer);
    let (end, _) = timeout(Duration::from_secs(60), ended).await.unwrap().unwrap();
    settle().await;
    assert_eq!(state.waiting.get(), 0, "a handler was left behind by {end}");
    assert_eq!((control.left(), memory.taken()), (0, 0), "memory is left by {end}");
    end
}

#[test]
fn whatever_a_peer_says_its_connection_lives_or_ends_and_no_handler_is_left_behind() {
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let sequences = prop::collection::vec(said(), 1..40);
    let talked = TestRunner::new(config).run(&sequences, |all| {
        let runtime = RuntimeBuilder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        LocalSet::new().block_on(&runtime, talk(&all));
        Ok(())
    });
    if let Err(failed) = talked {
        panic!("{failed}");
    }
}
