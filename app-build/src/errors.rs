//! Why schemas have no code, or why their code is not fresh.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::PathBuf;

/// Why code could not be generated, or is not fresh. Its text is one line with the name, the reason and the cure.
#[derive(Debug)]
#[non_exhaustive]
pub enum SchemaError {
    /// The program `capnp` is not installed.
    NoProgram,
    /// The program `capnp` could not be started, or was ended by a signal.
    Program {
        /// What the system says.
        source: io::Error,
    },
    /// The folder of schemas cannot be read.
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder has no schemas.
    NoSchemas {
        /// The folder.
        path: PathBuf,
    },
    /// The name of a schema makes no module, or the module of another schema.
    Name {
        /// The file.
        path: PathBuf,
    },
    /// `capnp` refuses the schemas.
    Refused {
        /// What it says, one line for each mistake.
        said: String,
    },
    /// Structs, enums or members have no comment.
    NoComment {
        /// Each struct or enum, with the member if that has none.
        names: Vec<String>,
    },
    /// Values that are stored could not be read any more.
    Layout {
        /// What differs.
        what: String,
    },
    /// Files differ from what the schemas generate.
    Stale {
        /// The files, sorted by name.
        files: Vec<(PathBuf, Difference)>,
        /// The command that writes them.
        command: String,
    },
    /// No code could be made of what `capnp` says.
    Code {
        /// What the generator says.
        source: capnp::Error,
    },
    /// A generated file cannot be read, written or removed.
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Cargo did not say where the code belongs.
    NoOutDir,
}

/// How a file differs from what the schemas generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// The file has other contents.
    Stale,
    /// There is no such file.
    Missing,
    /// The file was generated from a schema that is gone.
    Superfluous,
}

impl SchemaError {
    /// Whether the mistake is in the schemas, and not in the machine or in the generated files.
    #[must_use]
    pub fn is_of_schemas(&self) -> bool {
        match self {
            Self::Folder { .. }
            | Self::NoSchemas { .. }
            | Self::Name { .. }
            | Self::Refused { .. }
            | Self::NoComment { .. }
            | Self::Layout { .. } => true,
            Self::NoProgram
            | Self::Program { .. }
            | Self::Stale { .. }
            | Self::Code { .. }
            | Self::File { .. }
            | Self::NoOutDir => false,
        }
    }
}

impl Display for SchemaError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProgram => f.write_str(
                "capnp: this program is not installed, and code cannot be generated from schemas without it; install it: \
                 apt install capnproto (Debian, Ubuntu), or brew install capnp (Homebrew)",
            ),
            Self::Program { source } => write!(f, "capnp: cannot be run: {source}; try capnp --version"),
            Self::Folder { path, source } => {
                write!(f, "{}: cannot be read: {source}; name the folder of the schemas", path.display())
            }
            Self::NoSchemas { path } => {
                write!(f, "{}: has no schemas; add a file with a name such as mail.capnp", path.display())
            }
            Self::Name { path } => write!(
                f,
                "{}: the name makes no module of its own; rename it: a letter, then letters, digits, - or _, and .capnp",
                path.display()
            ),
            Self::Refused { said } => refused(f, said),
            Self::NoComment { names } => write!(
                f,
                "{}: without a comment; write one in the line below (# ..), since config explain prints it",
                names.join(", ")
            ),
            Self::Layout { what } => write!(
                f,
                "{what}: what is stored could not be read any more; leave it as it was, and add a member at the end. If nothing is \
                 stored yet, remove the line from layout.txt"
            ),
            Self::Stale { files, command } => {
                for (path, difference) in files {
                    write!(f, "{} {difference}; ", path.display())?;
                }
                write!(f, "run: {command}")
            }
            Self::Code { source } => {
                write!(f, "capnp: no code can be made of the schemas: {}; try another version", one_line(&source.to_string()))
            }
            Self::File { path, source } => {
                write!(f, "{}: {source}; look at its folder, and at the space on the disk", path.display())
            }
            Self::NoOutDir => f.write_str("OUT_DIR: is not set; call this function in build.rs"),
        }
    }
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stale => "is stale",
            Self::Missing => "is missing",
            Self::Superfluous => "is superfluous: its schema is gone",
        })
    }
}

impl Error for SchemaError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Program { source } | Self::Folder { source, .. } | Self::File { source, .. } => {
                Some(source)
            }
            Self::Code { source } => Some(source),
            _ => None,
        }
    }
}

/// What `capnp` says is a line for each mistake, with the place in front. Further mistakes often follow from the first ones.
fn refused(f: &mut Formatter<'_>, said: &str) -> fmt::Result {
    const SHOWN: usize = 3;
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return f
            .write_str("capnp: refuses the schemas, and does not say why; try capnp compile -o- on each");
    }
    f.write_str(&lines.iter().take(SHOWN).copied().collect::<Vec<_>>().join("; "))?;
    match lines.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, "; and {more} more"),
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
