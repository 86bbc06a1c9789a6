//! Why a file is not a config, and why a message can't become a config file.
//!
//! No text repeats a byte of the content, since configs hold secrets.

use std::{error, fmt, io};

use crate::limits::{MAX_FILE_BYTES, MAX_MESSAGE_WORDS, MAX_PACKED_BYTES};
use crate::problems::counted;

/// Why [`unmarshal`](super::unmarshal) refused its input.
#[derive(Debug)]
#[non_exhaustive]
pub enum UnmarshalError {
    /// Reading failed.
    Read(io::Error),
    /// It has no bytes.
    Empty,
    /// It is sealed with age. It must be opened first.
    Sealed,
    /// It is larger than [`MAX_FILE_BYTES`].
    FileTooLarge,
    /// It does not begin as zlib data.
    NotZlib,
    /// The compressed data ends before its end mark and checksum.
    CutShort,
    /// The compressed data is invalid.
    Damaged {
        /// How many bytes were read before the error was found.
        offset: u64,
    },
    /// It inflates to more than [`MAX_PACKED_BYTES`].
    InflatesTooFar,
    /// Bytes follow the compressed data.
    TrailingBytes {
        /// How many bytes.
        bytes: u64,
    },
    /// The packed message ends inside a word.
    PackedCutShort {
        /// Its length in bytes.
        offset: usize,
    },
    /// It unpacks to more than [`MAX_MESSAGE_WORDS`].
    UnpacksTooFar,
    /// It has no message, not even a segment table.
    NoMessage,
    /// The message claims to have too many segments.
    TooManySegments {
        /// How many.
        segments: usize,
    },
    /// The segment table is truncated.
    TableCutShort,
    /// The segment table claims more than [`MAX_MESSAGE_WORDS`].
    ClaimsTooMuch {
        /// How many words.
        words: usize,
    },
    /// The message is shorter than its segment table claims.
    MessageCutShort {
        /// Words that the table claims.
        claimed: usize,
        /// Words that it has.
        present: usize,
    },
    /// Words follow the message.
    TrailingWords {
        /// How many words.
        words: usize,
    },
    /// Cap'n Proto refused the message.
    Message(capnp::Error),
}

impl fmt::Display for UnmarshalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(_) => f.write_str("reading failed"),
            Self::Empty => f.write_str("the file is empty"),
            Self::Sealed => f.write_str("the file is sealed (age): open it first"),
            Self::FileTooLarge => {
                write!(f, "the file is larger than {MAX_FILE_BYTES} bytes, the most that a config may have")
            }
            Self::NotZlib => f.write_str("the file is no config: it does not begin as zlib data"),
            Self::CutShort => f.write_str("the file is cut short: its compressed data has no end"),
            Self::Damaged { offset } => {
                write!(f, "the file is damaged: its compressed data is invalid at byte {offset} or before")
            }
            Self::InflatesTooFar => {
                write!(f, "the file inflates to more than {MAX_PACKED_BYTES} bytes, the most that is allowed")
            }
            Self::TrailingBytes { bytes } => {
                let more = follow(*bytes, "byte");
                write!(f, "the file does not end where its compressed data ends: {more}")
            }
            Self::PackedCutShort { offset } => {
                let bytes = counted(*offset as u64, "byte");
                write!(f, "the packed message is cut short: it ends inside a word, after {bytes}")
            }
            Self::UnpacksTooFar => {
                write!(
                    f,
                    "the message unpacks to more than {MAX_MESSAGE_WORDS} words, the most that is allowed"
                )
            }
            Self::NoMessage => f.write_str("the file holds no message"),
            // The claim is part of the content. In a sealed file it may be part of a secret.
            Self::TooManySegments { .. } => {
                f.write_str("the message claims to have more segments than are allowed")
            }
            Self::TableCutShort => f.write_str("the message is cut short: its segment table is not whole"),
            Self::ClaimsTooMuch { .. } => write!(
                f,
                "the message claims to have more than the {MAX_MESSAGE_WORDS} words that are allowed"
            ),
            Self::MessageCutShort { .. } => {
                f.write_str("the message is cut short: it claims to have more words than it has")
            }
            Self::TrailingWords { words } => {
                let more = follow(*words as u64, "word");
                write!(f, "the file does not end where its message ends: {more}")
            }
            Self::Message(_) => f.write_str("the message is malformed"),
        }
    }
}

impl error::Error for UnmarshalError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Read(cause) => Some(cause),
            Self::Message(cause) => Some(cause),
            _ => None,
        }
    }
}

fn follow(count: u64, noun: &str) -> String {
    format!("{} {}", counted(count, noun), if count == 1 { "follows" } else { "follow" })
}

/// Why [`marshal`](super::marshal) did not write a message.
#[derive(Debug)]
#[non_exhaustive]
pub enum MarshalError {
    /// The message has no root: its root was never initialised.
    NoRoot,
    /// The message has more than [`MAX_MESSAGE_WORDS`].
    TooManyWords {
        /// How many words it has.
        words: usize,
    },
    /// The message is in more segments than a reader accepts.
    TooManySegments {
        /// How many segments it has.
        segments: usize,
    },
    /// The message packs to more than [`MAX_PACKED_BYTES`].
    PacksTooFar {
        /// How many bytes it packs to.
        bytes: usize,
    },
    /// The file would have more than [`MAX_FILE_BYTES`].
    FileTooLarge {
        /// How many bytes it would have.
        bytes: usize,
    },
    /// Cap'n Proto refused the message.
    Message(capnp::Error),
    /// Writing failed.
    Write(io::Error),
}

impl fmt::Display for MarshalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoot => f.write_str("the message has no root"),
            Self::TooManyWords { words } => {
                write!(f, "the message has {words} words, more than the {MAX_MESSAGE_WORDS} that are allowed")
            }
            Self::TooManySegments { segments } => {
                write!(f, "the message is in {segments} segments, more than is allowed")
            }
            Self::PacksTooFar { bytes } => write!(
                f,
                "the message packs to {bytes} bytes, more than the {MAX_PACKED_BYTES} that are allowed"
            ),
            Self::FileTooLarge { bytes } => {
                write!(
                    f,
                    "the file would have {bytes} bytes, more than the {MAX_FILE_BYTES} that are allowed"
                )
            }
            Self::Message(_) => f.write_str("the message can't be packed"),
            Self::Write(_) => f.write_str("writing failed"),
        }
    }
}

impl error::Error for MarshalError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Message(cause) => Some(cause),
            Self::Write(cause) => Some(cause),
            _ => None,
        }
    }
}
