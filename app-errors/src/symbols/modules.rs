//! The file that each address is mapped from, as Linux lists it in `/proc/self/maps`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;

const MAPS: &str = "/proc/self/maps";
const PROGRAM: &str = "/proc/self/exe";

/// A mapped file, and the addresses of a look-up that belong to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Module {
    path: String,
    inode: u64,
    /// Each address with its offset in the file.
    pub(super) addresses: Vec<(usize, u64)>,
}

impl Module {
    /// Opens the file, if the path still names the mapped file.
    pub(super) fn open(&self) -> io::Result<File> {
        // The link leads to the running program, even if another file has its name now.
        let is_program = fs::read_link(PROGRAM).is_ok_and(|program| program.as_os_str() == &*self.path);
        let file = File::open(if is_program { PROGRAM } else { &self.path })?;
        if is_program || file.metadata()?.ino() == self.inode {
            Ok(file)
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, "the file was replaced"))
        }
    }

    /// The last part of the path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// The files of `addresses`, which must be sorted. Addresses that belong to no file are left out. Empty without `/proc`.
pub(super) fn of(addresses: &[usize]) -> Vec<Module> {
    File::open(MAPS).map(|maps| among(addresses, BufReader::new(maps))).unwrap_or_default()
}

fn among(addresses: &[usize], maps: impl BufRead) -> Vec<Module> {
    let mut modules: BTreeMap<(String, u64), Vec<(usize, u64)>> = BTreeMap::new();
    // Lines are split as bytes: a path may be invalid UTF-8. The kernel escapes line breaks in it.
    for line in maps.split(b'\n').map_while(Result::ok) {
        let Some(mapping) = Mapping::parse(&line) else { continue };
        let from = addresses.partition_point(|address| *address < mapping.start);
        let to = addresses.partition_point(|address| *address < mapping.end);
        if from < to {
            let path = String::from_utf8_lossy(mapping.path).into_owned();
            let inside = addresses[from..to].iter();
            let inside = inside.map(|address| (*address, (*address - mapping.start) as u64 + mapping.offset));
            modules.entry((path, mapping.inode)).or_default().extend(inside);
        }
    }
    modules.into_iter().map(|((path, inode), addresses)| Module { path, inode, addresses }).collect()
}

/// A line as `55d0a000-55d0b000 r-xp 00001000 08:01 1234   /usr/bin/app`.
struct Mapping<'a> {
    start: usize,
    end: usize,
    offset: u64,
    inode: u64,
    path: &'a [u8],
}

impl<'a> Mapping<'a> {
    /// `None` if the mapping has no file.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let path = &line[line.iter().position(|byte| *byte == b'/')?..];
        let mut fields = str::from_utf8(&line[..line.len() - path.len()]).ok()?.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let offset = fields.nth(1)?;
        let inode = fields.nth(1)?;
        Some(Self {
            start: usize::from_str_radix(start, 16).ok()?,
            end: usize::from_str_radix(end, 16).ok()?,
            offset: u64::from_str_radix(offset, 16).ok()?,
            inode: inode.parse().ok()?,
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55d0a000-55d0b000 r--p 00000000 08:01 1234                       /usr/bin/app
55d0b000-55d0c000 r-xp 00001000 08:01 1234                       /usr/bin/app
7f000000-7f001000 rw-p 00000000 00:00 0
7f100000-7f200000 r-xp 00000000 08:01 99                         /lib/with space.so (deleted)
7ffe0000-7ffe2000 r-xp 00000000 00:00 0                          [vdso]
";

    #[test]
    fn addresses_are_found_with_their_offset_in_the_file() {
        let found =
            among(&[0x10, 0x55d0_b010, 0x55d0_c000, 0x7f00_0001, 0x7f10_0002, 0x7ffe_0000], MAPS.as_bytes());
        let of = |path: &str, inode, address, offset| Module {
            path: path.to_owned(),
            inode,
            addresses: vec![(address, offset)],
        };
        let app = of("/usr/bin/app", 1234, 0x55d0_b010, 0x1010);
        let library = of("/lib/with space.so (deleted)", 99, 0x7f10_0002, 2);
        assert_eq!(found, [library, app]);
        assert_eq!(found[0].name(), "with space.so (deleted)");
    }

    #[test]
    fn malformed_lines_are_left_out() {
        assert_eq!(among(&[1], &b"0-2 /\nx-y r-xp 0 0 0 /a\n\xff\n-\n0-2 r-xp zz 0:0 1 /a\n"[..]), []);
    }

    #[test]
    fn a_file_that_was_replaced_is_not_opened() {
        let path = std::env::current_exe().unwrap().with_extension("d");
        let path = path.to_str().unwrap().to_owned();
        fs::write(&path, "").unwrap();
        let module = Module { inode: fs::metadata(&path).unwrap().ino() + 1, path, addresses: Vec::new() };
        assert_eq!(module.open().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
