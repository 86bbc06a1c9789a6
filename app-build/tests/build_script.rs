//! A crate outside of this workspace, whose `build.rs` is one line.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "generate/package.rs"]
mod package;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use package::{Package, has_compiler};

const MAIL: &str = "\
@0xba71ffb2d32c9e3c;
using import \"to-whom.capnp\".Name;
const most :UInt32 = 9;
struct Mail @0x975f9d32cab14923 {
  # A mail.
  to @0 :Name;
  # To whom.
  kind :union {
    # What it is.
    text @1 :Text = \"hello\";
    # A text.
    picture :group {
      # A picture.
      bytes @2 :Data;
      # Its bytes.
      width @3 :UInt16 = 10;
      # Its width.
    }
  }
  parts @4 :List(Part);
  # Further parts.
  struct Part {
    # A part.
    colour @0 :Colour = green;
    # Its colour.
  }
  enum Colour {
    # A colour.
    red @0;
    # Red.
    green @1;
    # Green.
  }
}
interface Mailer @0xa9dcfee9ce458324 {
  send @0 (mail :Mail) -> (number :UInt64);
}
";

const NAME: &str = "@0xf3c7e8a7d0b0cd05;\nstruct Name {\n  # A name.\n  name @0 :Text;\n  # The name.\n}\n";

/// The crate denies what the generated code could be warned of.
const MAIN: &str = "\
//! A program with schemas of its own.
#![deny(warnings, missing_docs, unreachable_pub, unused, missing_debug_implementations, unused_qualifications)]
#![deny(rust_2018_idioms, single_use_lifetimes, unsafe_code)]

use app_config::capnp::message::Builder;

include!(concat!(env!(\"OUT_DIR\"), \"/schemas.rs\"));

fn main() {
    let mut message = Builder::new_default();
    let mut mail = message.init_root::<mail_capnp::mail::Builder<'_>>();
    mail.reborrow().init_to().set_name(\"you\");
    mail.init_parts(1);
    let mail = message.get_root_as_reader::<mail_capnp::mail::Reader<'_>>().unwrap();
    assert!(mail.get_parts().unwrap().get(0).get_colour() == Ok(mail_capnp::mail::Colour::Green));
    println!(\"{} comments; {:?}\", DOCS.len(), METHODS);
}
";

/// What generated code needs of the platform. The whole of it would take a minute to build.
const PLATFORM: &str = "//! Only what generated code needs.\npub use capnp;\n";

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn program() -> Package {
    let made = Package::with("mail.capnp", MAIL);
    made.write("capnp/to-whom.capnp", NAME);
    made.write("build.rs", "fn main() {\n    app_build::schemas(\"capnp\");\n}\n");
    made.write("src/main.rs", MAIN);
    let package = |name| format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n");
    let app_build = root().join("app-build").display().to_string();
    made.write(
        "Cargo.toml",
        &format!(
            "{}\n[dependencies]\napp-config.path = \"platform\"\n\n[build-dependencies]\napp-build.path = {app_build:?}\n\n[workspace]\n",
            package("mail")
        ),
    );
    made.write(
        "platform/Cargo.toml",
        &format!("{}\n[dependencies]\ncapnp = \"0.27\"\n", package("app-config")),
    );
    made.write("platform/src/lib.rs", PLATFORM);
    // The same versions, so that nothing is fetched.
    fs::copy(root().join("Cargo.lock"), made.path().join("Cargo.lock")).unwrap();
    made
}

fn cargo(made: &Package, command: &str) -> Output {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([command, "--offline", "--target-dir"]).arg(target());
    cargo.current_dir(made.path()).output().unwrap()
}

/// It stays, so that a second run is fast.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("build-script")
}

/// Runs the script of the last build without the program `capnp`.
fn script_without_compiler(made: &Package) -> Output {
    let folders = fs::read_dir(target().join("debug/build")).unwrap().map(|entry| entry.unwrap().path());
    let scripts = folders.map(|folder| folder.join("build-script-build"));
    let is_ours = |script: &PathBuf| {
        script.parent().unwrap().file_name().unwrap().to_string_lossy().starts_with("mail-")
    };
    let scripts = scripts.filter(|script| is_ours(script) && script.exists());
    let last = scripts.max_by_key(|script| fs::metadata(script).unwrap().modified().unwrap()).unwrap();
    let out = made.path().join("out");
    fs::create_dir(&out).unwrap();
    Command::new(last).current_dir(made.path()).env("OUT_DIR", &out).env("PATH", &out).output().unwrap()
}

#[test]
fn one_line_of_a_build_script_gives_code_and_tables() {
    if !has_compiler() {
        return;
    }
    let made = program();
    let ran = cargo(&made, "run");
    let (said, printed) = (String::from_utf8(ran.stderr).unwrap(), String::from_utf8(ran.stdout).unwrap());
    assert!(ran.status.success(), "{said}");
    assert_eq!(printed, "17 comments; [(12239938167427662628, \"Mailer\", 0, \"send\")]\n");

    let told = script_without_compiler(&made);
    let printed = String::from_utf8(told.stdout).unwrap();
    assert_eq!(told.status.code(), Some(1), "{printed}");
    assert!(printed.contains("cargo::error=capnp: this program is not installed"), "{printed}");
    assert!(printed.contains("apt install capnproto") && printed.contains("brew install capnp"), "{printed}");

    // A changed schema is seen.
    made.write("capnp/to-whom.capnp", &NAME.replace("  # The name.\n", ""));
    let refused = cargo(&made, "build");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("to-whom.capnp:Name.name: without a comment; write one"), "{said}");
}
