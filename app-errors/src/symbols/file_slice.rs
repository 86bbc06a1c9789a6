//! A part of a file that gimli reads as if it were in memory. Pieces of the file are read on demand.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use gimli::{Error, LittleEndian, Reader, ReaderOffsetId, Result};

/// The bytes of one read.
const PIECE: usize = 16 * 1024;

/// The most bytes of a text. Longer texts are cut.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// A part of a file. Cheap to clone; clones share one piece in memory.
#[derive(Clone, Debug)]
pub(super) struct FileSlice {
    source: Rc<Source>,
    start: usize,
    end: usize,
}

#[derive(Debug)]
struct Source {
    file: Rc<File>,
    piece: RefCell<Piece>,
}

#[derive(Debug, Default)]
struct Piece {
    start: usize,
    bytes: Vec<u8>,
}

impl FileSlice {
    /// The part from `start` to `end`. It may extend beyond the end of the file: reading there is an error.
    pub(super) fn new(file: &Rc<File>, start: usize, end: usize) -> Self {
        let source = Source { file: Rc::clone(file), piece: RefCell::default() };
        Self { source: Rc::new(source), start, end: end.max(start) }
    }

    /// The text at `offset`, up to the next zero byte.
    pub(super) fn text_at(&self, offset: usize) -> Result<String> {
        let mut text = self.clone();
        text.skip(offset)?;
        Ok(text.read_null_terminated_slice()?.to_string_lossy()?.into_owned())
    }
}

impl Source {
    /// Calls `use_it` with the bytes from `start` on that are in memory: at least one, and none at `end` or after.
    fn with<T>(&self, start: usize, end: usize, use_it: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let mut piece = self.piece.borrow_mut();
        let inside = start.checked_sub(piece.start).is_some_and(|skipped| skipped < piece.bytes.len());
        if !inside {
            piece.bytes.resize(PIECE, 0);
            piece.start = start;
            let read = self.file.read_at(&mut piece.bytes, start as u64);
            piece.bytes.truncate(*read.as_ref().unwrap_or(&0));
            read.map_err(|_| Error::Io)?;
        }
        let bytes = &piece.bytes[start - piece.start..];
        let bytes = &bytes[..bytes.len().min(end - start)];
        if bytes.is_empty() { Err(self.ends_at(start)) } else { Ok(use_it(bytes)) }
    }

    fn ends_at(&self, at: usize) -> Error {
        Error::UnexpectedEof(ReaderOffsetId(at as u64))
    }
}

impl Reader for FileSlice {
    type Endian = LittleEndian;
    type Offset = usize;

    fn endian(&self) -> LittleEndian {
        LittleEndian
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    fn empty(&mut self) {
        self.end = self.start;
    }

    fn truncate(&mut self, len: usize) -> Result<()> {
        if len > self.len() {
            return Err(self.source.ends_at(self.start));
        }
        self.end = self.start + len;
        Ok(())
    }

    fn offset_from(&self, base: &Self) -> usize {
        self.start - base.start
    }

    fn offset_id(&self) -> ReaderOffsetId {
        ReaderOffsetId(self.start as u64)
    }

    fn lookup_offset_id(&self, id: ReaderOffsetId) -> Option<usize> {
        let at = usize::try_from(id.0).ok()?;
        (self.start..=self.end).contains(&at).then(|| at - self.start)
    }

    fn find(&self, byte: u8) -> Result<usize> {
        let mut at = self.start;
        while at < self.end {
            let (found, looked_at) = self
                .source
                .with(at, self.end, |bytes| (bytes.iter().position(|other| *other == byte), bytes.len()))?;
            match found {
                Some(found) => return Ok(at + found - self.start),
                None => at += looked_at,
            }
        }
        Err(self.source.ends_at(self.end))
    }

    fn skip(&mut self, len: usize) -> Result<()> {
        if len > self.len() {
            return Err(self.source.ends_at(self.start));
        }
        self.start += len;
        Ok(())
    }

    fn split(&mut self, len: usize) -> Result<Self> {
        let mut first = self.clone();
        first.truncate(len)?;
        self.start += len;
        Ok(first)
    }

    fn to_slice(&self) -> Result<Cow<'_, [u8]>> {
        let mut bytes = vec![0; self.len().min(MAX_TEXT_BYTES)];
        self.clone().read_slice(&mut bytes)?;
        Ok(bytes.into())
    }

    fn to_string(&self) -> Result<Cow<'_, str>> {
        String::from_utf8(self.to_slice()?.into_owned()).map(Cow::Owned).map_err(|_| Error::BadUtf8)
    }

    fn to_string_lossy(&self) -> Result<Cow<'_, str>> {
        Ok(String::from_utf8_lossy(&self.to_slice()?).into_owned().into())
    }

    fn read_slice(&mut self, buf: &mut [u8]) -> Result<()> {
        if buf.len() > self.len() {
            return Err(self.source.ends_at(self.start));
        }
        let mut filled = 0;
        while filled < buf.len() {
            filled += self.source.with(self.start + filled, self.end, |bytes| {
                let len = bytes.len().min(buf.len() - filled);
                buf[filled..filled + len].copy_from_slice(&bytes[..len]);
                len
            })?;
        }
        self.start += filled;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A file of a bit more than three pieces. Each byte depends on its position.
    fn file() -> (Rc<File>, Vec<u8>) {
        let bytes: Vec<u8> = (0..3 * PIECE + 100).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let path = std::env::temp_dir().join(format!("file-slice-{:x}", app_ids::random_u64()));
        File::create_new(&path).unwrap().write_all(&bytes).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        (Rc::new(file), bytes)
    }

    #[test]
    fn a_slice_reads_as_the_bytes_of_its_range() {
        let (file, bytes) = file();
        for (start, end) in [(0, bytes.len()), (5, PIECE + 1), (PIECE - 1, 2 * PIECE + 7), (9, 9)] {
            let mut slice = FileSlice::new(&file, start, end);
            assert_eq!(*slice.to_slice().unwrap(), bytes[start..end]);
            let (mut one_by_one, base) = (Vec::new(), slice.clone());
            while !slice.is_empty() {
                assert_eq!(slice.offset_from(&base), one_by_one.len());
                one_by_one.push(slice.read_u8().unwrap());
            }
            assert_eq!(one_by_one, bytes[start..end]);
        }
    }

    #[test]
    fn a_slice_finds_and_splits_as_a_slice_of_bytes_does() {
        let (file, bytes) = file();
        let mut slice = FileSlice::new(&file, 0, bytes.len());
        slice.skip(PIECE - 3).unwrap();
        let rest = &bytes[PIECE - 3..];
        let wanted = rest[200];
        assert_eq!(slice.find(wanted).unwrap(), rest.iter().position(|byte| *byte == wanted).unwrap());
        let first = slice.split(10).unwrap();
        assert_eq!(*first.to_slice().unwrap(), rest[..10]);
        assert_eq!(slice.clone().read_u8().unwrap(), rest[10]);
        assert_eq!(slice.lookup_offset_id(slice.offset_id()), Some(0));
        assert_eq!(FileSlice::new(&file, 1, 250).find(255), Err(Error::UnexpectedEof(ReaderOffsetId(250))));
    }

    #[test]
    fn reading_past_the_end_is_an_error() {
        let (file, bytes) = file();
        let mut within = FileSlice::new(&file, 10, 20);
        let ends_at_10 = Error::UnexpectedEof(ReaderOffsetId(10));
        assert_eq!(within.skip(11), Err(ends_at_10));
        assert_eq!(within.truncate(11), Err(ends_at_10));
        assert_eq!(within.read_slice(&mut [0; 11]), Err(ends_at_10));
        assert_eq!(within.len(), 10);
        let mut beyond = FileSlice::new(&file, bytes.len() - 1, bytes.len() + 10);
        beyond.read_u8().unwrap();
        assert!(beyond.read_u8().is_err(), "the slice extends beyond the file");
        let mut nowhere = FileSlice::new(&file, usize::MAX - 2, usize::MAX);
        assert!(nowhere.read_u8().is_err());
    }
}
