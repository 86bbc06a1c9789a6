//! Lookups that remember what they found.

use std::fmt;

use app_ids::ServiceId;

use super::{find, shard::Remembered, spread};
use crate::{App, Service};

/// How many services a lookup remembers, by the lower bits of their spread ids.
const REMEMBERED: usize = 64;

/// Looks registered services up again and again, faster than [`App::service`]: what it found is kept, and given by
/// reference for as long as nothing has changed where the service is registered. For a task or a thread that does so often.
///
/// It answers as the registry does at that moment. Up to 64 services that it found last are kept in memory until it is
/// dropped or finds others in their places, also when they have died since.
///
/// ```
/// # use app_core::{prelude::*, testing::TestApp};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let app = TestApp::empty().await;
/// let mut services = app.lookup();
/// assert!(services.find(ServiceId::new(7)).is_none());
/// let service = app.new_service(ServiceId::new(7), "seven");
/// assert!(services.find(ServiceId::new(7)).is_some_and(|found| found.same(&service)));
/// service.kill("enough");
/// service.dead().await;
/// assert!(services.find(ServiceId::new(7)).is_none());
/// # app.stop().await.expect_clean();
/// # }
/// ```
#[derive(Clone)]
pub struct ServiceLookup {
    app: App,
    found: Box<[Option<Found>]>,
}

/// What was found under an id; that there is none is remembered too.
type Found = (ServiceId, Remembered<Option<Service>>);

impl ServiceLookup {
    pub(crate) fn new(app: App) -> Self {
        Self { app, found: (0..REMEMBERED).map(|_| None).collect() }
    }

    /// The service that is registered under this id.
    #[inline]
    pub fn find(&mut self, id: ServiceId) -> Option<&Service> {
        let shard = self.app.inner.registry.shard(id)?;
        // The bits below those that chose the shard.
        let place = (spread(id) >> 46) as usize % REMEMBERED;
        let found = &mut self.found[place];
        if !found.as_ref().is_some_and(|(found, what)| *found == id && what.holds(shard)) {
            *found = Some((id, shard.remember(|| find(shard, id))));
        }
        found.as_ref()?.1.what.as_ref()
    }
}

impl fmt::Debug for ServiceLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.found.iter().flatten().map(|(id, found)| (id, &found.what));
        f.debug_map().entries(found).finish()
    }
}
