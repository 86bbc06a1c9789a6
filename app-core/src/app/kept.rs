//! What services keep for the life of the app, across their own restarts.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::Arc,
};

use parking_lot::Mutex;

use super::App;

/// A value of each type.
pub(super) type Kept = Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>;

impl App {
    /// The app's value of this type, made on first use. It lives as long as the app, so a service finds what an earlier
    /// incarnation of it left there. The type is the service's own, which keeps others from it.
    ///
    /// ```
    /// # let app = app_core::App::builder().services([]).build()?;
    /// #[derive(Default)]
    /// struct Runs(std::sync::atomic::AtomicU64);
    ///
    /// app.kept::<Runs>().0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    /// assert_eq!(app.kept::<Runs>().0.load(std::sync::atomic::Ordering::Relaxed), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn kept<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut kept = self.inner.kept.lock();
        let value = kept.get(&TypeId::of::<T>()).and_then(|value| Arc::clone(value).downcast().ok());
        value.unwrap_or_else(|| {
            let made = Arc::<T>::default();
            kept.insert(TypeId::of::<T>(), Arc::<T>::clone(&made));
            made
        })
    }
}
