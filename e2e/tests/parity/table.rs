//! The tables of `docs/PARITY.md` are complete, and match these tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Every function, type, method, field, constant and variable of the Go original, one on each line.
const SEED_INDEX: &str = include_str!("seed_index.txt");

/// A row of the table.
struct Row {
    symbol: String,
    /// Paths in the crates of this workspace.
    counterparts: Vec<String>,
    /// `file::function`. The file is in `e2e/tests/parity`.
    tests: Vec<String>,
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// The texts between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rows() -> Vec<Row> {
    let table = read("../docs/PARITY.md").unwrap();
    let cells =
        |line: &str| line.strip_prefix("| `").map(|_| line.split('|').map(quoted).collect::<Vec<_>>());
    let row = |cells: Vec<Vec<String>>| match cells.as_slice() {
        [_, symbol, counterparts, tests, _] => Row {
            symbol: symbol.concat(),
            counterparts: counterparts.iter().filter(|path| path.contains("::")).cloned().collect(),
            tests: tests.clone(),
        },
        _ => panic!("no row: {cells:?}"),
    };
    table.lines().filter_map(cells).map(row).collect()
}

fn duplicates<'a>(all: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    all.into_iter().filter(|one| !seen.insert(*one)).collect()
}

#[test]
fn the_table_has_a_row_for_every_symbol_and_for_nothing_else() {
    let rows = rows();
    let in_table: BTreeSet<_> = rows.iter().map(|row| &*row.symbol).collect();
    let in_seed: BTreeSet<_> = SEED_INDEX.lines().collect();
    assert!(in_seed.len() > 200, "only {} symbols", in_seed.len());
    let missing: Vec<_> = in_seed.difference(&in_table).collect();
    let unknown: Vec<_> = in_table.difference(&in_seed).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "without a row: {missing:?}; not of the seed: {unknown:?}"
    );
    let twice = duplicates(rows.iter().map(|row| &*row.symbol));
    assert!(twice.is_empty() && duplicates(SEED_INDEX.lines()).is_empty(), "twice: {twice:?}");
}

/// The source of each file that the rows name.
fn sources(rows: &[Row]) -> BTreeMap<&str, String> {
    let files: BTreeSet<_> =
        rows.iter().flat_map(|row| &row.tests).filter_map(|test| test.split_once("::")).collect();
    files.into_iter().filter_map(|(file, _)| Some((file, read(&format!("tests/parity/{file}"))?))).collect()
}

/// Whether the text has the function, with a test attribute on the line before.
fn has_test(text: &str, function: &str) -> bool {
    let declared = format!("fn {function}() ");
    text.lines().zip(text.lines().skip(1)).any(|(attribute, line)| {
        let declares = line.strip_prefix("async ").unwrap_or(line).starts_with(&declared);
        declares && (attribute == "#[test]" || attribute.starts_with("#[tokio::test"))
    })
}

#[test]
fn every_row_names_a_test_that_is_there() {
    let rows = rows();
    let sources = sources(&rows);
    let mut wrong = Vec::new();
    for row in &rows {
        let is_there = |test: &String| {
            test.split_once("::").is_some_and(|(file, function)| {
                sources.get(file).is_some_and(|text| has_test(text, function))
            })
        };
        if row.tests.is_empty() || !row.tests.iter().all(is_there) {
            wrong.push(format!("{}: {:?}", row.symbol, row.tests));
        }
    }
    assert!(wrong.is_empty(), "no such test:\n{}", wrong.join("\n"));
}

#[test]
fn every_counterpart_is_used_in_the_file_of_its_test() {
    let rows = rows();
    let sources = sources(&rows);
    let mut wrong = Vec::new();
    for row in &rows {
        let texts = row.tests.iter().filter_map(|test| sources.get(test.split_once("::")?.0));
        let words: BTreeSet<_> =
            texts.flat_map(|text| text.split(|c: char| c != '_' && !c.is_alphanumeric())).collect();
        let used = |path: &String| path.rsplit("::").next().is_some_and(|name| words.contains(name));
        if row.counterparts.is_empty() || !row.counterparts.iter().all(used) {
            wrong.push(format!("{}: {:?}", row.symbol, row.counterparts));
        }
    }
    assert!(wrong.is_empty(), "not used where the table says:\n{}", wrong.join("\n"));
}
