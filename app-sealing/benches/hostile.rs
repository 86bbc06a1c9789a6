//! The cost of hostile sealed files before they are refused: time, and additional memory.
//!
//! Prints a table. Fails if a file is not refused, or takes more than 20 ms (the stanzas 50 ms) or 4 MiB.
//! `cargo bench -p app-sealing --bench hostile`

#![allow(clippy::expect_used, reason = "a bench fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use app_config::codec::{MAX_FILE_BYTES, decode};
use app_sealing::{ConfigIdentities, ConfigIdentity, open, seal};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ROUNDS: usize = 20;
const MOST_MEMORY_BYTES: usize = 4 << 20;
const MOST_TIME: Duration = Duration::from_millis(20);
const MOST_TIME_OF_STANZAS: Duration = Duration::from_millis(50);

struct Hostile {
    name: &'static str,
    file: Vec<u8>,
    most_time: Duration,
}

fn zlib(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    for part in parts {
        encoder.write_all(part.as_ref()).expect("a vector takes it");
    }
    encoder.finish().expect("a vector takes it")
}

fn hostile_files(identity: &ConfigIdentity) -> Vec<Hostile> {
    let zeros = vec![0; 1 << 20];
    let bomb = zlib(std::iter::repeat_n(&zeros, 1024));
    let sealed = seal(&bomb[..MAX_FILE_BYTES - 1000], &[identity.recipient()]).expect("within the limits");
    let stanza = format!("-> X25519 {0}A\n{0}A\n", "A".repeat(42));
    let stanzas = format!("age-encryption.org/v1\n{}--- {}A\n", stanza.repeat(4050), "A".repeat(42));
    let largest = seal(&vec![0; MAX_FILE_BYTES - 1000], &[ConfigIdentity::generate().recipient()]);
    let quick = |name, file| Hostile { name, file, most_time: MOST_TIME };
    vec![
        quick("a part of 1 GiB of zeros in zlib, sealed", sealed),
        Hostile {
            name: "400 kB of age stanzas",
            file: stanzas.into_bytes(),
            most_time: MOST_TIME_OF_STANZAS,
        },
        quick("the largest file, sealed to others", largest.expect("within the limits")),
    ]
}

/// Why the file is refused.
fn refusal(file: &[u8], identities: &ConfigIdentities) -> Option<String> {
    match open(file, identities) {
        Ok(plain) => decode(&plain).err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

fn main() -> ExitCode {
    let identity = ConfigIdentity::generate();
    let files = hostile_files(&identity);
    let identities = ConfigIdentities::of([identity]).expect("there is one");
    let mut failed = false;
    println!("| file | bytes | time, worst of {ROUNDS} | extra memory | refused because |");
    println!("|---|--:|--:|--:|---|");
    for Hostile { name, file, most_time } in files {
        let (mut time, mut memory_bytes, mut reason) = (Duration::ZERO, 0, None);
        for _ in 0..ROUNDS {
            MEMORY.reset_peak_usage();
            let before = MEMORY.current_usage();
            let began = Instant::now();
            reason = refusal(&file, &identities);
            time = time.max(began.elapsed());
            memory_bytes = memory_bytes.max(MEMORY.peak_usage().saturating_sub(before));
        }
        // Only optimised code has to keep the limit of time.
        let slow = time > most_time && !cfg!(debug_assertions);
        failed |= slow || memory_bytes > MOST_MEMORY_BYTES || reason.is_none();
        let reason = reason.unwrap_or_else(|| "NOT REFUSED".to_owned());
        println!("| {name} | {} | {time:.1?} | {} KiB | {reason} |", file.len(), memory_bytes / 1024);
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
