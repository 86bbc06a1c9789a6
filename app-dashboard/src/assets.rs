//! The files of the page. They are part of the program, and the same for everybody.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A file, and the path under which it is served.
pub(crate) struct Asset {
    pub(crate) path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

macro_rules! asset {
    ($path:literal, $kind:expr) => {
        Asset { path: concat!("/", $path), kind: $kind, text: include_str!(concat!("../web/", $path)) }
    };
}

/// All files.
pub(crate) static ASSETS: &[Asset] = &[
    Asset { path: "/", kind: "text/html; charset=utf-8", text: include_str!("../web/index.html") },
    asset!("icon.svg", "image/svg+xml"),
    asset!("style.css", CSS),
    asset!("app.js", JS),
    asset!("vendor/preact.mjs", JS),
    asset!("vendor/hooks.mjs", JS),
    asset!("vendor/htm.mjs", JS),
    asset!("vendor/uPlot.js", JS),
    asset!("vendor/uPlot.css", CSS),
];

/// The modules of the page, each behind those that it imports. `app.js` comes last. They are sent as one file, which is smaller than
/// its parts: a compressor finds in one module what it knows from another, within 32 KiB. So modules that are alike are neighbours.
const MODULES: [&str; 12] = [
    include_str!("../web/format.js"),
    include_str!("../web/net.js"),
    include_str!("../web/ui.js"),
    include_str!("../web/services.js"),
    include_str!("../web/fleet.js"),
    include_str!("../web/operations.js"),
    include_str!("../web/config.js"),
    include_str!("../web/health.js"),
    include_str!("../web/log.js"),
    include_str!("../web/metrics.js"),
    include_str!("../web/messages.js"),
    include_str!("../web/app.js"),
];

/// One module made of all: without the imports between them, without `export`, and without comments. So no two of them may have
/// the same name for different things; a test checks that.
fn joined(modules: &[&str]) -> String {
    let mut joined = String::with_capacity(modules.iter().map(|module| module.len()).sum());
    let mut in_comment = false;
    for line in modules.iter().flat_map(|module| module.lines()) {
        let between = line.starts_with("import ") && line.ends_with(".js';");
        let trimmed = line.trim_start();
        let begins = trimmed.starts_with("/**");
        if !between && !begins && !in_comment && !trimmed.starts_with("//") {
            joined.push_str(line.strip_prefix("export ").unwrap_or(line).trim_start());
            joined.push('\n');
        }
        in_comment = (begins || in_comment) && !trimmed.ends_with("*/");
    }
    joined
}

/// A style sheet without comments, which have lines of their own, and without the white space that has no meaning.
fn squeezed(style: &str) -> String {
    let lines = style.lines().map(str::trim).filter(|line| !line.starts_with("/*"));
    let mut squeezed = lines.collect::<Vec<_>>().join("\n");
    for (long, short) in
        [(" {", "{"), ("{ ", "{"), (" }", "}"), ("; ", ";"), (": ", ":"), (", ", ","), (";}", "}")]
    {
        squeezed = squeezed.replace(long, short);
    }
    squeezed
}

/// A file as it is sent.
struct Sent {
    plain: String,
    gzip: Vec<u8>,
}

static SERVED: LazyLock<Vec<Sent>> = LazyLock::new(|| {
    ASSETS
        .iter()
        .map(|asset| {
            // The library names another file of its own without a path, which a browser does not resolve.
            let plain = match asset.path {
                "/app.js" => joined(&MODULES),
                "/style.css" => squeezed(asset.text),
                "/vendor/hooks.mjs" => asset.text.replacen("from\"preact\"", "from\"./preact.mjs\"", 1),
                _ => asset.text.to_owned(),
            };
            let gzip = zipped(plain.as_bytes());
            Sent { plain, gzip }
        })
        .collect()
});

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail. An empty result is never sent: see `answer`.
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default()
}

/// Answers with a file.
pub(crate) fn answer(path: &str, headers: &HeaderMap) -> Response {
    let Some((asset, served)) = ASSETS.iter().zip(SERVED.iter()).find(|(asset, _)| asset.path == path) else {
        return crate::guard::text(StatusCode::NOT_FOUND, "there is no such file");
    };
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let gzip = accepts.is_some_and(takes_gzip) && !served.gzip.is_empty();
    let body = if gzip { Body::from(served.gzip.clone()) } else { Body::from(served.plain.clone()) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether the list of encodings has gzip, and does not refuse it.
fn takes_gzip(accepts: &str) -> bool {
    accepts.split(',').any(|part| {
        let (name, weight) = part.split_once(';').unwrap_or((part, ""));
        let weight: String = weight.chars().filter(|c| !c.is_whitespace()).collect();
        let refused = weight.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// The files of others, as they are in their packages on npm: package, version, file, SHA-256.
    const VENDORED: [(&str, &str, &str, &str); 5] = [
        (
            "preact@11.2.0",
            "dist/preact.mjs",
            "/vendor/preact.mjs",
            "bdcbd9abdf2c77c5c45326eab42191e949222d479d0d5f69467387a77040cb55",
        ),
        (
            "preact@11.2.0",
            "hooks/dist/hooks.mjs",
            "/vendor/hooks.mjs",
            "e862ab2973aa6455eaa0f77c5d832d2157d6be59a17c8ba546550a575b58c6b4",
        ),
        (
            "htm@3.1.1",
            "dist/htm.module.js",
            "/vendor/htm.mjs",
            "ab33dd3f38059b9be4d5f5350128eefb2356639c4e0bbe9d9e8b3ba75847e9e4",
        ),
        (
            "uplot@1.6.32",
            "dist/uPlot.iife.min.js",
            "/vendor/uPlot.js",
            "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
        ),
        (
            "uplot@1.6.32",
            "dist/uPlot.min.css",
            "/vendor/uPlot.css",
            "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
        ),
    ];
    /// The page and all that it loads, compressed.
    const MOST_GZIP: usize = 60 * 1024;

    #[test]
    fn the_files_of_others_are_those_of_their_packages() {
        for (package, file, path, expected) in VENDORED {
            let asset = ASSETS.iter().find(|asset| asset.path == path).unwrap();
            let hash = Sha256::digest(asset.text.as_bytes());
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash, expected, "{package}: {file} is not what npm has");
        }
        let vendored = ASSETS.iter().filter(|asset| asset.path.starts_with("/vendor/")).count();
        assert_eq!(vendored, VENDORED.len(), "each has its hash here");
    }

    #[test]
    fn the_page_is_at_most_60_kilobytes() {
        let sizes: Vec<_> = ASSETS.iter().zip(SERVED.iter()).map(|(a, s)| (a.path, s.gzip.len())).collect();
        let sum: usize = sizes.iter().map(|(_, size)| size).sum();
        println!("{sum} bytes, compressed: {sizes:?}");
        assert!(sum <= MOST_GZIP, "{sum}: {sizes:?}");
        assert!(sizes.iter().all(|(_, size)| *size > 0));
    }

    #[test]
    fn the_page_loads_nothing_but_its_own_files() {
        let own = ASSETS.iter().filter(|asset| !asset.path.starts_with("/vendor/"));
        let texts = own.map(|asset| (asset.path, asset.text));
        for (path, text) in texts.chain(MODULES.map(|module| ("a module", module))) {
            for outside in [
                "https://",
                "//cdn",
                "innerHTML",
                "dangerously",
                "eval(",
                "new Function",
                "document.write",
                "style=\"",
            ] {
                assert!(!text.contains(outside), "{path}: {outside}");
            }
            let text = text.replace("http://www.w3.org/", "");
            assert!(!text.contains("http://"), "{path}: an address of others");
        }
        let hooks = ASSETS.iter().position(|asset| asset.path == "/vendor/hooks.mjs").unwrap();
        assert!(SERVED[hooks].plain.starts_with("import{options as n}from\"./preact.mjs\";"));
    }

    #[test]
    fn the_modules_make_one_without_a_name_twice() {
        let joined = joined(&MODULES);
        let imports: Vec<_> = joined.lines().filter(|line| line.starts_with("import ")).collect();
        assert!(imports.iter().all(|line| line.contains("from './vendor/")), "{imports:?}");
        let mut names = std::collections::BTreeSet::new();
        let top = MODULES.iter().flat_map(|module| module.lines()).filter(|line| !line.starts_with(' '));
        for line in top {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let line = line.strip_prefix("async ").unwrap_or(line);
            let Some((keyword, rest)) = line.split_once(' ') else { continue };
            if !["const", "let", "function", "class"].contains(&keyword) {
                continue;
            }
            let end = if rest.starts_with(['[', '{']) { [']', '}'] } else { ['(', ' '] };
            let list = rest.split(end).next().unwrap_or_default();
            for name in
                list.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).filter(|n| !n.is_empty())
            {
                assert!(names.insert(name.to_owned()), "{name} is twice");
            }
        }
        assert!(names.len() > 60, "{names:?}");
        let comment =
            joined.lines().find(|line| ["//", "/*", "* "].iter().any(|begin| line.starts_with(begin)));
        assert_eq!(comment, None, "comments are not sent");
    }

    #[test]
    fn a_style_sheet_is_sent_without_what_has_no_meaning() {
        let style = "/* Colours. */\n:root { --ok: #2a9; }\n\n@media (max-width: 9px) {\n  td:first-child, a { margin: 0 1px; }\n}\n";
        assert_eq!(
            squeezed(style),
            ":root{--ok:#2a9}\n\n@media (max-width:9px){\ntd:first-child,a{margin:0 1px}\n}"
        );
    }

    #[test]
    fn gzip_is_sent_to_clients_that_take_it() {
        for yes in ["gzip", "br, gzip", "deflate, GZIP;q=0.5", "gzip;q=1"] {
            assert!(takes_gzip(yes), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "x-gzip2", "gzip; q=0.0"] {
            assert!(!takes_gzip(no), "{no}");
        }
    }
}
