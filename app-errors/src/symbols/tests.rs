//! Names and lines of this test program, compared with the symbolizer of the `backtrace` crate.

use std::fs;

use super::*;

fn one(address: usize) -> Vec<Frame> {
    frames_at(&[address])[&address].to_vec()
}

/// The frames according to the `backtrace` crate.
fn expected(address: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    // `resolve` takes a return address, and looks one byte before it.
    backtrace::resolve(std::ptr::without_provenance_mut(address + 1), |symbol| {
        let function = symbol.name().map_or_else(|| format!("{address:#x}"), |name| format!("{name:#}"));
        let file = symbol.filename().map(|file| file.display().to_string());
        frames.push(Frame { function, place: file.zip(symbol.lineno()) });
    });
    frames
}

/// Start and end of the mapped code of the first file whose path contains `part`.
fn code_of(part: &str) -> (usize, usize) {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.contains(" r-xp ") && line.contains(part));
    let (from, to) = line.unwrap().split_once(' ').unwrap().0.split_once('-').unwrap();
    (usize::from_str_radix(from, 16).unwrap(), usize::from_str_radix(to, 16).unwrap())
}

/// Start and end of the mapped code of this program.
fn code() -> (usize, usize) {
    code_of(std::env::current_exe().unwrap().to_str().unwrap())
}

#[test]
fn frames_are_those_of_another_symbolizer() {
    let (from, to) = code();
    let addresses: Vec<_> = (0..400).map(|part| from + (to - from) / 400 * part + 1).collect();
    let found = frames_at(&addresses);
    let (mut with_places, mut inlined) = (0, 0);
    for address in addresses {
        let (actual, expected) = (&found[&address], expected(address));
        // The other symbolizer counts the bytes between two functions as part of the first one.
        if expected.is_empty() || actual[0].function.starts_with("0x") {
            continue;
        }
        let places = |frames: &[Frame]| frames.iter().map(|frame| frame.place.clone()).collect::<Vec<_>>();
        // Line 0 is code that the compiler generated. It has no place here.
        let mut expected_places = places(&expected);
        expected_places.iter_mut().for_each(|place| *place = place.take().filter(|(_, line)| *line != 0));
        assert_eq!(places(actual), expected_places, "{address:#x}: {actual:#?} {expected:#?}");
        for (actual, expected) in actual.iter().zip(&expected) {
            let last = |name: &str| name.rsplit("::").next().unwrap().split('<').next().unwrap().to_owned();
            let same = last(&actual.function) == last(&expected.function);
            // The two write generic parameters and closures differently.
            let differs = expected.function.contains(['<', '{']) || actual.function.contains(['<', '{']);
            assert!(same || differs, "{actual} {expected}");
        }
        with_places += usize::from(actual[0].place.is_some());
        inlined += usize::from(actual.len() > 1);
    }
    assert!(with_places > 200 && inlined > 10, "{with_places} {inlined}");
}

#[test]
fn a_function_has_its_whole_path_its_file_and_its_line() {
    let address = (expected as fn(usize) -> Vec<Frame>) as usize;
    let frames = one(address);
    let frame = frames.last().unwrap();
    assert_eq!(frame.function, "app_errors::symbols::tests::expected");
    assert!(frame.place.as_ref().unwrap().0.ends_with("app-errors/src/symbols/tests.rs"), "{frame}");
}

#[test]
fn exported_functions_of_a_library_have_their_names() {
    let (from, to) = code_of("libc.so");
    let addresses: Vec<_> = (0..200).map(|part| from + (to - from) / 200 * part).collect();
    let found = frames_at(&addresses);
    let named = found.values().filter(|frames| !frames[0].function.starts_with("0x"));
    assert!(named.count() > 50, "{found:?}");
}

#[test]
fn an_address_outside_of_functions_is_shown_with_its_file_and_one_outside_of_files_alone() {
    assert_eq!(one(0x10), [Frame { function: "0x10".to_owned(), place: None }]);
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    // The file of the program starts with its header, which is no code.
    let start = usize::from_str_radix(maps.split_once('-').unwrap().0, 16).unwrap();
    let name = std::env::current_exe().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(one(start)[0].function, format!("{start:#x} ({name}+0x0)"));
}

#[test]
fn units_are_also_found_without_an_index_of_addresses() {
    let (from, to) = code();
    let image = Image::read(fs::File::open("/proc/self/exe").unwrap()).unwrap();
    let module = modules::of(&[from + (to - from) / 2]).remove(0);
    let middle = image.address_of(module.addresses[0].1).unwrap();
    let addresses: Vec<_> = (0..20).map(|step| middle + step * 4096).collect();
    let mut without_index = image.dwarf();
    without_index.debug_aranges = gimli::Dwarf::<file_slice::FileSlice>::load(|_| {
        Ok::<_, ()>(file_slice::FileSlice::new(
            &std::rc::Rc::new(fs::File::open("/proc/self/exe").unwrap()),
            0,
            0,
        ))
    })
    .unwrap()
    .debug_aranges;
    let frames = |dwarf| debug_info::DebugInfo::new(dwarf).frames(&addresses, &HashMap::new());
    let (with, without) = (frames(image.dwarf()), frames(without_index));
    assert!(with.len() > 10, "{}", with.len());
    assert_eq!(with, without);
}

#[test]
fn a_look_up_inside_of_a_look_up_gives_addresses() {
    let guard = LookupGuard::take().unwrap();
    assert!(LookupGuard::take().is_none());
    let address = (look_up as fn(&[usize]) -> FramesAt) as usize;
    assert_eq!(one(address)[0].function, format!("{address:#x}"));
    drop(guard);
    assert!(one(address)[0].function.ends_with("look_up"));
}

#[test]
fn the_cache_is_bounded() {
    let many: Vec<usize> = (1..3 * MAX_CACHED).collect();
    let results: FramesAt = many.iter().map(|address| (*address, unnamed(String::new()))).collect();
    keep(&results);
    assert!(locked(&CACHE).len() <= MAX_CACHED);
    keep(&results);
    assert!(locked(&CACHE).len() <= MAX_CACHED);
    locked(&CACHE).clear();
}

#[test]
fn a_file_that_is_not_a_program_is_refused() {
    let path = std::env::temp_dir().join(format!("no-program-{:x}", app_ids::random_u64()));
    for bytes in [&b""[..], b"\x7fELF", &[0x7f; 4096]] {
        fs::write(&path, bytes).unwrap();
        assert!(Image::read(fs::File::open(&path).unwrap()).is_err(), "{bytes:?}");
    }
    fs::remove_file(path).unwrap();
}
