//! The registry: one incarnation an id, and only that one is taken out.

use app_errors::errors;
use app_ids::ServiceId;

use super::Registry;
use crate::{Service, testing::TestApp};

const ID: ServiceId = ServiceId::new(7);

fn service(app: &TestApp) -> Service {
    Service::new(app, ID, "seven").unwrap()
}

#[tokio::test]
async fn an_id_is_taken_once_and_only_its_owner_frees_it() {
    let app = TestApp::empty().await;
    let (registry, first, second) = (Registry::default(), service(&app), service(&app));
    registry.register(std::slice::from_ref(&first)).unwrap();
    let refused = registry.register(std::slice::from_ref(&second)).unwrap_err();
    assert!(refused.is(&errors::SERVICE_ALREADY_REGISTERED));
    assert!(!registry.unregister(&second), "another incarnation");
    assert!(registry.service(ID).unwrap().same(&first));
    assert!(registry.unregister(&first));
    assert!(!registry.unregister(&first));
    registry.register(std::slice::from_ref(&second)).unwrap();
    assert!(registry.service(ID).unwrap().same(&second));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn services_are_entered_all_or_none() {
    let app = TestApp::empty().await;
    let (registry, seven) = (Registry::default(), service(&app));
    let eight = Service::new(&app, ServiceId::new(8), "eight").unwrap();
    registry.register(std::slice::from_ref(&seven)).unwrap();
    registry.register(&[eight, service(&app)]).unwrap_err();
    assert_eq!(registry.services().iter().map(Service::id).collect::<Vec<_>>(), [ID]);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn once_closed_it_takes_nothing_and_still_lets_go() {
    let app = TestApp::empty().await;
    let (registry, seven) = (Registry::default(), service(&app));
    registry.register(std::slice::from_ref(&seven)).unwrap();
    registry.close();
    let eight = Service::new(&app, ServiceId::new(8), "eight").unwrap();
    assert!(registry.register(&[eight]).unwrap_err().is(&errors::APP_NOT_ALIVE));
    assert!(registry.unregister(&seven));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_lookup_finds_what_is_registered_at_that_moment_whatever_the_ids() {
    let app = TestApp::empty().await;
    // Small ids, ids that only differ in the upper bits, and multiples of the inverse of the hash's multiplier, which it maps
    // to 1, 2, 3 ..
    let ids: Vec<_> = (1..100_u64)
        .flat_map(|i| [i, i << 48, i.wrapping_mul(0xf1de_83e1_9937_733d)])
        .map(ServiceId::new)
        .collect();
    let services: Vec<_> = ids.iter().map(|id| app.new_service(*id, "one")).collect();
    assert!(app.services().is_sorted_by_key(Service::id));
    for round in 0..3 {
        for (at, (id, service)) in ids.iter().zip(&services).enumerate() {
            assert!(app.service(*id).unwrap().same(service));
            app.unregister(service).unwrap();
            assert!(app.service(*id).is_none());
            assert_eq!(app.services().len(), ids.len() - 1, "{round} {at}");
            app.register(service).unwrap();
        }
    }
    for (at, service) in services.iter().enumerate() {
        app.unregister(service).unwrap();
        let left = ids[at + 1..].iter().zip(&services[at + 1..]);
        assert!(left.clone().all(|(id, service)| app.service(*id).unwrap().same(service)));
        assert_eq!(app.services().len(), left.len());
    }
    app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lookup_while_others_come_and_go_finds_the_one_that_stays() {
    let app = TestApp::builder().flags(|flags| flags.log_level = crate::LogLevel::Error).start().await;
    let stays = app.new_service(ID, "seven");
    let others = app.app().clone();
    let come_and_go = tokio::spawn(async move {
        for i in 0..2_000 {
            let other = Service::new(&others, ServiceId::new(8 + i % 3), "other").unwrap();
            others.register(&other).unwrap();
            other.kill("enough");
            assert!(other.is_dead() && others.service(other.id()).is_none());
        }
    });
    while !come_and_go.is_finished() {
        assert!(app.service(ID).unwrap().same(&stays));
        tokio::task::yield_now().await;
    }
    come_and_go.await.unwrap();
    app.stop().await.expect_clean();
}
