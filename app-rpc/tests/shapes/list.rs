//! The shapes: what one client sends, on how many connections.

use capnp_rpc::rpc_capnp::{cap_descriptor, message};

use crate::messages::{
    LARGE, acquire, beside, bootstrap, built, call, claiming, fill, finish, kind, path, resting, segments,
    with_empty_segments,
};

/// What one client does.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// The number of connections at a time.
    pub(crate) connections: usize,
    /// On each connection it sends the bytes for every number below this.
    pub(crate) count: u32,
    pub(crate) bytes: Box<dyn Fn(u32) -> Vec<u8>>,
    /// Whether it asks for the bootstrap capability first.
    pub(crate) asks: bool,
}

fn on(connections: usize, name: &'static str, count: u32, bytes: impl Fn(u32) -> Vec<u8> + 'static) -> Shape {
    Shape { name, connections, count, bytes: Box::new(bytes), asks: true }
}

fn one(name: &'static str, count: u32, bytes: impl Fn(u32) -> Vec<u8> + 'static) -> Shape {
    on(1, name, count, bytes)
}

pub(crate) fn all() -> Vec<Shape> {
    [kinds(), besides(), large(), tables(), paths(), pointers(), crowds()].into_iter().flatten().collect()
}

/// What travels beside calls, in a segment that no pointer refers to: `src/extra.rs` documents its form.
fn besides() -> Vec<Shape> {
    const MANY: u32 = 3000;
    const MAGIC: u64 = 0xd7e5_3a0c_91b4_f26d;
    /// The first word of an entry: its kind, and its length in bytes.
    fn entry(kind: u16, length: u32) -> u64 {
        u64::from(kind) | u64::from(length) << 32
    }
    let shape = |name, count, words: &[u64]| {
        let segment: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        one(name, count, move |number| beside(&call(number + 1, "echo", ""), &segment))
    };
    vec![
        shape("call with a deadline that is over", MANY, &[MAGIC, entry(1, 4), 0]),
        shape("call with the latest deadline", MANY, &[MAGIC, entry(1, 4), u64::MAX]),
        shape("call with an entry longer than its segment", MANY, &[MAGIC, entry(1, u32::MAX), 5]),
        shape("call with an entry of an unknown kind", MANY, &[MAGIC, entry(999, 8), u64::MAX]),
        shape("call with a thousand entries", MANY, &[vec![MAGIC], vec![entry(1, 0); 1000]].concat()),
        shape(
            "call with a large error",
            200,
            &[vec![MAGIC, entry(2, 65_536)], vec![u64::MAX; 8192]].concat(),
        ),
        shape("call with a megabyte beside it", 40, &[vec![MAGIC], vec![0; 120_000]].concat()),
    ]
}

/// Many small messages of each kind.
fn kinds() -> Vec<Shape> {
    const MANY: u32 = 3000;
    let each = |name, build: fn(message::Builder<'_>, u32)| {
        one(name, MANY, move |number| built(|message| build(message, number)))
    };
    vec![
        one("bootstrap", MANY, |number| bootstrap(number + 1)),
        one("call", MANY, |number| call(number + 1, "echo", "")),
        one("call that does not end", MANY, |number| call(number + 1, "hang", "")),
        one("call that fails", MANY, |number| call(number + 1, "fail", "")),
        each("call of an unknown method", |message, number| acquire(message, number + 1).set_method_id(99)),
        each("call of an unknown interface", |message, number| {
            acquire(message, number + 1).set_interface_id(7)
        }),
        each("call of an unknown capability", |message, number| {
            acquire(message, number + 1).get_target().unwrap().set_imported_cap(number + 99);
        }),
        one("call on an unknown answer", MANY, |number| resting(number + 1, number + 100_000)),
        one("calls that rest on one that does not end", MANY, |number| match number {
            0 => call(1, "hang", ""),
            _ => resting(number + 1, 1),
        }),
        one("calls that rest on one another", MANY, |number| match number {
            0 => call(1, "hang", ""),
            _ => resting(number + 1, number),
        }),
        each("results to oneself", |message, number| {
            acquire(message, number + 1).get_send_results_to().set_yourself(());
        }),
        each("results to a third party", |message, number| {
            acquire(message, number + 1).get_send_results_to().init_third_party();
        }),
        one("finish of nothing", 20 * MANY, finish),
        each("release of nothing", |message, number| message.init_release().set_id(number + 99)),
        each("release of too much", |message, _| {
            let mut release = message.init_release();
            release.set_id(0);
            release.set_reference_count(u32::MAX);
        }),
        each("resolve to a capability", |message, number| {
            message.init_resolve().init_cap().set_sender_hosted(number);
        }),
        each("resolve to a promise", |message, number| {
            message.init_resolve().init_cap().set_sender_promise(number);
        }),
        each("disembargo from the sender", |message, number| {
            message.init_disembargo().init_context().set_sender_loopback(number);
        }),
        each("disembargo from the receiver", |message, number| {
            message.init_disembargo().init_context().set_receiver_loopback(number);
        }),
        each("disembargo for a third party", |message, number| {
            message.init_disembargo().init_context().set_provide(number);
        }),
        each("answer to nothing", |message, number| {
            message.init_return().init_results().init_cap_table(number % 3);
        }),
        each("answer from another question", |message, number| {
            message.init_return().set_take_from_other_question(number);
        }),
        each("provide", |message, number| message.init_provide().set_question_id(number + 1)),
        each("accept", |message, number| message.init_accept().set_question_id(number + 1)),
        each("join", |message, number| message.init_join().set_question_id(number + 1)),
        each("save", |message, _| {
            message.init_obsolete_save();
        }),
        each("delete", |message, _| {
            message.init_obsolete_delete();
        }),
        each("unimplemented", |message, _| message.init_unimplemented().init_bootstrap().set_question_id(1)),
        one("a kind that does not exist", MANY, |_| kind(999, 0)),
        one("calls that are cancelled", 20 * MANY, |number| match number % 2 {
            0 => call(number + 1, "hang", ""),
            _ => finish(number),
        }),
        one("calls that are cancelled and go on", 6 * MANY, |number| match number % 3 {
            0 => call(number + 1, "hang", ""),
            1 => resting(number + 1, number),
            _ => finish(number - 1),
        }),
    ]
}

/// Large messages of each kind that has room for content.
fn large() -> Vec<Shape> {
    let text = || "x".repeat(LARGE);
    vec![
        one("large call that does not end", 60, move |number| call(number + 1, "hang", &text())),
        one("large call of an unknown rule", 60, move |number| call(number + 1, &text(), "")),
        one("large abort", 2, move |_| built(|message| message.init_abort().set_reason(text()))),
        one("large exception", 40, move |number| {
            built(|message| {
                let mut answer = message.init_return();
                answer.set_answer_id(number);
                answer.init_exception().set_reason(text());
            })
        }),
        one("large trace of an exception", 40, move |_| {
            built(|message| message.init_return().init_exception().set_trace(text()))
        }),
        one("large broken promise", 40, move |number| {
            built(|message| {
                let mut resolve = message.init_resolve();
                resolve.set_promise_id(number);
                resolve.init_exception().set_reason(text());
            })
        }),
        one("large unimplemented", 40, move |_| {
            built(|message| message.init_unimplemented().init_abort().set_reason(text()))
        }),
        one("large provide", 40, move |_| {
            built(|message| {
                message.init_provide().get_recipient().initn_as::<capnp::data::Builder<'_>>(LARGE as u32);
            })
        }),
        one("large join", 40, move |_| {
            built(|message| {
                message.init_join().get_key_part().initn_as::<capnp::data::Builder<'_>>(LARGE as u32);
            })
        }),
    ]
}

/// Capability tables.
fn tables() -> Vec<Shape> {
    type Write = fn(cap_descriptor::Builder<'_>, u32);
    let table = |entries: u32, write: Write| {
        move |number: u32| {
            built(|message| {
                let mut table = acquire(message, number + 1).get_params().unwrap().init_cap_table(entries);
                for place in 0..entries {
                    write(table.reborrow().get(place), number * entries + place);
                }
            })
        }
    };
    let none: Write = |_, _| {};
    let hosted: Write = |mut to, id| to.set_sender_hosted(id);
    let promise: Write = |mut to, id| to.set_sender_promise(id);
    let yours: Write = |mut to, _| to.set_receiver_hosted(0);
    let answer: Write = |to, _| to.init_receiver_answer().set_question_id(0);
    let path: Write = |to, _| fill(to.init_receiver_answer(), 1000);
    let third: Write = |to, id| to.init_third_party_hosted().set_vine_id(id);
    let claims = |build: fn(message::Builder<'_>, u32)| {
        move |number: u32| claiming(built(|message| build(message, number)), (1, 1), 500_000)
    };
    vec![
        one(
            "table that claims 500,000 entries",
            20,
            claims(|message, number| {
                acquire(message, number + 1).get_params().unwrap().init_cap_table(1);
            }),
        ),
        one(
            "table of an answer that claims 500,000 entries",
            20,
            claims(|message, number| {
                let mut answer = message.init_return();
                answer.set_answer_id(number);
                {
                    answer.init_results().init_cap_table(1);
                }
            }),
        ),
        one("table of 50,000 empty entries", 20, table(50_000, none)),
        one("table of 50,000 capabilities", 20, table(50_000, hosted)),
        one("table of 50,000 promises", 20, table(50_000, promise)),
        one("table of 50,000 capabilities of the server", 20, table(50_000, yours)),
        one("table of 30,000 answers", 20, table(30_000, answer)),
        one("table of 100 paths", 20, table(100, path)),
        one("table of 30,000 third parties", 20, table(30_000, third)),
        one("tables of 8 capabilities", 3000, table(8, hosted)),
        one("tables of 8 promises", 3000, table(8, promise)),
        one("tables of 8 third parties", 3000, table(8, third)),
    ]
}

/// Paths into answers.
fn paths() -> Vec<Shape> {
    vec![
        one("path of 100,000 steps", 20, |number| path(number + 1, 100_000)),
        one("path that claims 500,000 steps", 20, |number| claiming(path(number + 1, 1), (1, 0), 500_000)),
        one("paths of 16 steps", 3000, |number| path(number + 1, 16)),
        one("path of a disembargo of 100,000 steps", 20, |_| {
            built(|message| fill(message.init_disembargo().init_target().init_promised_answer(), 100_000))
        }),
        one("path of a resolve of 100,000 steps", 20, |_| {
            built(|message| fill(message.init_resolve().init_cap().init_receiver_answer(), 100_000))
        }),
    ]
}

/// Pointers and segments.
fn pointers() -> Vec<Shape> {
    /// The kind of a call.
    const CALL: u64 = 2;
    vec![
        one("512 segments", 2000, |number| with_empty_segments(&call(number + 1, "hang", ""), 512)),
        one("513 segments", 1, |_| with_empty_segments(&call(1, "echo", ""), 513)),
        one("a message of nothing", 3000, |_| segments(&[Vec::new()])),
        one("a root that is nothing", 3000, |_| segments(&[vec![0]])),
        one("a pointer to itself", 3000, |_| kind(CALL, 0xffff_fffc | 1 << 48)),
        one("a pointer out of the message", 3000, |_| kind(CALL, 0x7fff_fffc | 3 << 32 | 3 << 48)),
        one("a pointer to a segment that is not there", 3000, |_| kind(CALL, 2 | 99 << 32)),
        one("a pointer by way of many others", 20, |_| {
            let there = (0..511).map(|next: u64| vec![2 | (next + 1) << 32]);
            segments(&there.chain([vec![0]]).collect::<Vec<_>>())
        }),
        one("a struct of 65,535 pointers", 20, |_| {
            let mut words = vec![1 << 32 | 1 << 48, CALL, 0xffff << 48];
            words.resize(words.len() + 0xffff, 0);
            segments(&[words])
        }),
        one("a list of 500 million elements", 20, |_| kind(CALL, 1 | 0xffff_ffff << 32)),
        one("params that claim a long text", 20, |number| {
            let mut bytes = call(number + 1, "hang", "abcdefghijkl");
            let length = |word: &[u8]| u32::from_le_bytes(word[4..].try_into().unwrap());
            // A list of 13 bytes.
            let place = bytes.chunks_exact(8).position(|word| length(word) == 13 << 3 | 2).unwrap();
            bytes[place * 8 + 4..place * 8 + 8].copy_from_slice(&(0x1fff_ffff_u32 << 3 | 2).to_le_bytes());
            bytes
        }),
        one("a header that claims 64 MiB", 1, |_| vec![0, 0, 0, 0, 0, 0, 0x80, 0]),
        one("bytes without sense", 100, |number| {
            (0..1000_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> (number % 24)) as u8).collect()
        }),
    ]
}

/// Many connections of one client.
fn crowds() -> Vec<Shape> {
    let silent = |connections, name, count, bytes: fn(u32) -> Vec<u8>| Shape {
        asks: false,
        ..on(connections, name, count, bytes)
    };
    vec![
        silent(100, "100 connections that say nothing", 0, |_| Vec::new()),
        silent(48, "48 messages that do not end", 1, |_| {
            let mut bytes = vec![0, 0, 0, 0, 0, 0, 2, 0];
            bytes.resize(LARGE, 0);
            bytes
        }),
        silent(48, "48 headers without a message", 1, |_| vec![0, 0, 0, 0, 0, 0, 2, 0]),
        silent(32, "32 connections of bootstraps", 3000, bootstrap),
        on(32, "32 connections of calls that do not end", 1500, |number| call(number + 1, "hang", "")),
        on(32, "32 connections of larger calls that do not end", 100, |number| {
            call(number + 1, "hang", &"x".repeat(60_000))
        }),
        on(16, "16 connections of large calls that do not end", 10, |number| {
            call(number + 1, "hang", &"x".repeat(LARGE))
        }),
        on(32, "32 connections of calls that are cancelled", 6000, |number| match number % 2 {
            0 => call(number + 1, "hang", ""),
            _ => finish(number),
        }),
        on(16, "16 connections of 512 segments", 300, |number| {
            with_empty_segments(&call(number + 1, "hang", ""), 512)
        }),
    ]
}
