//! Mutations of a config file: of the compressed content, or of the message itself.

use std::io::Read;

use app_config::codec::decode;
use flate2::read::ZlibDecoder;
use libfuzzer_sys::fuzzer_mutate;

/// Content that unpacks to more is a bomb. Only its compressed bytes are changed.
const MOST_INSIDE_BYTES: usize = 64 * 1024;

/// Changes the file. In most cases the result is still a whole zlib file.
pub fn mutate(file: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let inside = match seed % 8 {
        0 => None,
        1..=3 => change_packed(&file[..size]),
        layer => change_words(&file[..size], layer == 4),
    };
    match inside.map(|packed| zlib(&packed)) {
        Some(changed) if changed.len() <= max_size => {
            file[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        _ => fuzzer_mutate(file, size, max_size),
    }
}

/// A zlib stream without compression, which is cheap to make.
fn zlib(content: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks = content.chunks(usize::from(u16::MAX));
    for block in blocks {
        let length = block.len() as u16;
        stream.push(0);
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    // The last block is empty.
    stream.extend([1, 0, 0, 0xff, 0xff]);
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in content {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}

fn change_packed(file: &[u8]) -> Option<Vec<u8>> {
    let mut packed = Vec::new();
    let limit = MOST_INSIDE_BYTES as u64 + 1;
    // The beginning of a truncated stream can be changed too.
    let _cut = ZlibDecoder::new(file).take(limit).read_to_end(&mut packed);
    (packed.len() <= MOST_INSIDE_BYTES).then(|| change(packed))
}

/// Changes the words of a message. Either the segment table is changed too, or the table is made to fit.
fn change_words(file: &[u8], with_table: bool) -> Option<Vec<u8>> {
    let words = decode(file).ok()?.into_segments().into_buffer();
    if words.len() > MOST_INSIDE_BYTES {
        return None;
    }
    let one_segment = words.starts_with(&[0; 4]);
    if with_table || !one_segment {
        return Some(pack(&change(words.to_vec())));
    }
    let mut segment = change(words[8..].to_vec());
    segment.resize(segment.len().next_multiple_of(8), 0);
    let table = ((segment.len() as u64 / 8) << 32).to_le_bytes();
    Some(pack(&[&table, &segment[..]].concat()))
}

fn change(mut bytes: Vec<u8>) -> Vec<u8> {
    let size = bytes.len();
    bytes.resize(size + 256, 0);
    let size = fuzzer_mutate(&mut bytes, size, size + 256);
    bytes.truncate(size);
    bytes
}

/// Cap'n Proto's packing, with a tag for each word and no runs.
fn pack(words: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(words.len() * 5 / 4);
    for word in words.chunks(8) {
        let tag = (0..).zip(word).map(|(place, byte)| u8::from(*byte != 0) << place).sum();
        packed.push(tag);
        packed.extend(word.iter().filter(|byte| **byte != 0));
        if tag == 0 || tag == 0xff {
            packed.push(0);
        }
    }
    packed
}
