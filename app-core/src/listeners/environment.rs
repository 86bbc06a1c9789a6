//! Listeners that another process passed on: `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`, as in `sd_listen_fds(3)`.

use std::{env, ffi::OsString, process};

use parking_lot::Mutex;

use super::{ListenerOrigin, Offer, bind, descriptors, store::ListenerStore};

/// The most listeners that are taken. A service has one, and no app has so many services that listen.
const MOST: u32 = 256;

/// The number of listeners; the first is descriptor 3.
const LISTEN_FDS: &str = "LISTEN_FDS";
/// The process that they are for.
const LISTEN_PID: &str = "LISTEN_PID";
/// Their names, with `:` between them.
const LISTEN_FDNAMES: &str = "LISTEN_FDNAMES";
/// Another first descriptor. `sd_listen_fds(3)` does not know it, but the crate `listenfd` does.
const LISTEN_FDS_FIRST_FD: &str = "LISTEN_FDS_FIRST_FD";

/// What this process inherited.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    pub(crate) offers: Vec<Offer>,
    /// What is wrong with the rest. Each stops the start.
    pub(crate) problems: Vec<String>,
    /// Why descriptors are left alone.
    pub(crate) note: Option<String>,
    /// The store of the service manager, if one watches this process.
    pub(crate) store: Option<ListenerStore>,
}

static INHERITED: Mutex<Option<Inherited>> = Mutex::new(None);

impl Inherited {
    /// Takes the descriptors, once for the process. Call this before any thread starts: it removes `LISTEN_FDS` and `LISTEN_PID` from the
    /// environment, so that programs which this process starts do not take the descriptors for theirs. `LISTEN_FDNAMES` stays, and means
    /// nothing without them.
    pub(crate) fn take_early() {
        let variables = Variables::of_process();
        let store = ListenerStore::from_environment();
        if variables.fds.is_none() && store.is_none() {
            return;
        }
        let mut taken = INHERITED.lock();
        if taken.is_some() {
            return;
        }
        let wanted = variables.wanted(process::id());
        if matches!(wanted, Ok(Wanted::NotOurs(_) | Wanted::Nothing)) && variables.count().is_some() {
            descriptors::leave();
        }
        let inherited = match wanted {
            Ok(Wanted::Nothing) => Self::default(),
            Ok(Wanted::NotOurs(note)) => Self { note: Some(note), ..Self::default() },
            Ok(Wanted::Descriptors(names)) => collect(names),
            Err(problem) => Self { problems: vec![problem], ..Self::default() },
        };
        *taken = Some(Self { store, ..inherited });
    }
}

/// What [`Inherited::take_early`] took, once.
pub(crate) fn take_inherited() -> Inherited {
    INHERITED.lock().take().unwrap_or_default()
}

/// Takes the descriptors with these names.
fn collect(names: Vec<Option<String>>) -> Inherited {
    let mut inherited = Inherited::default();
    for (taken, (number, name)) in
        descriptors::take(names.len()).into_iter().zip((descriptors::FIRST..).zip(names))
    {
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
    first: Option<OsString>,
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
        Self {
            fds: set(LISTEN_FDS),
            pid: set(LISTEN_PID),
            names: set(LISTEN_FDNAMES),
            first: set(LISTEN_FDS_FIRST_FD),
        }
    }

    fn wanted(&self, own: u32) -> Result<Wanted, String> {
        let Some(fds) = &self.fds else { return Ok(Wanted::Nothing) };
        // Without it the descriptors are for no process, as in `sd_listen_fds(3)`. Programs inherit such a variable by accident.
        let Some(pid) = &self.pid else { return Ok(Wanted::Nothing) };
        let pid = number(pid).ok_or_else(|| {
            format!("{LISTEN_PID}: {pid:?} is no process id; set it to the process that {LISTEN_FDS} is for")
        })?;
        if pid != own {
            return Ok(Wanted::NotOurs(format!(
                "{LISTEN_FDS} is for process {pid}, and this is process {own}, so its descriptors are not taken; start the program with exec"
            )));
        }
        let count = self.count().ok_or_else(|| {
            format!("{LISTEN_FDS}: {fds:?} is no number of listeners; set it to a number from 0 to {MOST}")
        })?;
        let expected = descriptors::FIRST.to_string();
        if let Some(first) = self.first.as_ref().filter(|first| **first != *expected) {
            return Err(format!(
                "{LISTEN_FDS_FIRST_FD}: it is {first:?}, and descriptors are passed on from {expected} on; remove the variable"
            ));
        }
        self.names(count as usize).map(Wanted::Descriptors)
    }

    /// The number of listeners, if it is one.
    fn count(&self) -> Option<u32> {
        self.fds.as_ref().and_then(number).filter(|count| *count <= MOST)
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

fn number(text: &OsString) -> Option<u32> {
    text.to_str().and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(fds: &str, pid: &str, names: &str) -> Result<Wanted, String> {
        let set = |text: &str| Some(OsString::from(text)).filter(|text| !text.is_empty());
        Variables { fds: set(fds), pid: set(pid), names: set(names), first: None }.wanted(7)
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

    #[test]
    fn another_first_descriptor_than_that_of_the_names_and_messages_is_an_error() {
        let set = |text: &str| Some(OsString::from(text));
        let from = |first: &str| Variables { fds: set("1"), pid: set("7"), names: None, first: set(first) };
        assert_eq!(from("3").wanted(7), Ok(Wanted::Descriptors(vec![None])));
        for first in ["4", "0", "many"] {
            let problem = from(first).wanted(7).unwrap_err();
            assert!(
                problem.starts_with("LISTEN_FDS_FIRST_FD: it is") && problem.contains(first),
                "{problem}"
            );
        }
        assert!(matches!(from("4").wanted(8), Ok(Wanted::NotOurs(_))));
    }

    /// This test starts itself again, because the environment is that of the process.
    #[test]
    fn variables_for_another_process_are_removed_too() {
        const NAME: &str = "listeners::environment::tests::variables_for_another_process_are_removed_too";
        const AGAIN: &str = "APP_CORE_TEST_OF_VARIABLES";
        if env::var_os(AGAIN).is_some() {
            Inherited::take_early();
            assert_eq!((env::var_os(LISTEN_FDS), env::var_os(LISTEN_PID)), (None, None));
            assert!(take_inherited().offers.is_empty());
            return;
        }
        for pid in [Some("1"), None] {
            let mut again = process::Command::new(env::current_exe().unwrap());
            again.args(["--exact", NAME]).env(AGAIN, "1").env(LISTEN_FDS, "1").env_remove(LISTEN_PID);
            again.envs(pid.map(|pid| (LISTEN_PID, pid)));
            let ended = again.output().unwrap();
            assert!(ended.status.success(), "{pid:?}: {}", String::from_utf8_lossy(&ended.stdout));
        }
    }
}
