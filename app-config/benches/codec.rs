//! Decoding and encoding a config file, compared with bare `capnp` and `flate2`.
//!
//! The file is a metrics config with 100 counters and 100 histogram vectors.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::expect_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::io::BufReader;

use app_config::codec::{decode, marshal};
use capnp::message::{Builder, HeapAllocator, ReaderOptions};
use criterion::{Criterion, criterion_group, criterion_main};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use schema::metrics_capnp::metrics_service_spec;

/// Random ids, as in real files: they neither pack nor compress.
fn id(seed: u32) -> u64 {
    let mut x = u64::from(seed).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 31;
    x.wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

fn spec() -> Builder<HeapAllocator> {
    let mut message = Builder::new_default();
    let mut specs = message.init_root::<metrics_service_spec::Builder<'_>>().init_metric_specs();
    let mut counters = specs.reborrow().init_counter_specs(100);
    for index in 0..100 {
        let mut counter = counters.reborrow().get(index);
        counter.set_service_id(id(1));
        counter.set_metric_id(id(100 + index));
        counter.set_help(&*format!("Requests of kind {index} that were answered."));
    }
    let mut vectors = specs.init_histogram_vector_specs(100);
    for index in 0..100 {
        let mut vector = vectors.reborrow().get(index);
        let mut labels = vector.reborrow().init_label_names(2);
        labels.set(0, "method");
        labels.set(1, "outcome");
        let mut metric = vector.init_metric_spec();
        metric.set_service_id(id(2));
        metric.set_metric_id(id(300 + index));
        metric.set_help(&*format!("Seconds that requests of kind {index} took."));
        let mut buckets = metric.init_buckets(8);
        for (place, bound) in (0..).zip([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0]) {
            buckets.set(place, bound);
        }
    }
    message
}

fn decoding(c: &mut Criterion) {
    let mut file = Vec::new();
    marshal(&spec(), &mut file).expect("the spec is within the limits");
    let mut group = c.benchmark_group("decode 100 counters and 100 histogram vectors");
    group.bench_function("app-config", |b| b.iter(|| decode(black_box(&file)).expect("a config")));
    group.bench_function("capnp and flate2 bare", |b| {
        b.iter(|| {
            let inflated = BufReader::new(ZlibDecoder::new(black_box(&file[..])));
            capnp::serialize_packed::read_message(inflated, ReaderOptions::new()).expect("a message")
        });
    });
    group.finish();
}

fn encoding(c: &mut Criterion) {
    let message = spec();
    let mut group = c.benchmark_group("encode 100 counters and 100 histogram vectors");
    group.bench_function("app-config", |b| {
        b.iter(|| {
            let mut file = Vec::new();
            marshal(black_box(&message), &mut file).expect("within the limits");
            file
        });
    });
    group.bench_function("capnp and flate2 bare", |b| {
        b.iter(|| {
            let mut file = ZlibEncoder::new(Vec::new(), Compression::default());
            capnp::serialize_packed::write_message(&mut file, black_box(&message)).expect("a writer");
            file.finish().expect("a writer")
        });
    });
    group.finish();
}

criterion_group!(benches, decoding, encoding);
criterion_main!(benches);
