//! Listeners that another process passed on: `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`, as in `sd_listen_fds(3)`.

use std::{env, ffi::OsString, process};

use parking_lot::Mutex;

use super::{ListenerOrigin, Offer, bind, descriptors};

/// The most listeners that are taken. A service has one, and no app has so many services that listen.
const MOST: u32 = 256;

/// The number of listeners; the first is descriptor 3.
const LISTEN_FDS: &str = "LISTEN_FDS";
/// The process that they are for.
const LISTEN_PID: &str = "LISTEN_PID";
/// Their names, with `:` between them.
const LISTEN_FDNAMES: &str = "LISTEN_FDNAMES";

/// What this process inherited.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    pub(crate) offers: Vec<Offer>,
    /// What is wrong with the rest. Each stops the start.
    pub(crate) problems: Vec<String>,
    /// Why descriptors are left alone.
    pub(crate) note: Option<String>,
    /// Whether a service manager watches this process, which may keep its listeners.
    pub(crate) is_managed: bool,
}

static INHERITED: Mutex<Option<Inherited>> = Mutex::new(None);

impl Inherited {
    /// Takes the descriptors, once for the process. Call this before any thread starts: it removes the variables from the
    /// environment, so that programs which this process starts do not take the descriptors for theirs.
    pub(crate) fn take_early() {
        let variables = Variables::of_process();
        let is_managed = env::var_os("NOTIFY_SOCKET").is_some_and(|name| !name.is_empty());
        if variables.fds.is_none() && !is_managed {
            return;
        }
        let mut taken = INHERITED.lock();
        if taken.is_some() {
            return;
        }
        let mut inherited = match variables.wanted(process::id()) {
            Ok(Wanted::Nothing) => Self::default(),
            Ok(Wanted::NotOurs(note)) => Self { note: Some(note), ..Self::default() },
            Ok(Wanted::Descriptors(names)) => collect(names),
            Err(problem) => Self { problems: vec![problem], ..Self::default() },
        };
        inherited.is_managed = is_managed;
        *taken = Some(inherited);
    }
}

/// What [`Inherited::take_early`] took, once.
pub(crate) fn take_inherited() -> Inherited {
    INHERITED.lock().take().unwrap_or_default()
}

/// Takes the descriptors with these names.
fn collect(names: Vec<Option<String>>) -> Inherited {
    let mut inherited = Inherited::default();
    for (taken, (number, name)) in descriptors::take(names.len()).into_iter().zip((3..).zip(names)) {
        let label = format!("{LISTEN_FDS}: descriptor {number}");
        let offer = taken.map_err(|wrong| format!("{label} {wrong}")).and_then(|socket| {
            let is_ours = bind::is_marked(&socket);
            let origin = if is_ours { ListenerOrigin::Store } else { ListenerOrigin::Inherited };
            Offer::new(label, name.clone(), socket, origin)
        });
        match offer {
            Ok(offer) => inherited.offers.push(offer),
            Err(problem) => inherited.problems.push(match name {
                Some(name) => format!("{problem} (its name is {name:?})"),
                None => problem,
            }),
        }
    }
    inherited
}

/// The variables, as they are.
#[derive(Debug, Default)]
struct Variables {
    fds: Option<OsString>,
    pid: Option<OsString>,
    names: Option<OsString>,
}

/// What the variables ask for.
#[derive(Debug, PartialEq)]
enum Wanted {
    Nothing,
    /// Descriptors for another process, with an explanation.
    NotOurs(String),
    /// The names of the descriptors from 3 on.
    Descriptors(Vec<Option<String>>),
}

impl Variables {
    fn of_process() -> Self {
        let set = |name| env::var_os(name).filter(|value: &OsString| !value.is_empty());
        Self { fds: set(LISTEN_FDS), pid: set(LISTEN_PID), names: set(LISTEN_FDNAMES) }
    }

    fn wanted(&self, own: u32) -> Result<Wanted, String> {
        let Some(fds) = &self.fds else { return Ok(Wanted::Nothing) };
        // Without it the descriptors are for no process, as in `sd_listen_fds(3)`. Programs inherit such a variable by accident.
        let Some(pid) = &self.pid else { return Ok(Wanted::Nothing) };
        let number = |text: &OsString| text.to_str().and_then(|text| text.parse::<u32>().ok());
        let pid = number(pid).ok_or_else(|| {
            format!("{LISTEN_PID}: {pid:?} is no process id; set it to the process that {LISTEN_FDS} is for")
        })?;
        if pid != own {
            return Ok(Wanted::NotOurs(format!(
                "{LISTEN_FDS} is for process {pid}, and this is process {own}, so its descriptors are not taken; start the program with exec"
            )));
        }
        let count = number(fds).filter(|count| *count <= MOST).ok_or_else(|| {
            format!("{LISTEN_FDS}: {fds:?} is no number of listeners; set it to a number from 0 to {MOST}")
        })?;
        self.names(count as usize).map(Wanted::Descriptors)
    }

    /// A name for each descriptor. systemd sends one for each; others may send none.
    fn names(&self, count: usize) -> Result<Vec<Option<String>>, String> {
        let Some(names) = &self.names else { return Ok(vec![None; count]) };
        let text = names.to_str().ok_or_else(|| format!("{LISTEN_FDNAMES}: {names:?} is not UTF-8"))?;
        let names: Vec<_> =
            text.split(':').map(|name| Some(name.to_owned()).filter(|name| !name.is_empty())).collect();
        if names.len() == count {
            return Ok(names);
        }
        Err(format!(
            "{LISTEN_FDNAMES}: it has {} names ({text:?}), and {LISTEN_FDS} is {count}; give each descriptor a name, with ':' between them, or none",
            names.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(fds: &str, pid: &str, names: &str) -> Result<Wanted, String> {
        let set = |text: &str| Some(OsString::from(text)).filter(|text| !text.is_empty());
        Variables { fds: set(fds), pid: set(pid), names: set(names) }.wanted(7)
    }

    #[test]
    fn descriptors_of_this_process_have_the_names_that_came_with_them() {
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(wanted("", "7", ""), Ok(Wanted::Nothing));
        assert_eq!(wanted("0", "7", ""), Ok(Wanted::Descriptors(vec![])));
        assert_eq!(wanted("2", "7", ""), Ok(Wanted::Descriptors(vec![None, None])));
        assert_eq!(wanted("2", "7", "rpc:rpc"), Ok(Wanted::Descriptors(vec![name("rpc"), name("rpc")])));
        assert_eq!(wanted("2", "7", "rpc:"), Ok(Wanted::Descriptors(vec![name("rpc"), None])));
    }

    #[test]
    fn descriptors_of_another_process_are_left_alone() {
        assert!(matches!(wanted("1", "8", ""), Ok(Wanted::NotOurs(note)) if note.contains("process 8")));
        assert_eq!(wanted("garbage", "", ""), Ok(Wanted::Nothing));
    }

    #[test]
    fn a_number_that_is_none_or_lies_about_the_names_is_an_error_that_names_the_variable() {
        for fds in ["-1", "many", "1.5", "257", "4294967295", "99999999999999999999"] {
            let problem = wanted(fds, "7", "").unwrap_err();
            assert!(problem.starts_with("LISTEN_FDS: ") && problem.contains(fds), "{problem}");
        }
        assert!(wanted("1", "me", "").unwrap_err().starts_with("LISTEN_PID: \"me\" is no process id"));
        let problem = wanted("2", "7", "metrics:rpc:quota-rpc").unwrap_err();
        assert!(problem.contains("3 names") && problem.contains("LISTEN_FDS is 2"), "{problem}");
        assert!(wanted("3", "7", "metrics").is_err());
    }
}
