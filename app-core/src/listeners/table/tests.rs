//! Tests of who gets which listener.

use std::{net::Ipv4Addr, os::unix::net::UnixDatagram, path::PathBuf, sync::mpsc};

use app_ids::ServiceId;
use futures_util::FutureExt;
use tempfile::TempDir;

use super::super::place::{ListenPlace, SetBy};
use super::*;

const IN_CONFIG: SetBy = SetBy::Config { service: ServiceId::new(1), port: "port" };
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn offer(name: Option<&str>, origin: ListenerOrigin) -> Offer {
    let socket = TcpListener::bind((LOCALHOST, 0)).unwrap();
    Offer::new("descriptor 3".to_owned(), name.map(str::to_owned), socket, origin).unwrap()
}

fn listening(name: &str, port: Option<u16>) -> Listening {
    let place = port.map(|port| ListenPlace { address: Some(LOCALHOST), port, set_by: IN_CONFIG });
    Listening { name: name.to_owned(), place }
}

/// As [`listening`], on all addresses.
fn listening_everywhere(name: &str, port: u16) -> Listening {
    let place = ListenPlace { address: None, port, set_by: IN_CONFIG };
    Listening { name: name.to_owned(), place: Some(place) }
}

/// The listeners of a process that inherited these, with a manager that hears nothing.
fn given(offers: Vec<Offer>) -> Listeners {
    let store = Some(ListenerStore::of("/nowhere".into()));
    Listeners::new(Inherited { offers, store, ..Inherited::default() }, false)
}

fn no_problems(listeners: &Listeners, services: &[Listening]) {
    assert_eq!(listeners.assign(services).problems, [""; 0]);
}

#[test]
fn a_name_decides_and_else_the_address_does() {
    let (named, unnamed) =
        (offer(Some("rpc"), ListenerOrigin::Inherited), offer(Some("x.socket"), ListenerOrigin::Inherited));
    let (first, second) = (named.address, unnamed.address);
    let listeners = given(vec![named, unnamed]);
    let services = [listening("metrics", Some(second.port())), listening("rpc", Some(0))];
    no_problems(&listeners, &services);
    assert!(listeners.is_offered("rpc") && listeners.is_offered("metrics"));
    assert_eq!(listeners.listen("rpc", None, 0).unwrap().address(), first);
    let metrics = listeners.listen("metrics", Some(LOCALHOST), second.port()).unwrap();
    assert_eq!((metrics.address(), metrics.origin()), (second, ListenerOrigin::Inherited));
    assert!(metrics.accepts_last().holds());
    listeners.release();
    assert!(!metrics.accepts_last().holds(), "another process accepts");
}

#[test]
fn what_is_inherited_and_fits_nothing_is_a_problem_that_names_it() {
    let offers = [Some("metrics"), Some("metrics"), Some("none"), None, Some("rpc")];
    let listeners = given(offers.map(|name| offer(name, ListenerOrigin::Inherited)).into());
    let services = [listening("metrics", None), listening("rpc", Some(1))];
    let problems = listeners.assign(&services).problems;
    let texts = ["are both for the service \"metrics\"", "\"none\"", "without a name", "; set port to"];
    assert_eq!(problems.len(), texts.len(), "{problems:#?}");
    for (problem, text) in problems.iter().zip(texts) {
        assert!(problem.contains(text), "{text}: {problem}");
    }
    assert!(problems[1].ends_with("the names are: metrics, rpc"), "{}", problems[1]);
}

#[test]
fn what_this_platform_bound_before_is_never_a_problem_and_is_forgotten_if_nobody_wants_it() {
    let names = ["moved", "gone", "unused"];
    let listeners = given(names.map(|name| offer(Some(name), ListenerOrigin::Store)).into());
    let services = [listening("moved", Some(1)), listening("unused", None)];
    no_problems(&listeners, &services);
    let removed = listeners.to_store();
    assert!(matches!(
        &removed[..],
        [StoreStep::Remove { .. }, StoreStep::Remove { .. }, StoreStep::Remove { .. }]
    ));
    for step in &removed {
        listeners.told(step);
    }
    let new = listeners.listen("moved", Some(LOCALHOST), 0).unwrap();
    assert_eq!(new.origin(), ListenerOrigin::Bound);
    assert!(!new.accepts_last().holds(), "it ends with this process");
    let steps = listeners.to_store();
    assert!(matches!(&steps[..], [StoreStep::Put { name, .. }] if name == "moved"), "{steps:?}");
    listeners.told(&steps[0]);
    assert!(new.accepts_last().holds() && listeners.to_store().is_empty());
    assert_eq!(listeners.accept_last(), ["moved"]);
}

#[test]
fn a_service_that_asks_again_gets_its_listener_unless_its_config_moved() {
    let listeners = given(Vec::new());
    let first = listeners.listen("rpc", Some(LOCALHOST), 0).unwrap();
    let address = first.address();
    listeners.told(&listeners.to_store()[0]);
    drop(first);
    assert!(listeners.statuses().is_empty(), "no service has it");
    assert!(std::net::TcpStream::connect(address).is_ok(), "a client waits for the restart");
    let again = listeners.listen("rpc", Some(LOCALHOST), address.port()).unwrap();
    assert_eq!(again.address(), address);
    assert!(again.accepts_last().holds(), "it is still stored");
    drop(again);
    let moved = listeners.listen("rpc", Some("127.0.0.2".parse().unwrap()), 0).unwrap();
    assert_ne!(moved.address().ip(), address.ip());
    assert!(std::net::TcpStream::connect(address).is_err());
    let steps = listeners.to_store();
    assert!(matches!(&steps[..], [StoreStep::Remove { .. }, StoreStep::Put { .. }]), "{steps:?}");
}

#[test]
fn an_inherited_listener_does_not_follow_a_config() {
    let inherited = offer(Some("rpc"), ListenerOrigin::Inherited);
    let address = inherited.address;
    let listeners = given(vec![inherited]);
    no_problems(&listeners, &[listening("rpc", None)]);
    for _ in 0..2 {
        let failed = listeners.listen("rpc", Some(LOCALHOST), 1).unwrap_err();
        let explained = failed.explain("RPC endpoint", IN_CONFIG);
        assert!(
            explained
                .contains(&format!("is at {address}; set port in config 0x1 to {} or 0", address.port())),
            "{explained}"
        );
        // The second time it was in use before.
        drop(listeners.listen("rpc", Some(LOCALHOST), 0).unwrap());
    }
}

#[test]
fn without_anything_from_elsewhere_a_listener_closes_with_its_service() {
    let listeners = Listeners::default();
    let listener = listeners.listen("rpc", Some(LOCALHOST), 0).unwrap();
    let address = listener.address();
    assert!(listeners.accept_last().is_empty() && listeners.to_store().is_empty());
    drop(listener);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn nothing_is_accepted_before_the_gate_is_open_and_after_another_process_accepts() {
    let handed = offer(Some("rpc"), ListenerOrigin::Handover);
    let address = handed.address;
    let listeners = Listeners::new(Inherited::default(), true).wait_for(vec![handed]);
    no_problems(&listeners, &[listening("rpc", Some(0))]);
    let accepting = listeners.listen("rpc", Some(LOCALHOST), 0).unwrap().accepting().unwrap();
    let _client = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut accept = std::pin::pin!(accepting.accept());
    for _ in 0..3 {
        assert!((&mut accept).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    listeners.open_gate();
    accept.await.unwrap();
    let _next = tokio::net::TcpStream::connect(address).await.unwrap();
    listeners.release();
    assert!(accepting.accept().now_or_never().is_none());
}

/// A service manager that keeps listeners, on a thread of its own.
struct Manager {
    _folder: TempDir,
    path: PathBuf,
    told: mpsc::Receiver<String>,
}

impl Manager {
    /// Keeps a copy of each of these, until it is told to forget the name.
    fn keeping(offers: &[Offer]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let kept =
            offers.iter().map(|offer| (offer.name.clone().unwrap(), offer.socket.try_clone().unwrap()));
        let mut kept: Vec<_> = kept.collect();
        let (sender, told) = mpsc::channel();
        // Ends with the process of the tests.
        thread::spawn(move || {
            let mut buffer = [0; 256];
            while let Ok(bytes) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..bytes]).into_owned();
                let name = text.strip_prefix("FDSTOREREMOVE=1\nFDNAME=").unwrap().to_owned();
                kept.retain(|(other, _)| *other != name);
                if sender.send(name).is_err() {
                    return;
                }
            }
        });
        Self { _folder: folder, path, told }
    }

    /// The listeners of a process that gets these from the store.
    fn starts(&self, offers: Vec<Offer>) -> Listeners {
        let store = Some(ListenerStore::of(self.path.clone().into()));
        Listeners::new(Inherited { offers, store, ..Inherited::default() }, false)
    }
}

#[test]
fn a_service_moves_to_all_addresses_of_the_port_that_the_manager_still_holds() {
    let stored = offer(Some("rpc"), ListenerOrigin::Store);
    let port = stored.address.port();
    let manager = Manager::keeping(std::slice::from_ref(&stored));
    let listeners = manager.starts(vec![stored]);
    no_problems(&listeners, &[listening_everywhere("rpc", port)]);
    let moved = listeners.listen("rpc", None, port).unwrap();
    assert!(moved.address().ip().is_unspecified() && moved.origin() == ListenerOrigin::Bound, "{moved:?}");
    assert_eq!(manager.told.recv().unwrap(), "rpc");
    let steps = listeners.to_store();
    assert!(matches!(&steps[..], [StoreStep::Put { .. }]), "it is told once: {steps:?}");
}

#[test]
fn a_service_that_moves_while_the_app_runs_gets_the_port_that_the_manager_still_holds() {
    let stored = offer(Some("rpc"), ListenerOrigin::Store);
    let port = stored.address.port();
    let manager = Manager::keeping(std::slice::from_ref(&stored));
    let listeners = manager.starts(vec![stored]);
    no_problems(&listeners, &[listening("rpc", Some(port))]);
    drop(listeners.listen("rpc", Some(LOCALHOST), port).unwrap());
    assert!(listeners.listen("rpc", None, port).unwrap().address().ip().is_unspecified());
    assert_eq!(manager.told.recv().unwrap(), "rpc");
}

#[test]
fn two_services_swap_their_ports() {
    let stored = ["metrics", "rpc"].map(|name| offer(Some(name), ListenerOrigin::Store));
    let [metrics, rpc] = [stored[0].address.port(), stored[1].address.port()];
    let manager = Manager::keeping(&stored);
    let listeners = manager.starts(stored.into());
    no_problems(&listeners, &[listening("metrics", Some(rpc)), listening("rpc", Some(metrics))]);
    let first = listeners.listen("metrics", Some(LOCALHOST), rpc).unwrap();
    let second = listeners.listen("rpc", Some(LOCALHOST), metrics).unwrap();
    assert_eq!([first.address().port(), second.address().port()], [rpc, metrics]);
}

#[test]
fn a_port_that_another_program_has_is_not_waited_for() {
    let other = TcpListener::bind((LOCALHOST, 0)).unwrap();
    let listeners = given(Vec::new());
    let began = Instant::now();
    let failed = listeners.listen("rpc", Some(LOCALHOST), other.local_addr().unwrap().port()).unwrap_err();
    assert_eq!(failed.error.kind(), io::ErrorKind::AddrInUse);
    assert!(began.elapsed() < FORGOTTEN_WITHIN, "{failed}");
}

#[test]
fn a_handover_that_would_move_a_listener_to_where_the_running_process_listens_says_what_to_do() {
    let handed = offer(Some("rpc"), ListenerOrigin::Handover);
    let running = handed.socket.try_clone().unwrap();
    let at = running.local_addr().unwrap();
    let listeners = Listeners::new(Inherited::default(), true).wait_for(vec![handed]);
    no_problems(&listeners, &[listening_everywhere("rpc", at.port())]);
    let failed = listeners.listen("rpc", None, at.port()).unwrap_err();
    let explained = failed.explain("RPC endpoint", IN_CONFIG);
    assert!(explained.contains(&format!("the running process listens at {at} (\"rpc\")")), "{explained}");
    assert!(explained.ends_with("stop the running process first, then start this one"), "{explained}");
    drop(running);
    assert!(listeners.listen("rpc", None, at.port()).is_ok());
}

#[test]
fn what_was_bound_on_one_address_is_bound_again_for_a_config_with_all_and_what_is_inherited_is_not() {
    for origin in [ListenerOrigin::Store, ListenerOrigin::Handover] {
        let narrow = offer(Some("rpc"), origin);
        let listeners = given(Vec::new()).wait_for(vec![narrow]);
        no_problems(&listeners, &[listening_everywhere("rpc", 0)]);
        let listener = listeners.listen("rpc", None, 0).unwrap();
        assert_eq!(listener.origin(), ListenerOrigin::Bound, "{origin}");
        assert!(listener.address().ip().is_unspecified(), "{origin}");
    }
    let listeners = given(vec![offer(Some("rpc"), ListenerOrigin::Inherited)]);
    let assigned = listeners.assign(&[listening_everywhere("rpc", 0)]);
    assert_eq!((assigned.problems.len(), assigned.warnings.len()), (0, 0), "{assigned:?}");
    let [note] = &assigned.notes[..] else { panic!("one note: {assigned:?}") };
    assert!(
        note.contains("config 0x1 names no address, so the listener decides, and only 127.0.0.1"),
        "{note}"
    );
    assert_eq!(listeners.listen("rpc", None, 0).unwrap().origin(), ListenerOrigin::Inherited);
}

#[test]
fn an_inherited_listener_of_a_service_without_a_config_makes_a_warning() {
    let listeners = given(vec![offer(Some("rpc"), ListenerOrigin::Inherited)]);
    let assigned = listeners.assign(&[listening("rpc", None)]);
    let [warning] = &assigned.warnings[..] else { panic!("one warning: {assigned:?}") };
    assert!(warning.contains("the service \"rpc\" has no config, so it accepts nothing"), "{warning}");
    assert_eq!(assigned.problems, [""; 0]);
}

#[test]
fn a_listener_that_moved_while_the_old_one_was_stored_is_stored_itself_afterwards() {
    let listeners = given(Vec::new());
    drop(listeners.listen("rpc", Some(LOCALHOST), 0).unwrap());
    let old = listeners.to_store();
    let moved = listeners.listen("rpc", Some("127.0.0.2".parse().unwrap()), 0).unwrap();
    listeners.told(&old[0]);
    assert!(!moved.accepts_last().holds(), "the manager keeps another one");
    let steps = listeners.to_store();
    assert!(matches!(&steps[..], [StoreStep::Remove { .. }, StoreStep::Put { .. }]), "{steps:?}");
    steps.iter().for_each(|step| listeners.told(step));
    assert!(moved.accepts_last().holds() && listeners.to_store().is_empty());
}
