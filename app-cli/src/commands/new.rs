//! `appctl new`: a workspace with a service of one's own, and more services for it.

mod fill;
mod names;
mod place;
mod platform;
mod templates;
mod workspace;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use app_core::{Subcommand, write_output};

use crate::failure::{Failure, Outcome, Status};
use crate::output;

use self::fill::Filling;
use self::names::NewName;
use self::platform::Platform;

app_core::subcommand! { Subcommand::new(command, run) }

const HELP: &str = "\
Examples:
  appctl new shop                                 in the folder shop: an application, and the service svc-shop
  appctl new shop --platform ../platform          with the platform of this folder
  appctl new shop --platform https://git.example.com/platform.git#9c1f0e7
  appctl new hello --minimal                      an application of one small file
  appctl new service mail                         in such a workspace: one more service, linked

The workspace builds, tests and runs at once: cargo test, then cargo run. All ids in it are new. If the folder exists and is not
empty, if the name is taken, or if a file cannot be written, nothing is changed.";

const SERVICE_HELP: &str = "\
Examples:
  appctl new service mail                         makes the crate svc-mail, and links it into the application

Run it in a workspace that `appctl new NAME` made, or below. It adds a line to Cargo.toml, app/Cargo.toml and app/src/main.rs.";

const ABOUT: &str = "Makes a workspace with a service of your own, or adds a service to it";

fn command() -> Command {
    let platform = Arg::new("platform").long("platform").value_name("PATH|GIT-URL[#REV]");
    let platform = platform.help(
        "Where the crates of the platform are: a folder; or a git repository, at a commit, #tag=NAME or #branch=NAME \
         [default: the folder that appctl was built from, if it is still there]",
    );
    let minimal = Arg::new("minimal").long("minimal").action(ArgAction::SetTrue);
    Command::new("new")
        .about(ABOUT)
        .after_help(HELP)
        .subcommand_negates_reqs(true)
        .args_conflicts_with_subcommands(true)
        .arg(name_arg("Name of the application and of its first service, and of the new folder"))
        .arg(platform)
        .arg(minimal.help("Make an application of one small file"))
        .subcommand(
            Command::new("service")
                .about("Adds a service to a workspace that `appctl new` made, and links it")
                .after_help(SERVICE_HELP)
                .arg(name_arg("Name of the service; its crate and its folder are called svc-NAME")),
        )
}

fn name_arg(help: &'static str) -> Arg {
    Arg::new("name").value_name("NAME").required(true).help(help)
}

fn run(matches: &ArgMatches) -> ExitCode {
    let done = match matches.subcommand() {
        Some((_, matches)) => new_service(matches),
        None => new_workspace(matches),
    };
    done.unwrap_or_else(|failure| output::report(&failure, false))
}

fn name_of(matches: &ArgMatches) -> Result<NewName, Failure> {
    let given = matches.get_one::<String>("name").map_or("", String::as_str);
    let taken = templates::crates_of_the_platform();
    NewName::parse(given, &taken).map_err(|reason| Failure::new(Status::Usage, reason))
}

fn new_workspace(matches: &ArgMatches) -> Outcome {
    let name = name_of(matches)?;
    let platform = match matches.get_one::<String>("platform") {
        Some(given) => Platform::parse(given)?,
        None => Platform::of_this_program()?,
    };
    let minimal = matches.get_flag("minimal");
    let filling = Filling::new(&name, Some(&platform));
    let mut files = if minimal {
        filling.files(templates::MINIMAL, "")
    } else {
        let service = filling.files(templates::SERVICE, &format!("{}/", name.service_crate()));
        let mut files = filling.files(templates::WORKSPACE, "");
        files.extend(service);
        files
    };
    files.insert("Cargo.lock".to_owned(), templates::LOCK.to_owned());
    place::folder(Path::new(name.kebab()), &files)?;
    let made = if minimal {
        format!("made {}: an application", name.kebab())
    } else {
        format!("made {}: an application, and the service {}", name.kebab(), name.service_crate())
    };
    let test = if minimal { "" } else { "  cargo test\n" };
    Ok(print(&format!(
        "{made}\nplatform: {}\nnext:\n  cd {}\n{test}  cargo run\n  curl localhost:4444/readyz    in another terminal\n",
        platform.describe(),
        name.kebab(),
    )))
}

fn new_service(matches: &ArgMatches) -> Outcome {
    let name = name_of(matches)?;
    let current = env::current_dir().map_err(|error| {
        Failure::failed(format!("the current folder: {error}; change to one that exists"))
    })?;
    let folder = workspace::add_service(&current, &name)?;
    let shown = folder.strip_prefix(&current).map_or_else(|_| folder.clone(), PathBuf::from);
    Ok(print(&format!("made {}, and linked it in app/src/main.rs\nnext:\n  cargo test\n", shown.display())))
}

fn print(text: &str) -> ExitCode {
    write_output(|out| out.write_all(text.as_bytes()))
}
