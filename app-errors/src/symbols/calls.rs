//! The function at an address, and the calls that the compiler inlined there.

use std::collections::HashMap;

use gimli::{
    AttributeValue, DwAt, EntriesRaw, Range, Reader as _, Result, Unit, UnitHeader, UnitOffset, UnitRef,
    constants,
};

use super::debug_info::DebugInfo;
use super::file_slice::FileSlice;
use super::lines::{Line, within};

/// An entry of a function may refer to another entry for its name. A longer chain of references is a circle.
const MAX_REFERENCES: u32 = 16;

/// Mangled names by address, from the symbol table.
pub(super) type Names = HashMap<u64, String>;

/// A function that contains an address: a function of its own, or an inlined one.
#[derive(Debug)]
pub(super) struct Call {
    /// The entry of the function in its unit.
    entry: UnitOffset,
    /// The line of the call, if the function was inlined.
    pub(super) called_at: Option<Line>,
}

/// The addresses that an entry of a function covers, and where the function was called.
#[derive(Default)]
struct Extent {
    ranges: Vec<Range>,
    called_in_file: Option<u64>,
    called_in_line: Option<u32>,
}

/// The calls that contain each address, outermost first. `addresses` must be sorted.
pub(super) fn calls(unit: UnitRef<'_, FileSlice>, addresses: &[u64]) -> Result<HashMap<u64, Vec<Call>>> {
    let mut found: HashMap<u64, Vec<Call>> = HashMap::new();
    let mut entries = unit.entries_raw(None)?;
    // The depth of the entry of the last function that contains some of the addresses.
    let mut inside: Option<isize> = None;
    while !entries.is_empty() {
        let (depth, entry) = (entries.next_depth(), entries.next_offset());
        let Some(abbreviation) = entries.read_abbreviation()? else { continue };
        inside = inside.filter(|function| depth > *function);
        let is_function = abbreviation.tag() == constants::DW_TAG_subprogram;
        let is_inlined = abbreviation.tag() == constants::DW_TAG_inlined_subroutine;
        if !(is_function || (is_inlined && inside.is_some())) {
            entries.skip_attributes(abbreviation.attributes())?;
            continue;
        }
        let extent = Extent::read(unit, &mut entries, abbreviation.attributes())?;
        let called_at = extent.called_in_file.zip(extent.called_in_line).filter(|_| is_inlined);
        for range in extent.ranges {
            for address in within(addresses, range.begin, range.end) {
                let calls = found.entry(*address).or_default();
                if is_function {
                    inside = Some(depth);
                    calls.clear();
                }
                calls.push(Call { entry, called_at });
            }
        }
    }
    Ok(found)
}

impl Extent {
    fn read(
        unit: UnitRef<'_, FileSlice>,
        entries: &mut EntriesRaw<'_, FileSlice>,
        attributes: &[gimli::AttributeSpecification],
    ) -> Result<Self> {
        let mut extent = Self::default();
        let (mut begin, mut end, mut length) = (None, None, None);
        for attribute in attributes {
            let attribute = entries.read_attribute(*attribute)?;
            match (attribute.name(), attribute.value()) {
                (constants::DW_AT_low_pc, value) => begin = unit.attr_address(value)?,
                (constants::DW_AT_high_pc, value) => match value.udata_value() {
                    Some(bytes) => length = Some(bytes),
                    None => end = unit.attr_address(value)?,
                },
                (constants::DW_AT_ranges, value) => {
                    if let Some(mut ranges) = unit.attr_ranges(value)? {
                        while let Some(range) = ranges.next()? {
                            extent.ranges.push(range);
                        }
                    }
                }
                (constants::DW_AT_call_file, AttributeValue::FileIndex(file)) => {
                    extent.called_in_file = Some(file);
                }
                (constants::DW_AT_call_line, value) => {
                    extent.called_in_line = value.udata_value().and_then(|line| u32::try_from(line).ok());
                }
                _ => {}
            }
        }
        if let Some(begin) = begin
            && let Some(end) = end.or_else(|| begin.checked_add(length?))
        {
            extent.ranges.push(Range { begin, end });
        }
        Ok(extent)
    }
}

impl Call {
    /// The name of the function, with its path if the debug information has it.
    pub(super) fn name(&self, debug_info: &DebugInfo, unit: &Unit<FileSlice>) -> Option<Name> {
        name(debug_info, unit, self.entry, MAX_REFERENCES).ok().flatten()
    }
}

/// The name of a function.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// The mangled name, which has the whole path.
    Linked(String),
    /// Only the last part of the path.
    Last(String),
}

/// The name in an entry, or in the entry that this one refers to.
fn name(
    debug_info: &DebugInfo,
    unit: &Unit<FileSlice>,
    entry: UnitOffset,
    references: u32,
) -> Result<Option<Name>> {
    let entry = unit.entry(entry)?;
    let text = |attribute: DwAt| -> Option<String> {
        let text = debug_info.dwarf.attr_string(unit, entry.attr_value(attribute)?).ok()?;
        Some(text.to_string_lossy().ok()?.into_owned())
    };
    let linked = text(constants::DW_AT_linkage_name).or_else(|| text(constants::DW_AT_MIPS_linkage_name));
    if let Some(name) = linked.map(Name::Linked).or_else(|| text(constants::DW_AT_name).map(Name::Last)) {
        return Ok(Some(name));
    }
    let refers_to = [constants::DW_AT_abstract_origin, constants::DW_AT_specification];
    let refers_to = refers_to.into_iter().find_map(|attribute| entry.attr_value(attribute));
    let Some(references) = references.checked_sub(1) else { return Ok(None) };
    match refers_to {
        Some(AttributeValue::UnitRef(entry)) => name(debug_info, unit, entry, references),
        Some(AttributeValue::DebugInfoRef(entry)) => {
            let Some(other) = debug_info.unit_around(entry.0)? else { return Ok(None) };
            let inside = entry.to_unit_offset(&UnitHeader::clone(&other.header));
            inside.map_or(Ok(None), |entry| name(debug_info, &other, entry, references))
        }
        _ => Ok(None),
    }
}
