//! Source files and lines of the addresses of one unit of the debug information.

use std::collections::HashMap;

use gimli::{Reader as _, Result, UnitRef};

use super::file_slice::FileSlice;

/// The index of a file in the line table of the unit, and a line in that file.
pub(super) type Line = (u64, u32);

/// The addresses in the range; `addresses` must be sorted. Empty for a range that begins at 0: the linker puts the ranges
/// of removed code there.
pub(super) fn within(addresses: &[u64], begin: u64, end: u64) -> &[u64] {
    if begin == 0 {
        return &[];
    }
    let from = addresses.partition_point(|address| *address < begin);
    let length = addresses[from..].partition_point(|address| *address < end);
    &addresses[from..from + length]
}

/// The lines of `addresses`, which must be sorted.
pub(super) fn lines(unit: UnitRef<'_, FileSlice>, addresses: &[u64]) -> Result<HashMap<u64, Line>> {
    let mut found = HashMap::new();
    let Some(program) = unit.line_program.clone() else { return Ok(found) };
    let mut rows = program.rows();
    // A row is valid from its address to the address of the next row.
    let mut last: Option<(u64, Line)> = None;
    let mut removed = false;
    while let Some((_, row)) = rows.next_row()? {
        match last {
            None => removed = row.address() == 0,
            Some(_) if removed => {}
            Some((begin, line)) => {
                let inside = within(addresses, begin, row.address());
                found.extend(inside.iter().map(|address| (*address, line)));
            }
        }
        let line = row.line().and_then(|line| u32::try_from(line.get()).ok()).unwrap_or(0);
        last = (!row.end_sequence()).then_some((row.address(), (row.file_index(), line)));
    }
    Ok(found)
}

/// The path of the file, and the line. `None` for line 0: the compiler generated that code.
pub(super) fn place(unit: UnitRef<'_, FileSlice>, (file, line): Line) -> Option<(String, u32)> {
    let header = unit.line_program.as_ref()?.header();
    let file = header.file(file).filter(|_| line != 0)?;
    let text = |value| Some(unit.attr_string(value).ok()?.to_string_lossy().ok()?.into_owned());
    let mut path =
        unit.comp_dir.as_ref().and_then(|folder| folder.to_string_lossy().ok()).unwrap_or_default();
    let mut append = |part: String| {
        if part.starts_with('/') || path.is_empty() {
            path = part.into();
        } else {
            let path = path.to_mut();
            if !path.ends_with('/') {
                path.push('/');
            }
            path.push_str(&part);
        }
    };
    // Directory 0 is that of the unit, which `path` already has.
    if let Some(folder) = file.directory(header).filter(|_| file.directory_index() != 0) {
        append(text(folder)?);
    }
    append(text(file.path_name())?);
    Some((path.into_owned(), line))
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn addresses_of_a_range_are_found_among_sorted_ones() {
        let addresses = [1, 5, 5, 9];
        for (begin, end, found) in
            [(0, 5, &addresses[..0]), (1, 5, &[1]), (5, 9, &[5, 5]), (1, 99, &addresses)]
        {
            assert_eq!(within(&addresses, begin, end), found, "{begin} to {end}");
        }
        assert!(within(&addresses, 7, 3).is_empty());
        assert!(within(&[], 1, u64::MAX).is_empty());
    }
}
