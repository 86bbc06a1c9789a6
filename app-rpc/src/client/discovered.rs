//! The addresses that instances of the server tell, over messaging.
//!
//! Every program that may publish there can tell any address. So an address is a hint: connecting to it fails unless the server's
//! certificate has the right name. And an answer may be lost, so an instance that is missing once keeps its connection.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use app_core::plugins::discovery::{Discovery, SoughtServer};
use tokio::time::Instant;

use crate::RpcName;

/// An address that was missing so many times in a row is no address of the server any more.
const MISSING: u8 = 3;

/// The addresses that were told, each with how many times in a row it was missing since.
#[derive(Default)]
pub(super) struct Discovered(RefCell<BTreeMap<SocketAddr, u8>>);

impl Discovered {
    /// Asks. While none can be asked, the known addresses stay.
    ///
    /// # Errors
    /// No address is known.
    pub(super) async fn ask(
        &self,
        discovery: &Discovery,
        name: RpcName,
        deadline: Instant,
    ) -> Result<(), String> {
        let RpcName { domain, app, service } = name;
        let told = discovery.find(SoughtServer { domain, app, service }, deadline).await;
        let mut known = self.0.borrow_mut();
        let reason = match told {
            Ok(found) => {
                known.values_mut().for_each(|missed| *missed += 1);
                known.extend(found.into_iter().map(|address| (address, 0)));
                // With none left, the last ones are tried on: they may be back before their first answer.
                if known.values().any(|missed| *missed == 0) {
                    known.retain(|_, missed| *missed < MISSING);
                } else {
                    known.values_mut().for_each(|missed| *missed = MISSING - 1);
                }
                format!("no instance of {name} tells an address")
            }
            Err(reason) => reason,
        };
        if known.is_empty() { Err(reason) } else { Ok(()) }
    }

    /// The addresses, as far as they are known.
    pub(super) fn known(&self) -> Vec<SocketAddr> {
        self.0.borrow().keys().copied().collect()
    }

    /// Forgets all, for a config that does not ask.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use app_core::plugins::discovery::AddressFinder;
    use app_core::prelude::ServiceId;
    use app_ids::{AppId, DomainId};
    use futures_util::future::BoxFuture;
    use parking_lot::Mutex;

    use super::*;

    const NAME: RpcName =
        RpcName { domain: DomainId::new(1), app: AppId::new(2), service: ServiceId::new(3) };

    #[derive(Default)]
    struct Told(Mutex<Option<Vec<u16>>>);

    impl AddressFinder for Told {
        fn find(&self, server: SoughtServer, _: Instant) -> BoxFuture<'_, Result<Vec<SocketAddr>, String>> {
            assert_eq!((server.domain, server.app, server.service), (NAME.domain, NAME.app, NAME.service));
            let told = self.0.lock().clone().map(|ports| ports.into_iter().map(address).collect());
            Box::pin(async move { told.ok_or_else(|| "nobody can be asked".to_owned()) })
        }
    }

    fn address(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    struct World {
        told: Arc<Told>,
        discovery: Discovery,
        discovered: Discovered,
    }

    impl World {
        fn new() -> Self {
            let (told, discovery) = (Arc::<Told>::default(), Discovery::default());
            discovery.provide(Arc::<Told>::clone(&told));
            Self { told, discovery, discovered: Discovered::default() }
        }

        async fn ask(&self, told: Option<&[u16]>) -> Result<Vec<u16>, String> {
            *self.told.0.lock() = told.map(Vec::from);
            let deadline = Instant::now() + Duration::from_secs(60);
            self.discovered.ask(&self.discovery, NAME, deadline).await?;
            Ok(self.discovered.known().iter().map(SocketAddr::port).collect())
        }
    }

    #[tokio::test]
    async fn an_address_goes_when_it_was_missing_three_times() {
        let world = World::new();
        assert_eq!(world.ask(Some(&[7, 8])).await, Ok(vec![7, 8]));
        assert_eq!(world.ask(Some(&[7])).await, Ok(vec![7, 8]));
        assert_eq!(world.ask(Some(&[7, 8])).await, Ok(vec![7, 8]), "it is back, and counted anew");
        assert_eq!(world.ask(Some(&[7, 9])).await, Ok(vec![7, 8, 9]));
        assert_eq!(world.ask(Some(&[7, 9])).await, Ok(vec![7, 8, 9]));
        assert_eq!(world.ask(Some(&[7, 9])).await, Ok(vec![7, 9]));
    }

    #[tokio::test]
    async fn the_last_ones_stay_while_nobody_answers_or_can_be_asked() {
        let world = World::new();
        assert_eq!(world.ask(None).await, Err("nobody can be asked".to_owned()));
        let nobody = world.ask(Some(&[])).await.unwrap_err();
        assert!(nobody.contains("no instance of 1_2_3 tells an address"), "{nobody}");
        assert_eq!(world.ask(Some(&[7])).await, Ok(vec![7]));
        for told in [Some(&[][..]), None, Some(&[]), Some(&[]), Some(&[]), None] {
            assert_eq!(world.ask(told).await, Ok(vec![7]));
        }
        // Others take their place at once.
        assert_eq!(world.ask(Some(&[8])).await, Ok(vec![8]));
        world.discovered.clear();
        assert!(world.ask(None).await.is_err());
    }
}
