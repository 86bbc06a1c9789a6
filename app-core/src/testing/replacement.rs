//! What a test puts in the place of a service.

use std::{any::Any, sync::Arc};

use app_ids::ServiceId;

use crate::{Exposed, HandleType, Start, StartContext, StartFuture};

/// A value that [`TestAppBuilder::replace`](super::TestAppBuilder::replace) puts in the place of a service: a handle, or a fake that
/// becomes one.
///
/// ```
/// use app_core::{prelude::*, testing::{Replacement, TestApp}};
///
/// const STORE: ServiceId = ServiceId::new(0x51);
/// const SHOP: ServiceId = ServiceId::new(0x52);
///
/// /// The handle of the store. `amount` asks a database, or a fake.
/// struct Store(Box<dyn Fn(&str) -> u32 + Send + Sync>);
///
/// impl Exposed for Store { const SERVICE: ServiceId = STORE; }
///
/// async fn shop(service: Service, store: Dep<Store>) -> Result<(), Error> {
///     info!(service.log(), "bolts"; "amount" => (store.0)("bolt"));
///     Ok(())
/// }
/// app_core::service! { id: SHOP, name: "shop", start: shop }
///
/// struct FakeStore { bolts: u32 }
///
/// impl Replacement for FakeStore {
///     type Handle = Store;
///     fn into_handle(self) -> Store { Store(Box::new(move |_| self.bolts)) }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = TestApp::builder().replace(STORE, FakeStore { bolts: 7 }).linked([SHOP]).await;
/// assert!(app.captured().text().contains(r#""amount":7"#));
/// # app.stop().await.expect_clean();
/// # }
/// ```
pub trait Replacement {
    /// The handle that dependents get, as `Dep<Handle>`.
    type Handle: Send + Sync + 'static;

    /// Makes the handle.
    fn into_handle(self) -> Self::Handle;
}

impl<T: Exposed> Replacement for T {
    type Handle = T;

    fn into_handle(self) -> T {
        self
    }
}

/// The start function of a replaced service: it needs nothing, and each incarnation has the same handle.
pub(super) struct Replaced<H>(pub(super) Arc<H>);

impl<H: Send + Sync + 'static> Start<()> for Replaced<H> {
    fn needs(&self) -> Vec<ServiceId> {
        Vec::new()
    }

    fn handle(&self) -> Option<HandleType> {
        Some(HandleType::of::<H>())
    }

    fn start(&self, _: StartContext) -> StartFuture {
        let handle: Arc<dyn Any + Send + Sync> = Arc::<H>::clone(&self.0);
        Box::pin(std::future::ready(Ok(handle)))
    }
}
