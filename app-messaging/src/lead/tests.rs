//! Leadership on the transport in this process, with several services in place of instances.

use app_core::testing::TestApp;
use parking_lot::Mutex;
use tokio::time::sleep;

use super::*;
use crate::{Faults, MESSAGING_SERVICE_ID, Messaging};

const BILLING: ServiceId = ServiceId::new(0x77e1_3b2c_90da_4f58);
const LEASE: Duration = Duration::from_secs(4);

/// What happened: who began and ended to lead, in which term, and when.
type Events = Arc<Mutex<Vec<(&'static str, &'static str, u64, Duration)>>>;

struct Ends(Events, &'static str, Term, Instant);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.lock().push(("ends", self.1, self.2.0, self.3.elapsed()));
    }
}

/// An instance of its own: an identity, and the shared transport.
fn stand(app: &TestApp, who: &'static str, events: &Events, began: Instant) -> Service {
    let context = Arc::clone(app.get::<Messaging>().context());
    let service = Service::new(app, BILLING, who).unwrap();
    let identity = app_core::Identity { instance: app_ids::InstanceId::random(), ..context.identity };
    let context = Arc::new(context.with_identity(identity));
    let events = Arc::clone(events);
    let leadership = Leadership::new(context, "billing".to_owned(), LEASE);
    leadership
        .run(&service, move |term| {
            events.lock().push(("begins", who, term.as_u64(), began.elapsed()));
            let ends = Ends(Arc::clone(&events), who, term, began);
            async move {
                let _ends = ends;
                std::future::pending().await
            }
        })
        .unwrap();
    service
}

/// No two lead at a time, and terms rise.
fn check(events: &Events) -> usize {
    let (mut leads, mut last, mut terms) = (None, 0, 0);
    for (what, who, term, when) in events.lock().iter() {
        match *what {
            "begins" => {
                assert_eq!(leads, None, "{who} begins at {when:?} in term {term}");
                assert!(*term > last, "term {term} after {last}");
                (leads, last, terms) = (Some(*who), *term, terms + 1);
            }
            _ => assert_eq!(leads.take(), Some(*who)),
        }
    }
    terms
}

#[tokio::test(start_paused = true)]
async fn one_of_three_leads_and_a_clean_stop_moves_it_within_a_second() {
    let app = TestApp::with([MESSAGING_SERVICE_ID]).await;
    let (events, began) = (Events::default(), Instant::now());
    let mut services: Vec<_> = ["a", "b", "c"].map(|who| (who, stand(&app, who, &events, began))).into();
    sleep(LEASE * 10).await;
    assert_eq!(events.lock().len(), 1, "one leads, and keeps to");
    for _ in 0..2 {
        let (_, leader, ..) = *events.lock().last().unwrap();
        let at = services.iter().position(|(who, _)| *who == leader).unwrap();
        let killed = began.elapsed();
        services.swap_remove(at).1.kill("stops");
        sleep(Duration::from_secs(1)).await;
        let (what, .., when) = *events.lock().last().unwrap();
        assert!(what == "begins" && when - killed <= Duration::from_secs(1), "{:?}", events.lock());
        sleep(LEASE * 3).await;
    }
    assert_eq!(check(&events), 3);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_vanished_is_followed_within_twice_the_lease() {
    let app = TestApp::with([MESSAGING_SERVICE_ID]).await;
    // An entry of an instance that was killed without a warning.
    let messaging = app.get::<Messaging>();
    let transport = messaging.transport();
    let bucket = bucket_name(app.domain(), LEADERS);
    let config = BucketConfig {
        name: bucket.clone(),
        history: 1,
        max_value_bytes: MAX_VALUE_BYTES,
        max_age: Duration::ZERO,
        max_bytes: 0,
    };
    transport.ensure_bucket(config).await.unwrap();
    let key: String = hex_of(&consumer_name(BILLING, "billing"));
    let old = transport.bucket_put(&bucket, &key, Some("gone".into()), Expected::Any, LEASE).await.unwrap();
    let (events, began) = (Events::default(), Instant::now());
    let _service = stand(&app, "a", &events, began);
    sleep(LEASE).await;
    assert!(events.lock().is_empty(), "the lease of the other is not over yet");
    sleep(LEASE).await;
    let (_, _, term, when) = events.lock()[0];
    assert!(term > old && when >= LEASE + LEASE / 4 && when <= LEASE * 2, "{when:?}");
}

#[tokio::test(start_paused = true)]
async fn over_a_bad_network_no_two_lead_at_a_time() {
    for seed in 0..3 {
        let faults = Faults::seeded(seed).lose_acks(0.3).disconnect(0.1);
        let app = TestApp::builder().provide(faults).linked([MESSAGING_SERVICE_ID]).start().await;
        let (events, began) = (Events::default(), Instant::now());
        let services = ["a", "b", "c"].map(|who| stand(&app, who, &events, began));
        sleep(LEASE * 150).await;
        services.iter().for_each(|service| service.kill("stops"));
        sleep(LEASE).await;
        assert!(check(&events) >= 2, "seed {seed}: {:?}", events.lock());
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_ends_gives_the_leadership_up() {
    let app = TestApp::with([MESSAGING_SERVICE_ID]).await;
    let service = app.new_service(BILLING, "billing");
    let terms: Arc<Mutex<Vec<u64>>> = Arc::default();
    let notes = Arc::clone(&terms);
    let leadership = app.get::<Messaging>().lead("billing", LEASE);
    leadership
        .run(&service, move |term| {
            notes.lock().push(term.as_u64());
            async { Ok(()) }
        })
        .unwrap();
    sleep(Duration::from_secs(5)).await;
    let terms = terms.lock().clone();
    assert!(terms.len() >= 2 && terms.is_sorted(), "{terms:?}");
    let bad = app.get::<Messaging>().lead("Billing", LEASE);
    assert!(bad.run(&service, |_| async { Ok(()) }).unwrap_err().to_string().contains("choose another"));
}

#[tokio::test(start_paused = true)]
async fn without_a_server_nobody_leads() {
    let app = TestApp::builder().provide(Place::NoServer).linked([MESSAGING_SERVICE_ID]).start().await;
    let (events, began) = (Events::default(), Instant::now());
    let _service = stand(&app, "a", &events, began);
    sleep(LEASE * 10).await;
    assert!(events.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_stands_of_one_instance_do_not_take_each_other_for_themselves() {
    let faults = Faults::seeded(11).lose_acks(0.3);
    let app = TestApp::builder().provide(faults).linked([MESSAGING_SERVICE_ID]).start().await;
    let (events, began) = (Events::default(), Instant::now());
    let service = app.new_service(BILLING, "billing");
    for who in ["a", "b"] {
        let events = Arc::clone(&events);
        let leadership = app.get::<Messaging>().lead("billing", LEASE);
        leadership
            .run(&service, move |term| {
                events.lock().push(("begins", who, term.as_u64(), began.elapsed()));
                let ends = Ends(Arc::clone(&events), who, term, began);
                async move {
                    let _ends = ends;
                    std::future::pending().await
                }
            })
            .unwrap();
    }
    sleep(LEASE * 200).await;
    assert!(check(&events) >= 2, "{:?}", events.lock());
}

#[tokio::test(start_paused = true)]
async fn a_follower_does_not_wake_more_than_once_a_second() {
    let app = TestApp::with([MESSAGING_SERVICE_ID]).await;
    let (events, began) = (Events::default(), Instant::now());
    let _leader = stand(&app, "a", &events, began);
    sleep(Duration::from_secs(1)).await;
    let transport = Arc::clone(app.get::<Messaging>().transport());
    let before = transport.calls();
    sleep(LEASE * 100).await;
    let of_the_leader = transport.calls() - before;
    let _follower = stand(&app, "b", &events, began);
    sleep(Duration::from_secs(1)).await;
    let before = transport.calls();
    sleep(LEASE * 100).await;
    let more = transport.calls() - before - of_the_leader;
    assert!(more > 0 && more <= LEASE.as_secs() * 100, "{more} calls in {:?}", LEASE * 100);
    assert_eq!(events.lock().len(), 1);
}
