//! Tests of the notifications to systemd. The tests take the part of systemd.

use std::{
    ffi::OsString,
    io::ErrorKind,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use app_core::{Restart, ServiceDescriptor, StopCause, prelude::*, testing::TestApp};

use super::{notifications::Notification, *};
use crate::{
    HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks,
    fixture::{CHECK, SECOND, started},
};

/// The socket of systemd.
struct Systemd {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Systemd {
    fn of(app: &TestApp) -> Self {
        Self::at(app.config_dir().join("notify"))
    }

    fn at(path: PathBuf) -> Self {
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, path }
    }

    fn manager(&self, watchdog: Option<Duration>) -> ServiceManager {
        ServiceManager { socket: ManagerSocket::open(self.path.as_os_str()).unwrap(), watchdog }
    }

    /// The messages since the last call, without the parts that change from one to the next.
    fn heard(&self) -> Vec<String> {
        let mut messages = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) => messages.push(String::from_utf8(buffer[..length].to_vec()).unwrap()),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    return messages;
                }
            }
        }
    }
}

/// Starts the notifications in a service of the app, as the health service does.
fn telling(app: &TestApp, manager: ServiceManager) -> Service {
    let service = app.new_service(ServiceId::new(0x5d), "notifier");
    let configs = app.get::<Configs>();
    service.spawn("systemd", notify(service.clone(), Configs::clone(&configs), manager)).unwrap();
    service
}

/// A critical check that passes while the switch is on.
fn switched(health: &HealthChecks, on: &Arc<AtomicBool>) {
    let spec = HealthCheckSpec::new(CHECK).name("switch").interval(SECOND).critical();
    let on = Arc::clone(on);
    let check = move |_| {
        let on = on.load(Ordering::Relaxed);
        async move { if on { Ok(()) } else { Err("it is off\nREADY=1") } }
    };
    health.register_unbound(spec, check).unwrap();
}

/// Number of warnings and errors that begin with `start`.
fn count(app: &TestApp, start: &str) -> usize {
    let begins = |record: &&serde_json::Value| record["message"].as_str().unwrap().starts_with(start);
    let records = app.captured().records();
    records.iter().filter(begins).filter(|record| record["level"] != "info").count()
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn ready_is_told_once_the_critical_checks_pass_and_the_status_says_what_is_in_the_way() {
    let (app, health) = started().await;
    let systemd = Systemd::of(&app);
    let on = Arc::new(AtomicBool::new(false));
    switched(&health, &on);
    pass(SECOND / 2).await;
    telling(&app, systemd.manager(None));
    pass(SECOND / 4).await;
    let failing = "STATUS=not ready: critical health check switch (c1) fails";
    let heard = systemd.heard();
    assert!(heard.len() == 1 && heard[0].starts_with(failing) && !heard[0].contains('\n'), "{heard:?}");

    on.store(true, Ordering::Relaxed);
    pass(2 * SECOND).await;
    let heard = systemd.heard();
    assert_eq!(heard.last().unwrap(), "READY=1\nSTATUS=3 services, ready");

    on.store(false, Ordering::Relaxed);
    pass(3 * SECOND).await;
    assert!(systemd.heard()[0].starts_with(failing));
    on.store(true, Ordering::Relaxed);
    pass(3 * SECOND).await;
    let heard = systemd.heard();
    assert_eq!(heard.last().unwrap(), "STATUS=3 services, ready", "a second READY would end a reload");

    app.kill(StopCause::Signal(15));
    app.stopped().await;
    assert_eq!(
        systemd.heard(),
        ["STOPPING=1\nSTATUS=stopping: signal SIGTERM\nEXTEND_TIMEOUT_USEC=135000000"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_reload_is_told_when_it_is_asked_for_and_when_it_is_done() {
    let (app, _) = started().await;
    let systemd = Systemd::of(&app);
    app.reload();
    telling(&app, systemd.manager(None));
    pass(2 * SECOND).await;
    assert_eq!(systemd.heard(), ["READY=1\nSTATUS=3 services, ready"], "a reload at the start is part of it");
    for _ in 0..2 {
        let asked_at = monotonic();
        app.reload();
        pass(2 * SECOND).await;
        let heard = systemd.heard();
        let [reloading, ready] = heard.as_slice() else { panic!("{heard:?}") };
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!((asked_at..=monotonic()).contains(&time.parse().unwrap()), "{time}");
        assert_eq!(ready, "READY=1\nSTATUS=3 services, ready");
    }
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_kill_with_a_drain_delay_of_its_own_asks_for_the_time_that_it_takes() {
    let (app, _) = started().await;
    let systemd = Systemd::of(&app);
    telling(&app, systemd.manager(None));
    pass(2 * SECOND).await;
    systemd.heard();
    app.kill_after(StopCause::Killed("moved".to_owned()), Some(600 * SECOND));
    pass(SECOND).await;
    let stopping = "STOPPING=1\nSTATUS=stopping: killed: moved\nEXTEND_TIMEOUT_USEC=735000000";
    assert_eq!(systemd.heard(), [stopping]);
    pass(10 * SECOND).await;
    // Every 5 s, because systemd may have forgotten the extension.
    let left = ["EXTEND_TIMEOUT_USEC=730000000", "EXTEND_TIMEOUT_USEC=725000000"];
    assert_eq!(systemd.heard(), left);
    app.stopped().await;
}

fn monotonic() -> i128 {
    match NotifyState::monotonic_usec_now().unwrap() {
        NotifyState::MonotonicUsec(time) => time,
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_is_told_twice_in_its_time_for_as_long_as_the_liveness_probe_says_yes() {
    let (app, _) = started().await;
    let systemd = Systemd::of(&app);
    telling(&app, systemd.manager(Some(10 * SECOND)));
    pass(SECOND).await;
    let pings = |heard: Vec<String>| heard.iter().filter(|message| *message == "WATCHDOG=1").count();
    assert_eq!(pings(systemd.heard()), 1, "at once");
    pass(20 * SECOND).await;
    assert_eq!(pings(systemd.heard()), 4);

    app.service(HEALTHCHECK_SERVICE_ID).unwrap().kill("the test wants it");
    pass(60 * SECOND).await;
    assert!(!probes::liveness(&app).ready());
    assert_eq!(pings(systemd.heard()), 0);
    assert_eq!(count(&app, "not alive"), 1, "told once");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_does_not_read_holds_nothing_up_and_hears_all_that_counts_once_it_does() {
    let (app, _) = started().await;
    let systemd = Systemd::of(&app);
    let manager = systemd.manager(Some(SECOND));
    // Until the queue is full.
    while manager.socket.send("STATUS=noise").is_ok() {}
    telling(&app, manager);
    pass(5 * SECOND).await;
    assert_eq!(count(&app, "systemd does not take a notification"), 1);
    assert!(systemd.heard().iter().all(|message| message == "STATUS=noise"));
    pass(2 * SECOND).await;
    assert!(systemd.heard().contains(&"READY=1\nSTATUS=3 services, ready".to_owned()));
    assert_eq!(count(&app, "systemd does not take a notification"), 1);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_is_gone_is_warned_of_once_and_found_again_when_it_is_back() {
    let (app, _) = started().await;
    let systemd = Systemd::of(&app);
    let manager = systemd.manager(Some(SECOND));
    let path = systemd.path.clone();
    drop(systemd);
    telling(&app, manager);
    pass(5 * SECOND).await;
    std::fs::remove_file(&path).unwrap();
    pass(5 * SECOND).await;
    let back = Systemd::of(&app);
    pass(2 * SECOND).await;
    assert!(back.heard().contains(&"READY=1\nSTATUS=3 services, ready".to_owned()));
    assert_eq!(count(&app, "systemd does not take a notification"), 1);
    app.stop().await.expect_clean();
}

/// Services start slowly, and systemd hears of it meanwhile.
#[tokio::test(start_paused = true)]
async fn while_services_start_more_time_is_asked_for_again_and_again() {
    const TELLER: ServiceId = ServiceId::new(0x5d);
    let builder = TestApp::builder();
    let path = builder.config_dir().join("notify");
    let systemd = Systemd::at(path.clone());
    let notifier =
        ServiceDescriptor::of(TELLER, "notifier", move |service: Service, configs: Dep<Configs>| {
            let socket = ManagerSocket::open(path.as_os_str()).unwrap();
            let telling =
                notify(service.clone(), Configs::clone(&configs), ServiceManager { socket, watchdog: None });
            async move { service.spawn("systemd", telling) }
        });
    let slow = ServiceDescriptor::of(ServiceId::new(0x510), "slow", || async {
        pass(12 * SECOND).await;
        Ok(())
    });
    let builder = builder.linked([app_config::CONFIG_SERVICE_ID]);
    let app = builder.service(notifier).service(slow.after([TELLER])).start().await;
    pass(SECOND).await;
    let heard = systemd.heard();
    let pleas = heard.iter().filter(|message| *message == "EXTEND_TIMEOUT_USEC=30000000").count();
    assert_eq!(pleas, 3, "at once, after 5 s and after 10 s: {heard:?}");
    assert!(heard.contains(&"STATUS=starting: 2 of 3 services run".to_owned()), "{heard:?}");
    assert_eq!(heard.last().unwrap(), "READY=1\nSTATUS=3 services, ready");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_restarted_makes_the_status_say_so_and_no_new_start() {
    const WEAK: ServiceId = ServiceId::new(0xea);
    let weak = ServiceDescriptor::of(WEAK, "weak", |service: Service| async move {
        // Starts at once the first time, and slowly after that.
        if App::of(&service).service_statuses().iter().any(|status| status.deaths > 0) {
            pass(10 * SECOND).await;
        }
        Ok(())
    });
    let linked = TestApp::builder().linked([HEALTHCHECK_SERVICE_ID]);
    let app = linked.service(weak.restart(Restart::on_failure())).start().await;
    let systemd = Systemd::of(&app);
    telling(&app, systemd.manager(None));
    pass(SECOND).await;
    assert_eq!(systemd.heard(), ["READY=1\nSTATUS=4 services, ready"]);
    app.service(WEAK).unwrap().kill(errors::BUG.error(WEAK).message("it broke").build());
    pass(5 * SECOND).await;
    let heard = systemd.heard();
    assert!(
        heard.iter().all(|message| message.starts_with("STATUS=not ready: service weak (ea) is ")),
        "{heard:?}"
    );
    let restarting = "STATUS=not ready: service weak (ea) is restarting (1 of 10 in 5m): it broke";
    assert_eq!(heard.last().unwrap(), restarting);
    pass(10 * SECOND).await;
    assert_eq!(systemd.heard(), ["STATUS=4 services, ready"]);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn an_app_that_is_not_the_process_tells_nobody() {
    let (app, _) = started().await;
    assert!(!is_the_process(&app));
    app.stop().await.expect_clean();
}

#[test]
fn an_abstract_name_is_one_and_what_is_no_name_is_refused() {
    let name = format!("app-health-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    ManagerSocket::open(&OsString::from(format!("@{name}"))).unwrap().send("READY=1").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(socket.recv(&mut buffer).unwrap(), 7);
    for name in ["vsock:2:1234", "notify", "@".repeat(200).as_str(), &"/x".repeat(200)] {
        assert!(ManagerSocket::open(&OsString::from(name)).is_err(), "{name}");
    }
}

#[test]
fn steps_are_told_in_order_and_the_stop_is_the_last() {
    let mut now = AppStatus { starting: true, status: "starting".to_owned(), ..AppStatus::default() };
    let mut sent = SentState::new(0);
    let mut told = |now: &AppStatus| {
        let mut steps = Vec::new();
        while let Some(step) = sent.next(now) {
            sent.note(step, now);
            steps.push(step);
        }
        steps
    };
    assert_eq!(told(&now), [Notification::Status]);
    now.asked = 1;
    assert_eq!(told(&now), []);
    now = AppStatus { ready: true, starting: false, status: "ready".to_owned(), ..now };
    assert_eq!(told(&now), [Notification::Ready]);
    now.asked = 2;
    assert_eq!(told(&now), [Notification::Reloading]);
    now.asked = 3;
    now.done = 2;
    assert_eq!(told(&now), [Notification::Reloading], "2 is done, 3 is not");
    now.done = 3;
    assert_eq!(told(&now), [Notification::Reloaded]);
    now.ready = false;
    now.status = "not ready".to_owned();
    assert_eq!(told(&now), [Notification::Status]);
    now = AppStatus { stops_within: Some(SECOND), asked: 4, status: "stopping".to_owned(), ..now };
    assert_eq!(told(&now), [Notification::Stopping]);
    now.status = "still stopping".to_owned();
    assert_eq!(told(&now), []);
}
