//! Sealing and opening a config file, compared with `age`.
//!
//! The file is a metrics config with 100 counters and 100 histogram vectors.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::expect_used, reason = "a bench fails by panicking")]

use std::hint::black_box;

use app_config::codec::{decode, marshal};
use app_sealing::{ConfigIdentities, ConfigIdentity, open, seal};
use capnp::message::{Builder, HeapAllocator};
use criterion::{Criterion, criterion_group, criterion_main};
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

fn sealing(c: &mut Criterion) {
    let mut file = Vec::new();
    marshal(&spec(), &mut file).expect("the spec is within the limits");
    let identity = ConfigIdentity::generate();
    let recipients = [identity.recipient()];
    let age_recipient: age::x25519::Recipient =
        recipients[0].to_string().parse().expect("what is a recipient here is one there");
    let mut group = c.benchmark_group("seal 100 counters and 100 histogram vectors");
    group.bench_function("app-sealing", |b| {
        b.iter(|| seal(black_box(&file), &recipients).expect("within the limits"));
    });
    group.bench_function("age bare", |b| {
        b.iter(|| age::encrypt(&age_recipient, black_box(&file)).expect("a recipient"));
    });
    group.finish();

    let sealed = seal(&file, &recipients).expect("within the limits");
    let secret = identity.secret_text();
    let age_identity: age::x25519::Identity = std::str::from_utf8(&secret)
        .ok()
        .and_then(|text| text.parse().ok())
        .expect("what is an identity here is one there");
    let one = ConfigIdentities::of([identity.clone()]).expect("there is one");
    let others = (0..7).map(|_| ConfigIdentity::generate());
    let eight = ConfigIdentities::of(others.chain([identity.clone()])).expect("there are eight");
    let mut group = c.benchmark_group("open 100 counters and 100 histogram vectors");
    group.bench_function("app-sealing", |b| {
        b.iter(|| open(black_box(&sealed), &one).expect("sealed to the identity"));
    });
    group.bench_function("app-sealing, the eighth identity", |b| {
        b.iter(|| open(black_box(&sealed), &eight).expect("sealed to the identity"));
    });
    group.bench_function("app-sealing, and decode", |b| {
        b.iter(|| {
            let plain = open(black_box(&sealed), &one).expect("sealed to the identity");
            decode(&plain).expect("a config")
        });
    });
    group.bench_function("age bare", |b| {
        b.iter(|| age::decrypt(&age_identity, black_box(&sealed)).expect("sealed to the identity"));
    });
    group.finish();
}

criterion_group!(benches, sealing);
criterion_main!(benches);
