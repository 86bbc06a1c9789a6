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
