//! Rules about the text of a `.rs` file.

const MAX_LINES: usize = 500;
const MAX_LIB_LINES: usize = 120;
const SAYS_NOTHING: &[&str] = &["common", "helper", "helpers", "misc", "util", "utils", "utilities"];

pub(crate) fn opens_with_docs(path: &str, text: &str) -> Vec<String> {
    let opens = text.strip_prefix("//! ").is_some_and(|rest| !rest.trim_start().is_empty());
    if opens { vec![] } else { vec![format!("{path}: does not open with `//! ` and its subject")] }
}

/// Doc comments do not count, except in `lib.rs`: an example on each public method makes a file long, and not hard to read.
pub(crate) fn length(path: &str, text: &str) -> Vec<String> {
    let max = if path.ends_with("/src/lib.rs") { MAX_LIB_LINES } else { MAX_LINES };
    let lines = text.lines().count();
    if lines > max { vec![format!("{path}: {lines} lines, at most {max}")] } else { vec![] }
}

pub(crate) fn names(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in path.trim_end_matches(".rs").split('/') {
        if part == "mod" {
            found.push(format!("{path}: foo.rs beside foo/ instead of foo/mod.rs"));
        } else if SAYS_NOTHING.contains(&part) {
            found.push(format!("{path}: `{part}` says nothing"));
        }
    }
    let code = code_only(text);
    for name in SAYS_NOTHING {
        found.extend(
            lines_with(&code, |line| {
                let mut words = line.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
                words.any(|word| word == "mod") && words.next() == Some(name)
            })
            .map(|line| format!("{path}:{line}: `{name}` says nothing")),
        );
    }
    found
}

pub(crate) fn unsafe_code(path: &str, text: &str) -> Vec<String> {
    let code = code_only(text);
    let lines = lines_with(&code, |line| has_word(line, "unsafe"));
    lines.map(|line| format!("{path}:{line}: unsafe code")).collect()
}

pub(crate) fn leftovers(path: &str, text: &str) -> Vec<String> {
    let code = code_only(text);
    let mut found = Vec::new();
    for name in ["todo", "unimplemented", "dbg"] {
        let lines = lines_with(&code, |line| followed_by(line, name, "!"));
        found.extend(lines.map(|line| format!("{path}:{line}: {name}!")));
    }
    found
}

pub(crate) fn named_test(path: &str, text: &str) -> Vec<String> {
    let code = code_only(text);
    let lines = lines_with(&code, |line| line.contains("fn test_"));
    lines.map(|line| format!("{path}:{line}: a sentence without `test_`")).collect()
}

/// Sleeping in a test: never by a thread; by a task only where the file pauses the clock.
pub(crate) fn real_sleep(path: &str, text: &str) -> Vec<String> {
    if !is_test(path) {
        return vec![];
    }
    let code = code_only(text);
    let paused = has_word(&code, "start_paused") || code.contains("time::pause(");
    let lines = lines_with(&code, |line| {
        let sleeps = followed_by(line, "sleep", "(") || followed_by(line, "sleep_until", "(");
        line.contains("thread::sleep") || (sleeps && !paused)
    });
    lines.map(|line| format!("{path}:{line}: sleeps on the real clock")).collect()
}

/// A port other than 0 behind a local address, in a test.
pub(crate) fn fixed_port(path: &str, text: &str) -> Vec<String> {
    if !is_test(path) {
        return vec![];
    }
    let lines = lines_with(text, |line| {
        ["127.0.0.1:", "0.0.0.0:", "localhost:", "[::1]:", "[::]:"].iter().any(|host| {
            let behind = line.split(host).skip(1);
            behind.into_iter().any(|rest| rest.starts_with(|c: char| matches!(c, '1'..='9')))
        })
    });
    lines.map(|line| format!("{path}:{line}: a fixed port")).collect()
}

/// Spans that record all arguments of their functions, secrets too: `#[instrument]` without `skip_all`.
pub(crate) fn records_all_arguments(path: &str, text: &str) -> Vec<String> {
    let code = code_only(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("instrument") {
        let (before, rest) = (&code[..at], &code[at + "instrument".len()..]);
        let is_attribute =
            before.ends_with("#[") || before.ends_with("#[tracing::") || before.ends_with(", ");
        let opened = before.rfind("#[").is_some_and(|open| !before[open..].contains(']'));
        // The options end where the attribute does.
        let options = rest.split(']').next().unwrap_or_default();
        let ends = rest.starts_with(['(', ')', ']']);
        if is_attribute && opened && ends && !has_word(options, "skip_all") {
            let line = 1 + before.matches('\n').count();
            found.push(format!(
                "{path}:{line}: #[instrument] records all arguments; say `skip_all`, and name the fields"
            ));
        }
    }
    found
}

/// Threads that are made where a refusal is a panic, or is never told: tokio's pool for blocking work, and `thread::spawn`.
pub(crate) fn unplanned_thread(path: &str, text: &str) -> Vec<String> {
    if !is_product(path) {
        return vec![];
    }
    let code = product_only(text);
    let lines = lines_with(&code, |line| {
        ["spawn_blocking(", "tokio::fs::", "lookup_host(", "thread::spawn("]
            .iter()
            .any(|call| line.contains(call))
    });
    lines
        .map(|line| format!("{path}:{line}: a thread without a plan; see app_core::threads::run_blocking"))
        .collect()
}

/// Tasks that no service owns: spawned on the runtime itself. Tasks of a `LocalSet` end with it, and are not meant.
pub(crate) fn unowned_task(path: &str, text: &str) -> Vec<String> {
    if !is_product(path) {
        return vec![];
    }
    let code = product_only(text);
    let lines = lines_with(&code, |line| {
        ["tokio::spawn(", "task::spawn(", "task::spawn;", "runtime.spawn(", "runtime().spawn("]
            .iter()
            .any(|call| line.contains(call))
    });
    lines.map(|line| format!("{path}:{line}: a task without an owner; see `Service::spawn`")).collect()
}

/// The code of a file without comments, strings, and the tests that close it.
pub(crate) fn product_only(text: &str) -> String {
    let code = code_only(text);
    match code.split_once("#[cfg(test)]") {
        Some((product, _tests)) => product.to_owned(),
        None => code,
    }
}

/// A file of a library or a program.
pub(crate) fn is_product(path: &str) -> bool {
    !(is_test(path)
        || path.contains("/examples/")
        || path.contains("/benches/")
        || path.contains("/fuzz/")
        || path.starts_with("benches/"))
}

/// Unit tests (`foo/tests.rs`, `foo/tests/`) and the tests of an API (`tests/`).
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The numbers of the lines that the condition holds for.
pub(crate) fn lines_with<'a>(
    text: &'a str,
    condition: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = usize> + 'a {
    text.lines().zip(1..).filter(move |(line, _)| condition(line)).map(|(_, number)| number)
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Whether the text has the word, not only as a part of another.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    words(text, word).next().is_some()
}

fn followed_by(text: &str, word: &str, mark: &str) -> bool {
    words(text, word).any(|after| after.trim_start().starts_with(mark))
}

/// What comes after each occurrence of the word.
fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(word).filter_map(move |(at, _)| {
        let after = text.get(at + word.len()..)?;
        let part_of_another = text.get(..at)?.ends_with(is_word) || after.starts_with(is_word);
        (!part_of_another).then_some(after)
    })
}

/// The text with comments, strings and character literals blanked out, line for line.
pub(crate) fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let blank =
            comment(rest).or_else(|| raw_string(rest)).or_else(|| string(rest)).or_else(|| character(rest));
        let len = match blank {
            Some(len) => len,
            // A whole word at once: the `r` in `bar"..` begins no raw string.
            None if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            None => first.len_utf8(),
        };
        let (token, after) = rest.split_at(len.min(rest.len()));
        if blank.is_some() {
            code.extend(token.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(token);
        }
        rest = after;
    }
    code
}

/// The length of the comment that the text begins with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(text.len())
}

fn raw_string(text: &str) -> Option<usize> {
    let body = ["r", "br", "cr"].iter().find_map(|prefix| text.strip_prefix(prefix))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inner = body.trim_start_matches('#').strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let opening = text.len() - inner.len();
    Some(inner.find(&end).map_or(text.len(), |at| opening + at + end.len()))
}

fn string(text: &str) -> Option<usize> {
    let mut escaped = false;
    let inner = text.strip_prefix('"')?;
    let end = inner.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some(end.map_or(text.len(), |at| at + 2))
}

/// A character literal; `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let first = inner.chars().next()?;
    let at_least = if first == '\\' { 2 } else { first.len_utf8() };
    let end = at_least + inner.get(at_least..)?.find('\'')?;
    (first == '\\' || end == at_least).then_some(end + 2)
}

mod violations {
    //! Each rule catches what it is there to catch.

    use super::*;

    const TEST: &str = "app-x/tests/x.rs";

    #[test]
    fn a_file_without_a_subject_is_found() {
        assert_eq!(opens_with_docs("x.rs", "use x;\n//! late\n").len(), 1);
        assert_eq!(opens_with_docs("x.rs", "//! \n").len(), 1);
        assert!(opens_with_docs("x.rs", "//! Xs.\n").is_empty());
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(length("a/src/x.rs", &"\n".repeat(501)).len(), 1);
        assert!(length("a/src/x.rs", &"\n".repeat(500)).is_empty());
        assert_eq!(
            length("a/src/x.rs", &"    /// An example.\n".repeat(501)).len(),
            1,
            "documentation counts"
        );
        assert_eq!(length("a/src/lib.rs", &"\n".repeat(121)).len(), 1);
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        assert_eq!(names("a/src/log/mod.rs", "").len(), 1);
        assert_eq!(names("a/src/util.rs", "").len(), 1);
        assert_eq!(names("a/tests/common/x.rs", "").len(), 1);
        assert_eq!(names("a/src/x.rs", "pub(crate) mod helpers {\n").len(), 1);
        assert!(names("a/src/model.rs", "mod common_prefix;\n// mod util;\n").is_empty());
    }

    #[test]
    fn unsafe_code_is_found_but_not_talk_of_it() {
        assert_eq!(unsafe_code("x.rs", "fn f() {\n    unsafe { g() }\n}"), ["x.rs:2: unsafe code"]);
        assert_eq!(unsafe_code("x.rs", "let s = \"\\\"\"; unsafe {}").len(), 1);
        assert!(
            unsafe_code("x.rs", "#![deny(unsafe_code)]\n// unsafe\n/* unsafe */ let x = \"unsafe\";")
                .is_empty()
        );
    }

    #[test]
    fn leftovers_are_found() {
        assert_eq!(leftovers("x.rs", "todo!()\nunimplemented!()\ndbg!(x)\n").len(), 3);
        assert!(leftovers("x.rs", "// todo!\nlet todo = 1; my_dbg!(x)").is_empty());
    }

    #[test]
    fn a_test_named_test_is_found() {
        assert_eq!(named_test("x.rs", "#[test]\nfn test_it() {}\n"), ["x.rs:2: a sentence without `test_`"]);
    }

    #[test]
    fn a_sleep_on_the_real_clock_is_found_in_tests() {
        assert_eq!(real_sleep(TEST, "std::thread::sleep(ms);").len(), 1);
        assert_eq!(real_sleep(TEST, "tokio::time::sleep(ms).await;").len(), 1);
        assert_eq!(real_sleep("a/src/x/tests.rs", "sleep (ms).await;").len(), 1);
        assert_eq!(real_sleep(TEST, "#[tokio::test(start_paused = true)]\nthread::sleep(ms);").len(), 1);
        assert!(real_sleep(TEST, "#[tokio::test(start_paused = true)]\nsleep(ms).await;").is_empty());
        assert!(real_sleep("a/src/x.rs", "thread::sleep(ms);").is_empty());
    }

    #[test]
    fn a_fixed_port_is_found_in_tests() {
        assert_eq!(fixed_port(TEST, "connect(\"127.0.0.1:4444\")").len(), 1);
        assert_eq!(fixed_port(TEST, "get(\"http://localhost:80/x\")").len(), 1);
        assert!(fixed_port(TEST, "bind(\"127.0.0.1:0\"); format!(\"127.0.0.1:{port}\")").is_empty());
    }

    #[test]
    fn a_thread_without_a_plan_is_found() {
        assert_eq!(
            unplanned_thread("a/src/x.rs", "runtime.spawn_blocking(work);\nthread::spawn(work);").len(),
            2
        );
        assert_eq!(unplanned_thread("a/src/x.rs", "tokio::net::lookup_host(host)").len(), 1);
        assert!(
            unplanned_thread("a/src/x.rs", "// spawn_blocking(\n#[cfg(test)]\nthread::spawn(x)").is_empty()
        );
        assert!(unplanned_thread(TEST, "thread::spawn(work)").is_empty());
    }

    #[test]
    fn a_span_that_records_all_arguments_is_found() {
        for text in [
            "#[instrument]\nfn f() {}",
            "#[tracing::instrument(level = \"debug\", ret)]\nfn f() {}",
            "#[cfg_attr(test, instrument)]\nfn f() {}",
        ] {
            assert_eq!(records_all_arguments("a/src/x.rs", text).len(), 1, "{text}");
        }
        for text in [
            "#[instrument(skip_all, fields(rule = %rule))]\nfn f() {}",
            "#[tracing::instrument(\n    skip_all,\n)]\nfn f() {}",
            "// #[instrument]\nfuture.instrument(span)",
            "use tracing::instrument::Instrument;\nfn instrument() {}",
        ] {
            assert!(records_all_arguments("a/src/x.rs", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_task_without_an_owner_is_found() {
        assert_eq!(
            unowned_task("a/src/x.rs", "tokio::spawn(work);\nself.runtime.spawn(work);\ntask::spawn(work)")
                .len(),
            3
        );
        assert!(
            unowned_task("a/src/x.rs", "service.spawn(name, work);\ntokio::task::spawn_local(x)").is_empty()
        );
        assert!(unowned_task("a/src/x.rs", "// tokio::spawn(x)\n#[cfg(test)]\ntokio::spawn(x)").is_empty());
        assert!(unowned_task(TEST, "tokio::spawn(work)").is_empty());
    }

    #[test]
    fn code_is_told_from_what_only_looks_like_it() {
        assert_eq!(code_only("a // b\nc"), "a     \nc");
        assert_eq!(code_only("a /* b /* c */ d */ e"), "a                   e");
        assert_eq!(code_only(r####"f(r#"a " b"#, x)"####), "f(          , x)");
        assert_eq!(code_only(r#"f("a\\", b, "\"c")"#), "f(     , b,      )");
        assert_eq!(code_only(r"f('\'', '\u{41}', '/', 'x')"), "f(    ,         ,    ,    )");
        assert_eq!(code_only("fn f<'a>(x: &'a str, y: &'a u8)"), "fn f<'a>(x: &'a str, y: &'a u8)");
        assert_eq!(code_only("let bar = \"\n\";"), "let bar =  \n ;");
        assert_eq!(code_only("\"open"), "     ");
    }
}
