//! The cost of hostile files before they are refused: time, and additional memory.
//!
//! Prints a table. Fails if a file is not refused, or takes more than 20 ms or 4 MiB.
//! `cargo bench -p app-config --bench hostile`

#![allow(clippy::expect_used, reason = "a bench fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use app_config::codec::{MAX_FILE_BYTES, decode};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ROUNDS: usize = 20;
const MOST_MEMORY_BYTES: usize = 4 << 20;
const MOST_TIME: Duration = Duration::from_millis(20);

struct Hostile {
    name: &'static str,
    file: Vec<u8>,
}

fn zlib(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    for part in parts {
        encoder.write_all(part.as_ref()).expect("a vector takes it");
    }
    encoder.finish().expect("a vector takes it")
}

/// A packed segment table that claims this many words in one segment.
fn table(words: u32) -> Vec<u8> {
    let bytes = words.to_le_bytes();
    let tag = (0..4).filter(|&place| bytes[place] != 0).map(|place| 0b0001_0000 << place).sum();
    [tag].into_iter().chain(bytes.into_iter().filter(|&byte| byte != 0)).collect()
}

fn hostile_files() -> Vec<Hostile> {
    const WORDS_OF_64_MIB: u32 = 8 << 20;
    let zeros = vec![0; 1 << 20];
    let bomb = zlib(std::iter::repeat_n(&zeros, 1024));
    let packed = zlib([table(WORDS_OF_64_MIB), [0x00, 0xff].repeat(WORDS_OF_64_MIB as usize / 256)]);
    let claim = zlib([table(WORDS_OF_64_MIB)]);
    // The largest part of the bomb that a file may have.
    let cut = bomb[..MAX_FILE_BYTES].to_vec();
    let hostile = |name, file| Hostile { name, file };
    vec![
        hostile("1 GiB of zeros in zlib", bomb),
        hostile("the same, cut to what a file may have", cut),
        hostile("64 MiB of zeros, packed and in zlib", packed),
        hostile("a table of 8 bytes that claims 64 MiB", claim),
    ]
}

fn main() -> ExitCode {
    let mut failed = false;
    println!("| file | bytes | time, worst of {ROUNDS} | extra memory | refused because |");
    println!("|---|--:|--:|--:|---|");
    for Hostile { name, file } in hostile_files() {
        let (mut time, mut memory_bytes, mut reason) = (Duration::ZERO, 0, None);
        for _ in 0..ROUNDS {
            MEMORY.reset_peak_usage();
            let before = MEMORY.current_usage();
            let began = Instant::now();
            reason = decode(&file).err().map(|error| error.to_string());
            time = time.max(began.elapsed());
            memory_bytes = memory_bytes.max(MEMORY.peak_usage().saturating_sub(before));
        }
        // Only optimised code has to keep the limit of time.
        let slow = time > MOST_TIME && !cfg!(debug_assertions);
        failed |= slow || memory_bytes > MOST_MEMORY_BYTES || reason.is_none();
        let reason = reason.unwrap_or_else(|| "NOT REFUSED".to_owned());
        println!("| {name} | {} | {time:.1?} | {} KiB | {reason} |", file.len(), memory_bytes / 1024);
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
