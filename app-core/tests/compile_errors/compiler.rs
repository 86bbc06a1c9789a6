//! Compiles sources that are wrong, and compares what the compiler says with the expectations in their comments.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// The folder of this program: the libraries that it was linked with are there.
fn libraries() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// The library of the crate that the sources use. Of several, the last one built.
fn library(krate: &str) -> PathBuf {
    let files = fs::read_dir(libraries()).unwrap().map(|file| file.unwrap().path());
    let begin = format!("lib{krate}-");
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(&begin) && name.ends_with(".rlib")
    };
    files.filter(is_it).max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap()).unwrap()
}

/// The errors of the compiler, as JSON.
fn errors(krate: &str, source: &Path) -> Vec<Value> {
    let out = tempfile::tempdir().unwrap();
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "--error-format=json"]);
    rustc.arg("--extern").arg(format!("{krate}={}", library(krate).display()));
    rustc.arg("-L").arg(format!("dependency={}", libraries().display()));
    // `env!` of the macros.
    rustc.env("CARGO_PKG_NAME", "ui").env("CARGO_PKG_VERSION", "0.0.0");
    let compiled = rustc.arg("--out-dir").arg(out.path()).arg(source).output().unwrap();
    let text = String::from_utf8(compiled.stderr).unwrap();
    let messages = text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{text}")));
    let is_error =
        |message: &Value| message["level"] == "error" && !message["spans"].as_array().unwrap().is_empty();
    messages.filter(is_error).collect()
}

/// Where the code of a span is written: for code that a macro made, the use of the macro.
fn written(span: &Value) -> &Value {
    match &span["expansion"]["span"] {
        Value::Null => span,
        used => written(used),
    }
}

/// What an error says, as the expectations have it.
fn sayings(error: &Value) -> Vec<String> {
    let mut sayings = vec![format!("error: {}", error["message"].as_str().unwrap())];
    for span in error["spans"].as_array().unwrap() {
        if span["is_primary"] == true {
            let line = &written(span)["text"][0];
            let column = |name: &str| usize::try_from(line[name].as_u64().unwrap()).unwrap() - 1;
            let text: Vec<char> = line["text"].as_str().unwrap().chars().collect();
            let underlined: String =
                text[column("highlight_start")..column("highlight_end")].iter().collect();
            sayings.push(format!("under: {underlined}"));
        }
        sayings.extend(span["label"].as_str().map(|label| format!("label: {label}")));
    }
    let children = error["children"].as_array().unwrap().iter();
    sayings.extend(children.map(|child| format!("note: {}", child["message"].as_str().unwrap())));
    sayings
}

/// The differences between what is expected of a source and what the compiler says.
fn check(krate: &str, source: &Path) -> Vec<String> {
    let text = fs::read_to_string(source).unwrap();
    let expected: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("//~ ")).collect();
    let errors = errors(krate, source);
    let said: Vec<String> = errors.iter().flat_map(sayings).collect();
    let name = source.file_name().unwrap().to_str().unwrap();
    let says = |said: &str, expected: &str| {
        let (kind, text) = expected.split_once(": ").unwrap();
        let is_it = |said: &str| if kind == "under" { said == text } else { said.contains(text) };
        said.split_once(": ").is_some_and(|(of, said)| of == kind && is_it(said))
    };
    let missing = expected.iter().filter(|expected| !said.iter().any(|said| says(said, expected)));
    let mut differences: Vec<_> = missing.map(|text| format!("{name}: not said: {text}")).collect();
    let is_error = |text: &&String| text.starts_with("error: ");
    let unexpected =
        said.iter().filter(is_error).filter(|said| !expected.iter().any(|text| says(said, text)));
    differences.extend(unexpected.map(|said| format!("{name}: not expected: {said}")));
    let expected_errors = expected.iter().filter(|text| text.starts_with("error: ")).count();
    if errors.len() != expected_errors {
        differences.push(format!("{name}: {} errors, and {expected_errors} are expected", errors.len()));
    }
    if !differences.is_empty() {
        let rendered = errors.iter().map(|error| error["rendered"].as_str().unwrap_or_default());
        differences.extend(rendered.map(str::to_owned));
    }
    differences
}

/// The differences of all sources in `tests/ui` of a package, which use this crate.
pub(crate) fn differences(package: &str, krate: &str, at_least: usize) -> Vec<String> {
    let folder = Path::new(package).join("tests/ui");
    let mut sources: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    sources.sort();
    assert!(sources.len() >= at_least, "{sources:?}");
    sources.iter().flat_map(|source| check(krate, source)).collect()
}
