//! A message that matches the schema passes. Others have problems with paths.

use capnp::introspect::Introspect;
use capnp::message::{Builder, HeapAllocator, SegmentArray};
use capnp::schema_capnp::field as schema_field;
use quota_schema::quota_capnp::{quota_rule, quota_spec};
use schema::health_capnp::{health_check_service_spec, health_check_spec};
use schema::metrics_capnp::metrics_service_spec;
use schema::rpc_capnp::{rpc_server_spec, x509_key_pair};

use super::*;
use crate::limits::{MAX_MESSAGE_WORDS, reader_options};

fn problems<T: Introspect>(message: &Builder<HeapAllocator>) -> String {
    let segments = message.get_segments_for_output();
    problems_of::<T, _>(&segments)
}

fn problems_of<T: Introspect, S: ReaderSegments>(segments: S) -> String {
    let mut problems = Problems::new();
    check(&Reader::new(segments, reader_options()), T::introspect(), &mut problems);
    problems.to_string()
}

fn of_words<T: Introspect>(words: &[u64]) -> String {
    let words: Vec<_> = words
        .iter()
        .map(|word| {
            let [b0, b1, b2, b3, b4, b5, b6, b7] = word.to_le_bytes();
            capnp::word(b0, b1, b2, b3, b4, b5, b6, b7)
        })
        .collect();
    problems_of::<T, _>(SegmentArray::new(&[capnp::Word::words_to_bytes(&words)]))
}

fn quota(names: &[&[u8]]) -> Builder<HeapAllocator> {
    let mut message = Builder::new_default();
    let count = u32::try_from(names.len()).unwrap();
    let mut rules = message.init_root::<quota_spec::Builder<'_>>().init_rules(count);
    for (index, name) in (0..).zip(names) {
        rules.reborrow().get(index).set_name(text::Reader(name));
    }
    message
}

#[test]
fn a_message_of_the_schema_has_no_problems() {
    assert_eq!(problems::<quota_spec::Owned>(&quota(&[b"a", b"b"])), "");
    let mut message = Builder::new_default();
    let mut spec = message.init_root::<metrics_service_spec::Builder<'_>>();
    spec.set_http_port(1);
    spec.set_max_series_per_vector(u32::MAX);
    spec.set_bind_address("::1");
    let mut metric = spec.init_metric_specs().init_histogram_vector_specs(1).get(0);
    metric.reborrow().init_label_names(1).set(0, "x");
    metric.init_metric_spec().init_buckets(1).set(0, 0.5);
    assert_eq!(problems::<metrics_service_spec::Owned>(&message), "");
}

#[test]
fn a_shorter_struct_of_an_older_author_has_no_problems() {
    // QuotaSpec without a pointer, and with one that is null.
    assert_eq!(of_words::<quota_spec::Owned>(&[0xffff_fffc]), "");
    assert_eq!(of_words::<quota_spec::Owned>(&[1 << 48, 0]), "");
}

#[test]
fn a_message_without_a_struct_is_refused() {
    assert_eq!(of_words::<quota_spec::Owned>(&[0]), "holds no struct");
    assert!(of_words::<quota_spec::Owned>(&[]).starts_with("is malformed: "));
}

#[test]
fn a_message_of_another_schema_is_refused() {
    let mut metrics = Builder::new_default();
    metrics.init_root::<metrics_service_spec::Builder<'_>>().set_http_port(9090);
    assert_eq!(problems::<quota_spec::Owned>(&metrics), UNKNOWN_DATA);

    let mut health = Builder::new_default();
    health.init_root::<health_check_service_spec::Builder<'_>>().set_command_server_chan_size(3);
    assert_eq!(problems::<quota_spec::Owned>(&health), UNKNOWN_DATA);

    let mut key_pair = Builder::new_default();
    let mut spec = key_pair.init_root::<x509_key_pair::Builder<'_>>();
    spec.set_key(b"PEM");
    spec.set_cert(b"PEM");
    let found = problems::<quota_spec::Owned>(&key_pair);
    assert_eq!(found, format!("{UNKNOWN_DATA}; rules: is a list, but not of structs"));
}

#[test]
fn bits_between_the_fields_are_no_fields() {
    // HealthCheckSpec has fields in the first 40 bits of the second word, and none in the rest. The upper half of it is
    // QuotaRule's maxKeys, which differs from its default in the bits that are set.
    for (bits, expected) in [(0x00ff, ""), (0x0100, UNKNOWN_DATA)] {
        let mut message = Builder::new_default();
        let mut rule = message.init_root::<quota_rule::Builder<'_>>();
        rule.set_burst(u32::MAX);
        rule.set_max_keys(100_000 ^ bits);
        assert_eq!(problems::<health_check_spec::Owned>(&message), expected, "{bits:x}");
    }
    let mut message = Builder::new_default();
    let mut spec = message.init_root::<health_check_spec::Builder<'_>>();
    spec.set_timeout_seconds(255);
    spec.set_run_interval_seconds(u16::MAX);
    assert_eq!(problems::<health_check_spec::Owned>(&message), "");
}

#[test]
fn text_that_is_no_text_is_refused_with_its_path() {
    assert_eq!(problems::<quota_spec::Owned>(&quota(&[b"a", b"\xff\xfe"])), "rules[1].name: is not UTF-8");
    // A struct where the schema says bytes.
    let mut message = Builder::new_default();
    message.init_root::<rpc_server_spec::Builder<'_>>().init_rpc_service_spec().set_port(1);
    let found = problems::<x509_key_pair::Owned>(&message);
    assert!(found.contains("key: is malformed: "), "{found}");
}

#[test]
fn unions_and_groups_are_followed_as_they_are_set() {
    let field_of = |change: &dyn Fn(schema_field::Builder<'_>)| {
        let mut message = Builder::new_default();
        change(message.init_root());
        problems::<schema_field::Owned>(&message)
    };
    assert_eq!(
        field_of(&|mut field| {
            field.set_name("a");
            field.init_slot().init_type().init_list().init_element_type().set_bool(());
        }),
        ""
    );
    assert_eq!(
        field_of(&|field| {
            field.init_slot().init_default_value().set_text(text::Reader(b"\xff"));
        }),
        "slot.defaultValue.text: is not UTF-8"
    );
    let mut message = Builder::new_default();
    let mut type_ = message.init_root::<capnp::schema_capnp::type_::Builder<'_>>();
    type_.reborrow().init_struct().set_type_id(7);
    assert_eq!(problems::<capnp::schema_capnp::type_::Owned>(&message), "");
}

#[test]
fn a_union_set_to_what_nobody_knows_is_refused() {
    // Type, a union of 19: one word of data with the tag 0xff, and a null pointer.
    assert_eq!(
        of_words::<capnp::schema_capnp::type_::Owned>(&[0x0001_0003_0000_0000, 0xff, 0, 0, 0]),
        "is set to a member that this build does not know"
    );
}

#[test]
fn pointers_that_lead_out_of_the_message_are_refused() {
    // A struct of one pointer, to a list of structs far beyond the end.
    let found = of_words::<quota_spec::Owned>(&[1 << 48, 0x0000_0007_0000_0fff_u64 << 2 | 1]);
    assert!(found.starts_with("rules: is malformed: "), "{found}");
}

#[test]
fn a_message_that_shows_one_part_many_times_costs_no_more_than_the_limit() {
    // QuotaSpec with a list of many rules, whose names are all one text of 8,000 words.
    let (rules, text) = (2_000_u64, 8_000_u64);
    let mut words = vec![1 << 48, 1 | (7 << 32) | ((rules * 3) << 35)];
    words.push((rules << 2) | (2 << 32) | (1 << 48));
    for rule in 0..rules {
        let to_text = (rules - 1 - rule) * 3;
        words.extend([0, 0, 1 | (to_text << 2) | (2 << 32) | ((text * 8) << 35)]);
    }
    words.extend(vec![0x6161_6161_6161_6161; usize::try_from(text).unwrap() - 1]);
    words.push(0x0061_6161_6161_6161);
    assert!(words.len() < MAX_MESSAGE_WORDS);
    let found = of_words::<quota_spec::Owned>(&words);
    assert!(found.contains("Read limit exceeded"), "{found}");
}
