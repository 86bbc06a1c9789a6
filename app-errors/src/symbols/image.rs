//! The file of a program or a library (ELF): its segments, its symbols, and its debug information.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::rc::Rc;

use gimli::{Dwarf, Reader as _};
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _};
use object::{LittleEndian, ReadCache};

use super::calls::Names;
use super::debug_info::DebugInfo;
use super::file_slice::FileSlice;
use crate::Frame;

/// The bytes of one entry of a symbol table.
const SYMBOL_BYTES: usize = 24;

/// A 64-bit little-endian ELF file. Others are refused.
pub(super) struct Image {
    file: Rc<File>,
    segments: Vec<Segment>,
    sections: Vec<Section>,
}

/// A part of the file that is mapped into memory.
struct Segment {
    offset: u64,
    bytes: u64,
    address: u64,
}

struct Section {
    name: Vec<u8>,
    kind: elf::SectionType,
    /// The index of the section that has the names for this section's entries.
    link: usize,
    start: usize,
    end: usize,
}

impl Image {
    pub(super) fn read(file: File) -> object::Result<Self> {
        let (mut segments, mut sections) = (Vec::new(), Vec::new());
        let parts = ReadCache::new(&file);
        let header = FileHeader64::<LittleEndian>::parse(&parts)?;
        let endian = header.endian()?;
        for segment in header.program_headers(endian, &parts)? {
            if segment.p_type(endian) == elf::PT_LOAD {
                segments.push(Segment {
                    offset: segment.p_offset(endian),
                    bytes: segment.p_filesz(endian),
                    address: segment.p_vaddr(endian),
                });
            }
        }
        let table = header.sections(endian, &parts)?;
        for section in table.iter() {
            // A compressed section would have to be in memory as a whole, so it counts as missing.
            let compressed = section.sh_flags(endian).0 & elf::SHF_COMPRESSED.0 != 0;
            let (start, bytes) = section.file_range(endian).filter(|_| !compressed).unwrap_or_default();
            sections.push(Section {
                name: table.section_name(endian, section)?.to_vec(),
                kind: section.sh_type(endian),
                link: usize::try_from(section.sh_link(endian)).unwrap_or_default(),
                start: usize::try_from(start).unwrap_or_default(),
                end: usize::try_from(start.saturating_add(bytes)).unwrap_or_default(),
            });
        }
        drop(parts);
        Ok(Self { file: Rc::new(file), segments, sections })
    }

    /// The address that the file assigns to this offset.
    pub(super) fn address_of(&self, offset: u64) -> Option<u64> {
        let mut segments = self.segments.iter();
        let inside =
            |segment: &&Segment| offset.checked_sub(segment.offset).is_some_and(|at| at < segment.bytes);
        segments.find(inside).map(|segment| offset - segment.offset + segment.address)
    }

    /// The frames of `addresses`, which must be sorted, and as this file assigns them.
    pub(super) fn frames(&self, addresses: &[u64]) -> HashMap<u64, Vec<Frame>> {
        let names = self.symbols(addresses).unwrap_or_default();
        DebugInfo::new(self.dwarf()).frames(addresses, &names)
    }

    fn slice(&self, section: &Section) -> FileSlice {
        FileSlice::new(&self.file, section.start, section.end)
    }

    pub(super) fn dwarf(&self) -> Dwarf<FileSlice> {
        let section = |id: gimli::SectionId| {
            let found = self.sections.iter().find(|section| section.name == id.name().as_bytes());
            found.map_or_else(|| FileSlice::new(&self.file, 0, 0), |section| self.slice(section))
        };
        match Dwarf::load(|id| Ok::<_, std::convert::Infallible>(section(id))) {
            Ok(dwarf) => dwarf,
            Err(never) => match never {},
        }
    }

    /// The names of the functions at the addresses, from the symbol table.
    fn symbols(&self, addresses: &[u64]) -> gimli::Result<Names> {
        let of_kind = |kind| self.sections.iter().find(|section| section.kind == kind);
        let table = of_kind(elf::SHT_SYMTAB).or_else(|| of_kind(elf::SHT_DYNSYM));
        let Some((table, texts)) = table.and_then(|table| Some((table, self.sections.get(table.link)?)))
        else {
            return Ok(Names::default());
        };
        let mut best: BTreeMap<u64, Symbol> = BTreeMap::new();
        let mut symbols = self.slice(table);
        while symbols.len() >= SYMBOL_BYTES {
            let Some(symbol) = Symbol::read(&mut symbols)? else { continue };
            for address in super::lines::within(addresses, symbol.address, symbol.end()) {
                let nearest = best.entry(*address).or_insert(symbol);
                if nearest.address < symbol.address {
                    *nearest = symbol;
                }
            }
        }
        let texts = self.slice(texts);
        let named = best.into_iter().map(|(address, symbol)| Ok((address, texts.text_at(symbol.name)?)));
        named.collect()
    }
}

/// A function of a symbol table.
#[derive(Clone, Copy)]
struct Symbol {
    name: usize,
    address: u64,
    bytes: u64,
}

impl Symbol {
    /// Reads one entry. `None` if it is not a function, or a function of another file.
    fn read(entries: &mut FileSlice) -> gimli::Result<Option<Self>> {
        let name = entries.read_u32()?;
        let kind = elf::SymbolType(entries.read_u8()? & 0xf);
        entries.skip(1)?;
        let section = elf::SymbolSection(entries.read_u16()?);
        let (address, bytes) = (entries.read_u64()?, entries.read_u64()?);
        let is_code = matches!(kind, elf::STT_FUNC | elf::STT_NOTYPE | elf::STT_GNU_IFUNC);
        let name = usize::try_from(name).unwrap_or_default();
        Ok((is_code && section != elf::SHN_UNDEF).then_some(Self { name, address, bytes }))
    }

    fn end(self) -> u64 {
        self.address.saturating_add(self.bytes)
    }
}
