//! Tests of who gets which listener.

use std::net::Ipv4Addr;

use futures_util::FutureExt as _;

use super::super::place::{ListenPlace, SetBy};
use super::*;
use app_ids::ServiceId;

const IN_CONFIG: SetBy = SetBy::Config { service: ServiceId::new(1), port: "port" };
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn offer(name: Option<&str>, origin: ListenerOrigin) -> Offer {
    let socket = TcpListener::bind((LOCALHOST, 0)).unwrap();
    Offer::new("descriptor 3".to_owned(), name.map(str::to_owned), socket, origin).unwrap()
}

fn listening(name: &str, port: Option<u16>) -> Listening {
    let place = port.map(|port| ListenPlace { address: None, port, set_by: IN_CONFIG });
    Listening { name: name.to_owned(), place }
}

/// The listeners of a process that inherited these.
fn given(offers: Vec<Offer>) -> Listeners {
    Listeners::new(Inherited { offers, is_managed: true, ..Inherited::default() }, false)
}

#[test]
fn a_name_decides_and_else_the_address_does() {
    let (named, unnamed) =
        (offer(Some("rpc"), ListenerOrigin::Inherited), offer(Some("x.socket"), ListenerOrigin::Inherited));
    let (first, second) = (named.address, unnamed.address);
    let listeners = given(vec![named, unnamed]);
    let services = [listening("metrics", Some(second.port())), listening("rpc", Some(0))];
    assert_eq!(listeners.assign(&services), [""; 0]);
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
    let problems = listeners.assign(&services);
    let texts = [
        "are both for the service \"metrics\"",
        "\"none\"",
        "without a name",
        "config 0x1 says port 1; set port to",
    ];
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
    assert_eq!(listeners.assign(&services), [""; 0]);
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
    let listeners = Listeners::new(Inherited { is_managed: true, ..Inherited::default() }, false);
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
    assert_eq!(listeners.assign(&[listening("rpc", None)]), [""; 0]);
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
    assert_eq!(listeners.assign(&[listening("rpc", Some(0))]), [""; 0]);
    let accepting = listeners.listen("rpc", None, 0).unwrap().accepting().unwrap();
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
