//! Writes the seeds of the corpus, and the words of JSON: `cargo run --release --example seeds`, in this folder.
//!
//! The seeds of `sealed` differ each time, since sealing is random.

use std::fs;
use std::io::Write;
use std::iter::repeat_n;

use app_config::author::{example, from_json};
use app_config::codec::{decode, marshal};
use app_config_fuzz::{keys, types};
use app_sealing::{ConfigIdentity, seal};
use capnp::message::{AllocationStrategy, Builder, HeapAllocator};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use quota_schema::quota_capnp::quota_spec;

/// Common mistakes, and some valid JSON.
const MISTAKES: [(&str, &str); 10] = [
    (
        "quota-strict",
        r#"2{"rules": [{"name": "mail", "permits": "10"}, {"bust": 9}, {"permits": 1, "permits": 2}]}"#,
    ),
    (
        "quota-numbers",
        r#"2{"rules": [{"permits": -1}, {"permits": 1e3}, {"permits": 4294967295}, {"permits": 1.0}]}"#,
    ),
    ("quota-of-nothing", r#"2{"rules": null}"#),
    ("quota-text", r#"2{"rules": [{"name": "\u0000\ud83d\ude00\"\\ \u2028"}]}"#),
    (
        "metrics-ids",
        r#"1{"metricSpecs": {"gaugeSpecs": [{"serviceId": "0XfF", "metricId": 18446744073709551615}]}}"#,
    ),
    (
        "metrics-floats",
        r#"1{"metricSpecs": {"histogramSpecs": [{"buckets": [5e-1, 1e16, 0.1, -0.0, 1e-400, 1e400]}]}}"#,
    ),
    ("rpc-data", r#"3{"caCert": "@ca.pem", "serverCert": {"key": "YQ==", "cert": "-----BEGIN"}}"#),
    (
        "node-union",
        r#"5{"struct": {"isGroup": true}, "enum": {}, "const": {"type": {"bool": true}, "value": {"int8": -1}}}"#,
    ),
    ("value-names", r#"6{"float32": "NaN", "float64": "-Infinity", "enum": 3, "list": []}"#),
    ("private-number", r#"0{"$serde_json::private::Number": "1"}"#),
];

fn main() {
    let mut words = Vec::new();
    for (index, of) in (0..).zip(types::all()) {
        let json = example(of.schema);
        words.extend(json.split('"').map(str::to_owned).filter(|word| is_word(word)));
        write("json", &format!("{}-example", of.name), format!("{index}{json}").as_bytes());
        write("json", &format!("{}-empty", of.name), format!("{index}{{}}").as_bytes());
        for (kind, json) in [("example", json.as_str()), ("empty", "{}")] {
            let message = from_json(of.schema, json, None).expect("an example");
            write("framing", &format!("{}-{kind}", of.name), &framed(&message));
        }
    }
    for (name, json) in MISTAKES {
        write("json", name, json.as_bytes());
    }
    write("json", "node-deep", &nested(30));
    let deep = from_json(types::all()[5].schema, str::from_utf8(&nested(13)[1..]).expect("JSON"), None);
    write("framing", "node-deep", &framed(&deep.expect("not too deep")));
    framing();
    sealed();
    words.sort();
    words.dedup();
    words.extend(["@", "0x", "NaN", "Infinity"].map(str::to_owned));
    let words: String = words.iter().map(|word| format!("\"\\\"{word}\\\"\"\n")).collect();
    fs::write("json.dict", format!("# Names and texts of the seeds; written by examples/seeds.rs.\n{words}"))
        .expect("this folder");
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    fs::write(format!("corpus/{target}/{name}"), bytes).expect("the folder is there");
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A type of nested lists.
fn nested(depth: usize) -> Vec<u8> {
    let inner = "{\"list\":{\"elementType\":".repeat(depth);
    format!("5{{\"const\":{{\"type\":{inner}{{\"text\":true}}{}}}}}", "}}".repeat(depth)).into_bytes()
}

fn framed(message: &Builder<HeapAllocator>) -> Vec<u8> {
    let mut file = Vec::new();
    marshal(message, &mut file).expect("a small message");
    file
}

fn rules() -> Builder<HeapAllocator> {
    let few = HeapAllocator::new().first_segment_words(4).allocation_strategy(AllocationStrategy::FixedSize);
    let mut message = Builder::new(few);
    let mut rules = message.init_root::<quota_spec::Builder<'_>>().init_rules(3);
    for (index, name) in (0..).zip(["default", "mail", ""]) {
        rules.reborrow().get(index).set_name(name);
        rules.reborrow().get(index).set_permits(100 << index);
    }
    message
}

fn framing() {
    const WORDS_OF_64_MIB: u32 = 8 << 20;
    let whole = framed(&rules());
    write("framing", "quota-many-segments", &whole);
    write("framing", "cut-short", &whole[..whole.len() - 5]);
    write("framing", "cut-to-one-byte", &whole[..1]);
    write("framing", "changed", &[&whole[..20], b"?", &whole[21..]].concat());
    write("framing", "longer", &[&whole[..], b"\0"].concat());
    let bomb = zlib(&vec![0; 2 << 20]);
    write("framing", "bomb-of-zlib", &bomb);
    write("framing", "bomb-of-zlib-cut", &bomb[..bomb.len() / 2]);
    let zeros: Vec<u8> = repeat_n([0x00, 0xff], WORDS_OF_64_MIB as usize / 256).flatten().collect();
    write("framing", "bomb-of-packing", &zlib(&[&table(0, WORDS_OF_64_MIB)[..], &zeros].concat()));
    write("framing", "claims-64-mib", &zlib(&table(0, WORDS_OF_64_MIB)));
    write("framing", "claims-600-segments", &zlib(&table(599, 1)));
    // The root has a pointer to 131,000 structs of no size.
    let structs: [u64; 3] = [1 << 48, 1 | 7 << 32, 131_000 << 2];
    let packed: Vec<u8> =
        structs.iter().flat_map(|word| [&[0xff][..], &word.to_le_bytes(), &[0]].concat()).collect();
    write("framing", "structs-of-no-size", &zlib(&[&table(0, 3)[..], &packed].concat()));
}

fn zlib(packed: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(packed).expect("a vector takes it");
    encoder.finish().expect("a vector takes it")
}

/// The beginning of a packed segment table.
fn table(last_segment: u32, words: u32) -> Vec<u8> {
    [&[0xff][..], &last_segment.to_le_bytes(), &words.to_le_bytes(), &[0]].concat()
}

fn sealed() {
    let recipients: Vec<_> = keys::identities().iter().map(ConfigIdentity::recipient).collect();
    let content = framed(&rules());
    decode(&content).expect("a config");
    let to = |recipients| seal(&content, recipients).expect("small");
    let whole = to(&recipients);
    write("sealed", "to-both", &whole);
    write("sealed", "to-one", &to(&recipients[1..]));
    write("sealed", "to-others", &to(&[ConfigIdentity::generate().recipient()]));
    write("sealed", "of-nothing", &seal(b"", &recipients[..1]).expect("small"));
    write("sealed", "of-a-bomb", &seal(&zlib(&vec![0; 2 << 20]), &recipients[..1]).expect("small"));
    write("sealed", "cut-in-header", &whole[..150]);
    write("sealed", "cut-in-content", &whole[..whole.len() - 1]);
    write("sealed", "changed", &[&whole[..whole.len() - 1], b"?"].concat());
    write("sealed", "longer", &[&whole[..], b"\0"].concat());
    write("sealed", "plain", &content);
    let header = |stanzas: &str| format!("age-encryption.org/v1\n{stanzas}--- {0}\n{0}", "A".repeat(43));
    write("sealed", "passphrase", header("-> scrypt c2FsdA 18\n\n").as_bytes());
    write("sealed", "other-types", header("-> ssh-ed25519 a b\nAAAA\n-> x-grease\n\n").as_bytes());
    let stanza = format!("-> X25519 {0}A\n{0}A\n", "B".repeat(42));
    write("sealed", "many-stanzas", header(&stanza.repeat(38)).as_bytes());
    write("sealed", "too-many-stanzas", header(&stanza.repeat(50)).as_bytes());
    write("sealed", "armored", b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5\n");
}
