//! Debug information (DWARF): finds the unit of each address, and reads the frames there.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use backtrace::SymbolName;
use gimli::{DebugInfoOffset, Dwarf, Result, Unit};

use super::calls::{Call, Name, Names, calls};
use super::file_slice::FileSlice;
use super::lines::{self, Line, within};
use crate::Frame;

/// The debug information of one file.
pub(super) struct DebugInfo {
    pub(super) dwarf: Dwarf<FileSlice>,
    /// Start and end of each unit, in order.
    units: OnceCell<Vec<(usize, usize)>>,
}

impl DebugInfo {
    pub(super) fn new(dwarf: Dwarf<FileSlice>) -> Self {
        Self { dwarf, units: OnceCell::new() }
    }

    /// The frames of `addresses`, which must be sorted. Addresses without any information are left out.
    pub(super) fn frames(&self, addresses: &[u64], names: &Names) -> HashMap<u64, Vec<Frame>> {
        let mut frames = HashMap::with_capacity(addresses.len());
        // Without readable debug information there are still the names of the symbol table.
        for (unit, addresses) in self.units_of(addresses).unwrap_or_default() {
            frames.extend(self.frames_in(unit, &addresses, names).unwrap_or_default());
        }
        for (address, name) in names {
            frames.entry(*address).or_insert_with(|| vec![Frame { function: demangled(name), place: None }]);
        }
        frames
    }

    /// The units that have code at some of the addresses, each with these addresses in order.
    fn units_of(&self, addresses: &[u64]) -> Result<BTreeMap<usize, Vec<u64>>> {
        let mut unit_of: BTreeMap<u64, usize> = BTreeMap::new();
        let mut cover = |unit: usize, begin, end| {
            for address in within(addresses, begin, end) {
                unit_of.entry(*address).or_insert(unit);
            }
        };
        let mut tables = self.dwarf.debug_aranges.headers();
        let mut indexed = false;
        while let Some(table) = tables.next()? {
            let mut ranges = table.entries();
            while let Some(entry) = ranges.next()? {
                cover(table.debug_info_offset().0, entry.range().begin, entry.range().end);
            }
            indexed = true;
        }
        if !indexed {
            for (begin, _) in self.units()? {
                let unit = self.unit(*begin)?;
                let mut ranges = self.dwarf.unit_ranges(&unit)?;
                while let Some(range) = ranges.next()? {
                    cover(*begin, range.begin, range.end);
                }
            }
        }
        let mut found: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for (address, unit) in unit_of {
            found.entry(unit).or_default().push(address);
        }
        Ok(found)
    }

    fn units(&self) -> Result<&[(usize, usize)]> {
        if let Some(known) = self.units.get() {
            return Ok(known);
        }
        let (mut found, mut headers) = (Vec::new(), self.dwarf.units());
        while let Some(header) = headers.next()? {
            if let Some(begin) = header.debug_info_offset() {
                found.push((begin.0, begin.0 + header.length_including_self()));
            }
        }
        Ok(self.units.get_or_init(|| found))
    }

    fn unit(&self, begin: usize) -> Result<Unit<FileSlice>> {
        self.dwarf.unit(self.dwarf.unit_header(DebugInfoOffset(begin))?)
    }

    /// The unit that contains this offset of the debug information.
    pub(super) fn unit_around(&self, offset: usize) -> Result<Option<Unit<FileSlice>>> {
        let units = self.units()?;
        let before = units.partition_point(|(begin, _)| *begin <= offset).checked_sub(1);
        let around = before.map(|index| units[index]).filter(|(_, end)| offset < *end);
        around.map(|(begin, _)| self.unit(begin)).transpose()
    }

    fn frames_in(&self, unit: usize, addresses: &[u64], names: &Names) -> Result<HashMap<u64, Vec<Frame>>> {
        let unit = self.unit(unit)?;
        let lines = lines::lines(unit.unit_ref(&self.dwarf), addresses)?;
        let calls = calls(unit.unit_ref(&self.dwarf), addresses)?;
        let frames = addresses.iter().map(|address| {
            let (line, calls) = (lines.get(address), calls.get(address).map_or(&[][..], Vec::as_slice));
            (*address, self.frames_at(*address, line.copied(), calls, &unit, names))
        });
        Ok(frames.collect())
    }

    /// The frames of one address, innermost first, from its line and the calls that contain it (outermost first).
    fn frames_at(
        &self,
        address: u64,
        line: Option<Line>,
        calls: &[Call],
        unit: &Unit<FileSlice>,
        names: &Names,
    ) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(calls.len().max(1));
        let mut line = line;
        let mut frame = |name: Option<Name>, line: Option<Line>, outermost: bool| {
            // The debug information often has only the last part of a name.
            let linked = names.get(&address).filter(|_| outermost);
            let function = match (name, linked) {
                (Some(Name::Linked(name)), _) => demangled(&name),
                (_, Some(name)) => demangled(name),
                (Some(Name::Last(name)), None) => name,
                (None, None) => format!("{address:#x}"),
            };
            let place = line.and_then(|line| lines::place(unit.unit_ref(&self.dwarf), line));
            frames.push(Frame { function, place });
        };
        for (depth, call) in calls.iter().enumerate().rev() {
            frame(call.name(self, unit), line, depth == 0);
            line = call.called_at;
        }
        if calls.is_empty() {
            frame(None, line, true);
        }
        frames
    }
}

/// The name as in the source. `#` leaves out the hash at its end.
fn demangled(name: &str) -> String {
    format!("{:#}", SymbolName::new(name.as_bytes()))
}
