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
async fn a_lookup_that_remembers_answers_as_the_registry_does() {
    let app = TestApp::empty().await;
    let mut lookup = app.app().lookup();
    // More than it remembers, so that they take each other's places.
    let ids: Vec<_> = (1..300).map(ServiceId::new).collect();
    let mut services = Vec::new();
    for round in 0..6 {
        for id in &ids {
            match app.service(*id) {
                Some(service) if round % 3 == 2 => app.unregister(&service).unwrap(),
                Some(_) => {}
                None if round % 2 == 0 => services.push(app.new_service(*id, "one")),
                None => {}
            }
            let (found, there) = (lookup.find(*id), app.service(*id));
            assert_eq!(found.is_some(), there.is_some(), "{id}");
            assert!(found.zip(there.as_ref()).is_none_or(|(found, there)| found.same(there)), "{id}");
            let other = ids[usize::try_from(id.as_u64()).unwrap() * 7 % ids.len()];
            assert_eq!(lookup.find(other).is_some(), app.service(other).is_some(), "{other}");
        }
    }
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn services_of_one_shard_are_told_apart() {
    let app = TestApp::empty().await;
    // Multiples of the inverse of the multiplier: spread, they are 1, 2, 3 ..
    let ids: Vec<_> = (1..100_u64).map(|i| ServiceId::new(i.wrapping_mul(0xf1de_83e1_9937_733d))).collect();
    let services: Vec<_> = ids.iter().map(|id| app.new_service(*id, "one")).collect();
    assert!(ids.iter().zip(&services).all(|(id, service)| app.service(*id).unwrap().same(service)));
    for (at, service) in services.iter().enumerate() {
        app.unregister(service).unwrap();
        assert_eq!(app.services().len(), 98 - at);
        assert!(app.service(ids[at]).is_none());
        assert!(
            ids[at + 1..]
                .iter()
                .zip(&services[at + 1..])
                .all(|(id, service)| app.service(*id).unwrap().same(service))
        );
    }
    app.stop().await.expect_clean();
}
