//! Services that listen, as plugins: so a start knows which inherited listener is for which service.

use app_ids::ServiceId;

use crate::{
    App,
    listeners::{ListenPlace, Listening},
    plugins::ServiceSpec,
};

/// A service that listens, and where its config wants it to. The crate of the service submits it through inventory.
///
/// ```
/// use app_core::{App, listeners::{ListenPlace, SetBy}, plugins::ListeningService, prelude::*};
///
/// const ECHO: ServiceId = ServiceId::new(0x5b0c_9f31_a86e_d274);
///
/// const IN_CONFIG: SetBy = SetBy::Config { service: ECHO, port: "port" };
///
/// inventory::submit! { ListeningService::new(ECHO, |_app| Some(ListenPlace { address: None, port: 7007, set_by: IN_CONFIG })) }
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ListeningService {
    service: ServiceId,
    place: fn(&App) -> Option<ListenPlace>,
}

inventory::collect!(ListeningService);

impl ListeningService {
    /// The service, and a function that reads from its upcoming config where it will listen. `None` if it will not listen, or if
    /// the config is refused.
    #[must_use]
    pub const fn new(service: ServiceId, place: fn(&App) -> Option<ListenPlace>) -> Self {
        Self { service, place }
    }

    /// All of an app, sorted by name.
    pub(crate) fn all(app: &App) -> Vec<Listening> {
        let listening = |linked: &Self| {
            let spec = app.service_specs().iter().find(|spec: &&ServiceSpec| spec.id() == linked.service)?;
            Some(Listening { name: spec.name().to_owned(), place: (linked.place)(app) })
        };
        let mut all: Vec<_> = inventory::iter::<Self>.into_iter().filter_map(listening).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }
}
