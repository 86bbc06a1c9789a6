//! Reads Cap'n Proto's packed encoding: <https://capnproto.org/encoding.html#packing>.
//!
//! The reader of the `capnp` crate allocates the size that the segment table claims, before it has read the words. This reader
//! grows with the words. It also reads runs that continue from the table into the message, which Go's `MarshalPacked` writes.

use capnp::{Word, word};

use super::Words;
use super::errors::UnmarshalError;

const ZERO: Word = word(0, 0, 0, 0, 0, 0, 0, 0);

/// Unpacks all of `packed`.
pub(super) fn unpack(packed: &[u8], limit_words: usize) -> Result<Words, UnmarshalError> {
    // Typical messages have 3 to 5 bytes a word. This guess costs at most twice the input.
    let mut unpacked = Words::with_capacity((packed.len() / 4).min(limit_words));
    let mut rest = packed;
    while let Some((&tag, after)) = rest.split_first() {
        let cut = || UnmarshalError::PackedCutShort { offset: packed.len() };
        let run = match tag {
            0x00 => after.first().map(|&run| usize::from(run)).ok_or_else(cut)?,
            0xff => after.get(8).map(|&run| usize::from(run)).ok_or_else(cut)?,
            _ => 0,
        };
        if unpacked.0.len() + run >= limit_words {
            return Err(UnmarshalError::UnpacksTooFar);
        }
        unpacked.make_room(1 + run, limit_words);
        let words = &mut unpacked.0;
        rest = match tag {
            0x00 => {
                words.resize(words.len() + 1 + run, ZERO);
                &after[1..]
            }
            0xff => {
                let (first, after) = after.split_first_chunk::<8>().ok_or_else(cut)?;
                let (raw, after) = after[1..].split_at_checked(run * 8).ok_or_else(cut)?;
                words.push(whole(first));
                words.extend(raw.as_chunks::<8>().0.iter().map(whole));
                after
            }
            _ => {
                let taken = tag.count_ones() as usize;
                if let Some(bytes) = after.first_chunk::<8>() {
                    words.push(spread(tag, bytes));
                } else {
                    let bytes = after.get(..taken).ok_or_else(cut)?;
                    let mut padded = [0; 8];
                    padded[..taken].copy_from_slice(bytes);
                    words.push(spread(tag, &padded));
                }
                &after[taken..]
            }
        };
    }
    Ok(unpacked)
}

fn whole(bytes: &[u8; 8]) -> Word {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = *bytes;
    word(b0, b1, b2, b3, b4, b5, b6, b7)
}

/// For each tag and each byte of the word: the index of the input byte that goes there. 8 means none.
const PLACES: [[u8; 8]; 256] = places();

const fn places() -> [[u8; 8]; 256] {
    let mut places = [[8; 8]; 256];
    let mut tag = 0;
    while tag < 256 {
        let (mut place, mut next) = (0, 0);
        while place < 8 {
            if (tag >> place) & 1 == 1 {
                places[tag][place] = next;
                next += 1;
            }
            place += 1;
        }
        tag += 1;
    }
    places
}

/// The word whose non-zero bytes are the first ones of `bytes`. `tag` has a bit for each of their places.
fn spread(tag: u8, bytes: &[u8; 8]) -> Word {
    let mut padded = [0; 16];
    padded[..8].copy_from_slice(bytes);
    whole(&PLACES[usize::from(tag)].map(|from| padded[usize::from(from & 15)]))
}
