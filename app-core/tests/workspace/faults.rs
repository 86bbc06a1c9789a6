//! Reads the tables of docs/FAULTS.md and SECURITY.md: each row names the test that holds it.

/// Reports rows without a test, and tests that do not exist. `read` returns the text of a file, if there is one.
///
/// The last cell of a row holds one or more references of the form `` `path/of/file.rs: name_of_test` ``.
pub(crate) fn rows_without_a_test(page: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let rows = page.lines().enumerate().filter(|(_, line)| line.starts_with('|'));
    let heads = ["|---", "| tried |", "| promise |"];
    let rows = rows.filter(|(_, line)| !heads.iter().any(|head| line.starts_with(head)));
    rows.flat_map(|(number, line)| problems_of_row(number + 1, line, &read)).collect()
}

fn problems_of_row(number: usize, line: &str, read: &impl Fn(&str) -> Option<String>) -> Vec<String> {
    let cells: Vec<_> = line.trim_matches('|').split(" | ").collect();
    if cells.len() != 3 {
        return vec![format!("line {number}: expected 3 cells, found {}", cells.len())];
    }
    let references: Vec<_> = cells[2].split('`').skip(1).step_by(2).collect();
    if references.is_empty() {
        return vec![format!("line {number}: names no test")];
    }
    references.iter().filter_map(|reference| problem_of_reference(number, reference, read)).collect()
}

fn problem_of_reference(
    number: usize,
    reference: &str,
    read: &impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let Some((path, test)) = reference.split_once(": ") else {
        return Some(format!("line {number}: `{reference}` is not of the form `file: test`"));
    };
    let Some(text) = read(path) else { return Some(format!("line {number}: there is no file {path}")) };
    let declares = text.contains(&format!("fn {test}("));
    (!declares).then(|| format!("line {number}: {path} has no test {test}"))
}

#[test]
fn a_row_whose_test_is_gone_is_found() {
    let page = "| tried | what happens | held by |\n|---|---|---|\n\
                | a | b | `x.rs: there` |\n| a | b | `x.rs: gone` |\n| a | b | `y.rs: there` |\n| a | b | nothing |\n";
    let read = |path: &str| (path == "x.rs").then(|| "fn there() {}".to_owned());
    let found = rows_without_a_test(page, read);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].contains("x.rs has no test gone"), "{found:?}");
    assert!(found[1].contains("there is no file y.rs"), "{found:?}");
    assert!(found[2].contains("names no test"), "{found:?}");
}
