//! Writes the seeds of the corpus: `cargo run --release --example seeds`, in this folder.

use std::fs;

use capnp::message::{AllocationStrategy, Builder, HeapAllocator};
use quota_schema::quota_capnp::quota_spec;

// Instrumented code needs the runtime that counts coverage, which is only linked if something uses it.
#[used]
static COUNTS: fn(&mut [u8], usize, usize) -> usize = libfuzzer_sys::fuzzer_mutate;

fn main() {
    let message = |first_words, names: &[&str]| {
        let allocator = HeapAllocator::new().first_segment_words(first_words);
        let allocator = allocator.allocation_strategy(AllocationStrategy::FixedSize);
        let mut message = Builder::new(allocator);
        let mut rules = message.init_root::<quota_spec::Builder<'_>>().init_rules(names.len() as u32);
        for (index, name) in (0..).zip(names) {
            rules.reborrow().get(index).set_name(name);
        }
        capnp::serialize::write_message_to_words(&message)
    };
    let numbers =
        |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    let (one, many) = (message(64, &["mail", "default"]), message(1, &["a rule", "another", "a third one"]));
    let mut all_segments = vec![511];
    all_segments.extend([0; 513]);
    let framing = [
        ("empty", vec![0; 8]),
        ("one-segment", one.clone()),
        ("many-segments", many.clone()),
        ("two-messages", [one.clone(), many.clone()].concat()),
        ("cut", many[..many.len() - 3].to_vec()),
        ("claims-64-mib", numbers(&[0, 8 << 20])),
        ("claims-the-limit", numbers(&[0, 8192])),
        ("claims-a-word-more", numbers(&[0, 8193])),
        ("512-segments", numbers(&all_segments)),
        ("513-segments", numbers(&[512, 0])),
        ("sum-wraps-around", numbers(&[3, u32::MAX, u32::MAX, 3, 0, 0])),
    ];
    for (name, bytes) in framing {
        // The sizes of pieces come last, then the length that libFuzzer's reader of pairs expects.
        write("framing", name, &bytes);
    }
    let bootstrap = [4, 0, 0, 0];
    let call = |question: u8, permits: u8| [5, question, 1, 0, 2, 0, 2, 0, permits, 0, 0, 0];
    let finish = |question: u8| [9, question, 0, 0, 0];
    let connection: [(&str, Vec<u8>); 8] = [
        ("bootstrap", bootstrap.to_vec()),
        ("call", [&bootstrap[..], &call(1, 2), &[1, 2]].concat()),
        ("call-that-fails", [&bootstrap[..], &call(1, 1), &finish(1)].concat()),
        ("call-that-is-cancelled", [&bootstrap[..], &call(1, 0), &[1], &finish(1)].concat()),
        ("question-twice", [&bootstrap[..], &call(1, 0), &call(1, 0)].concat()),
        ("many-calls", (0..5).flat_map(|question| call(question, 0)).collect()),
        ("abort", [&bootstrap[..], &[18, 0, 0]].concat()),
        ("claim", vec![0, 8, 0, 0, 0, 0, 0, 0, 0x80, 0]),
    ];
    for (name, bytes) in connection {
        write("connection", name, &bytes);
    }
    let with_capabilities = |question: u8| {
        let mut call = vec![5, question, 1, 0, 2, 0, 2, 255];
        call.extend([0, question].repeat(15));
        call.extend([0; 4]);
        call
    };
    let cost: [(&str, Vec<u8>); 4] = [
        ("calls", [bootstrap.to_vec(), (1..200).flat_map(|question| call(question, 0)).collect()].concat()),
        ("capabilities", [bootstrap.to_vec(), (1..60).flat_map(with_capabilities).collect()].concat()),
        (
            "claims",
            [
                bootstrap.to_vec(),
                (1..30).flat_map(|question| [5, question, 1, 0, 2, 0, 2, 16, 0, 1, 0, 0, 2, 0]).collect(),
            ]
            .concat(),
        ),
        ("bootstraps", (0..200).flat_map(|question| [4, question, 0, 0]).collect()),
    ];
    for (name, bytes) in cost {
        write("cost", name, &bytes);
    }
}

fn write(target: &str, name: &str, content: &[u8]) {
    let folder = format!("corpus/{target}");
    fs::create_dir_all(&folder).expect("a folder of seeds");
    fs::write(format!("{folder}/{name}"), content).expect("a seed");
}
