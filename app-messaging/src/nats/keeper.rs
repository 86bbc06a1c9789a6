//! Keeps a connection: makes it, notices its end, makes it anew with growing pauses, and changes it when the config changes.
//!
//! 1. There is at most one current link. What is subscribed is subscribed on it before it becomes current.
//! 2. On a change the new link becomes current before the old one ends. If it can't be made, the old one stays.
//! 3. What the client tells by events is looked at by itself too, once a second, since events may be lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::*;
use tokio::sync::watch;
use tokio::time::Instant;

use super::connect::connect;
use super::link::Link;
use super::{LinkMeters, SERVICES, Settings, Shared};
use crate::ids::{
    CONNECTION_CHANGES, CONNECTION_LOST, CONNECTION_MADE, SUBSCRIPTION_DENIED, SUBSCRIPTION_DROPS,
};
use crate::pace::Pace;

/// The first and the longest pause before connecting is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(8));

/// How often the state of the connection is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The most servers that are tried beside the configured ones.
const MAX_OTHERS: usize = 64;

/// A pause that grows, with jitter, so that a fleet does not come back all at once.
struct Backoff(Duration);

impl Backoff {
    fn new() -> Self {
        Self(PAUSES.0)
    }

    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(PAUSES.1);
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

/// Why a link is not current any more.
enum LinkEnd {
    Dying,
    Lost,
    /// The config has changed, or the server will stop.
    Change,
}

/// Keeps the connection of a transport.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    wanted: watch::Receiver<Arc<Settings>>,
    /// The settings of the last link that was made.
    proven: Option<Arc<Settings>>,
    /// Servers that a server told of.
    others: Vec<String>,
    links: u64,
    /// Denied subscriptions that were told.
    denied: BTreeSet<String>,
    /// Whether it was told that others do not find this instance.
    hidden: bool,
    meters: LinkMeters,
    overflows: Pace,
    /// Told after the first try.
    tried: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Keeper {
    pub(super) fn new(
        shared: Arc<Shared>,
        wanted: watch::Receiver<Arc<Settings>>,
        meters: LinkMeters,
        tried: tokio::sync::oneshot::Sender<()>,
    ) -> Self {
        let (others, denied) = (Vec::new(), BTreeSet::new());
        Self {
            shared,
            wanted,
            proven: None,
            others,
            links: 0,
            denied,
            hidden: false,
            meters,
            overflows: Pace::default(),
            tried: Some(tried),
        }
    }

    fn service(&self) -> &Service {
        &self.shared.service
    }

    pub(super) async fn run(mut self) {
        let mut link: Option<Arc<Link>> = None;
        loop {
            let current = match link.take() {
                Some(link) => link,
                None => match self.connect_again().await {
                    Some(link) => link,
                    None => return,
                },
            };
            match self.hold(&current).await {
                LinkEnd::Dying => return self.stop(&current).await,
                LinkEnd::Lost => self.lose(&current),
                LinkEnd::Change => link = Some(self.change(current).await),
            }
        }
    }

    /// Tries until there is a connection. `None` when the service is dying.
    async fn connect_again(&mut self) -> Option<Arc<Link>> {
        let (mut backoff, mut told) = (Backoff::new(), false);
        loop {
            let service = self.service().clone();
            let wanted = self.wanted.borrow_and_update().clone();
            let made = tokio::select! {
                biased;
                () = service.dying() => return None,
                made = self.connect_to_any(&wanted) => made,
            };
            // A config that does not work must not keep the application away if the last one does.
            let proven = self.proven.clone().filter(|proven| !Arc::ptr_eq(proven, &wanted));
            let made = match (made, proven) {
                (Err(reason), Some(proven)) => {
                    let again = tokio::select! {
                        biased;
                        () = service.dying() => return None,
                        made = self.connect_to_any(&proven) => made,
                    };
                    again.map_err(|_| reason)
                }
                (made, _) => made,
            };
            let reason = match made {
                Ok(link) => match self.become_current(&link).await {
                    Ok(()) => {
                        self.meters.connected.set(1.0);
                        self.tried.take();
                        return Some(link);
                    }
                    Err(reason) => reason,
                },
                Err(reason) => reason,
            };
            self.shared.away(&reason);
            if !std::mem::replace(&mut told, true) {
                warn!(service.log(), "no NATS server can be used; the application goes on without, and tries again";
                    "event" => CONNECTION_LOST.hex(), "reason" => &reason);
            }
            self.tried.take();
            tokio::select! {
                () = service.dying() => return None,
                // A new config is tried at once.
                Ok(()) = self.wanted.changed() => backoff = Backoff::new(),
                () = tokio::time::sleep(backoff.next()) => {}
            }
        }
    }

    /// Tries each server once, in a random order.
    async fn connect_to_any(&mut self, settings: &Arc<Settings>) -> Result<Arc<Link>, String> {
        let mut servers: Vec<String> = settings.servers.iter().map(|server| server.authority()).collect();
        fastrand::shuffle(&mut servers);
        let others = self.others.iter().filter(|other| !servers.contains(other));
        let others: Vec<_> = others.cloned().collect();
        let mut reasons = Vec::new();
        for (index, server) in servers.iter().chain(&others).enumerate() {
            self.links += 1;
            match connect(settings, server, self.links, self.service()).await {
                Ok(link) => {
                    self.proven = Some(Arc::clone(settings));
                    self.others = link.other_servers();
                    self.others.truncate(MAX_OTHERS);
                    return Ok(link);
                }
                // What a server told of may be out of reach from here.
                Err(reason) if index < servers.len() => reasons.push(format!("{server}: {reason}")),
                Err(_) => {}
            }
        }
        reasons.sort();
        Err(reasons.join("; "))
    }

    /// Invariant 1.
    async fn become_current(&self, link: &Arc<Link>) -> Result<(), String> {
        self.subscribe_and_use(link).await?;
        info!(self.service().log(), "connected to NATS";
            "event" => CONNECTION_MADE.hex(), "server" => &link.server, "version" => &link.version);
        Ok(())
    }

    /// Makes all subscriptions on the link, and lets calls use it.
    async fn subscribe_and_use(&self, link: &Arc<Link>) -> Result<(), String> {
        let shared = &self.shared;
        if let Err(error) = shared.subscriptions.attach_all(link, self.service()).await {
            link.abandon();
            return Err(format!("{}: the connection was made, and then lost: {error}", link.server));
        }
        shared.set_current(Some(Arc::clone(link)));
        // Some were entered after that list was made, and have seen no link or the old one. If this fails, the connection is lost,
        // and the next one has them.
        let _ = shared.subscriptions.attach_all(link, self.service()).await;
        Ok(())
    }

    /// Invariant 3.
    async fn hold(&mut self, link: &Link) -> LinkEnd {
        let service = self.service().clone();
        if !service.alive() {
            return LinkEnd::Dying;
        }
        // Before the config: while a new one does not work, the last one that worked gets a new link.
        if !link.is_connected() {
            return LinkEnd::Lost;
        }
        // The last config that worked is in use, and not the wanted one.
        if self.proven.as_ref().is_some_and(|proven| !Arc::ptr_eq(proven, &self.wanted.borrow())) {
            return LinkEnd::Change;
        }
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = service.dying() => return LinkEnd::Dying,
                () = link.gone() => return LinkEnd::Lost,
                Ok(()) = self.wanted.changed() => return LinkEnd::Change,
                () = link.leaving() => return LinkEnd::Change,
                _ = look.tick() => {
                    if !link.is_connected() {
                        return LinkEnd::Lost;
                    }
                    self.tell_denied(link);
                    self.tell_overflows(link);
                }
            }
        }
    }

    /// Says once of each subscription that the account may not have it.
    fn tell_denied(&mut self, link: &Link) {
        let denied = self.shared.subscriptions.denied(link);
        let service = self.service().clone();
        for subject in denied.into_iter().filter(|subject| self.denied.insert(subject.clone())) {
            if !subject.starts_with(SERVICES) {
                warn!(service.log(), "the account may not subscribe to a subject, so nothing arrives there; allow it";
                    "event" => SUBSCRIPTION_DENIED.hex(), "subject" => subject);
            } else if !std::mem::replace(&mut self.hidden, true) {
                warn!(service.log(), "the account may not subscribe to $SRV, so others do not find this instance; allow $SRV.>, or set publishServices to false";
                    "event" => SUBSCRIPTION_DENIED.hex(), "subject" => subject);
            }
        }
    }

    /// Counts what the client dropped before anything here could read it, and says so now and then.
    fn tell_overflows(&mut self, link: &Link) {
        let dropped = link.take_overflows();
        if dropped == 0 {
            return;
        }
        self.meters.dropped.add(dropped);
        if let Some(untold) = self.overflows.take(dropped) {
            warn!(self.service().log(), "messages were dropped before they were read, since this process is too slow; give it more CPU time, or let it get less";
                "event" => SUBSCRIPTION_DROPS.hex(), "dropped" => untold);
        }
    }

    fn lose(&mut self, link: &Link) {
        self.tell_overflows(link);
        self.meters.connected.set(0.0);
        link.abandon();
        self.shared.set_current(None);
        let reason = link.last_error().unwrap_or_else(|| "the server is gone, or the network".to_owned());
        self.shared.away(&format!("{}: {reason}", link.server));
        warn!(self.service().log(), "the connection to NATS is lost; it is made anew";
            "event" => CONNECTION_LOST.hex(), "server" => &link.server, "reason" => reason);
    }

    /// Invariant 2. Returns the link that is current then, or the old one when it is gone.
    async fn change(&mut self, old: Arc<Link>) -> Arc<Link> {
        let (service, mut backoff, mut told) = (self.service().clone(), Backoff::new(), false);
        self.shared.subscriptions.begin_change(&old);
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            // Servers that do not answer take a while, and there may be many.
            let made = tokio::select! {
                biased;
                () = service.dying() => return old,
                () = old.gone() => return old,
                made = self.connect_to_any(&wanted) => made,
            };
            let reason = match made {
                Ok(new) => match self.hand_over(&old, &new).await {
                    Ok(()) => return new,
                    Err(reason) => reason,
                },
                Err(reason) => reason,
            };
            let same = self.proven.as_ref().is_some_and(|proven| Arc::ptr_eq(proven, &wanted));
            let why = if same {
                "the server will stop, and no other can be used"
            } else {
                "the new config does not work"
            };
            self.shared.note(Some(format!("{why}, so the old connection stays: {reason}")));
            if !std::mem::replace(&mut told, true) {
                error!(service.log(), "messaging keeps its old connection: {}", why;
                    "event" => CONNECTION_CHANGES.hex(), "reason" => &reason);
            }
            tokio::select! {
                () = service.dying() => return old,
                () = old.gone() => return old,
                Ok(()) = self.wanted.changed() => (backoff, told) = (Backoff::new(), false),
                () = tokio::time::sleep(backoff.next()) => {}
            }
        }
    }

    async fn hand_over(&self, old: &Arc<Link>, new: &Arc<Link>) -> Result<(), String> {
        self.subscribe_and_use(new).await?;
        // What was published before over the old connection has come back over it after this.
        let _ = old.round_trip(Duration::from_secs(1)).await;
        old.retire();
        info!(self.service().log(), "messaging goes on with a new connection to NATS";
            "event" => CONNECTION_CHANGES.hex(), "server" => &new.server, "version" => &new.version);
        let closes = Arc::clone(old);
        // If the service is dead, the connection ends with the process.
        let _ =
            self.service().spawn("messaging closes the old connection", async move { closes.close().await });
        Ok(())
    }

    async fn stop(&self, link: &Link) {
        let began = Instant::now();
        link.close().await;
        self.shared.set_current(None);
        self.meters.connected.set(0.0);
        debug!(self.service().log(), "the connection to NATS is closed"; "millis" => began.elapsed().as_millis() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let mut backoff = Backoff::new();
        let all: Vec<_> = (0..12).map(|_| backoff.next()).collect();
        assert!(all[0] <= PAUSES.0 && all[0] >= PAUSES.0 / 2, "{all:?}");
        assert!(all[11] <= PAUSES.1 && all[11] >= PAUSES.1 / 2, "{all:?}");
        let firsts: std::collections::BTreeSet<_> = (0..20).map(|_| Backoff::new().next()).collect();
        assert!(firsts.len() > 10, "{firsts:?}");
    }
}
