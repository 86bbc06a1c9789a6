//! What calls are answered.

use app_core::prelude::*;
use tokio::time::Instant;

use super::{AWAY, Exchanged};
use crate::fleet::handle::{Ask, FleetRule, Reply};
use crate::fleet::held::{Held, Waiter};
use crate::fleet::keys::KeyId;
use crate::fleet::lease::{Seen, SharedKey};
use crate::fleet::share::Shares;
use crate::fleet::shared::Nanos;
use crate::notices::{Notice, Notices};
use crate::{Grant, QUOTA};

/// Answers a call. The caller may have given up.
pub(super) fn answer(reply: Reply<Grant>, grant: Grant) {
    let _ = reply.send(Ok(grant));
}

pub(super) fn granted(rule: &FleetRule, held: &Held, now: Instant, time: Nanos) -> Grant {
    Grant { granted: true, remaining: left(rule, held, now, time), retry_after: Duration::ZERO }
}

pub(super) fn denied(remaining: u32, retry_after: Duration) -> Grant {
    Grant { granted: false, remaining, retry_after }
}

/// Permits that are known to be left: those that are held, and those in the shared bucket.
fn left(rule: &FleetRule, held: &Held, now: Instant, time: Nanos) -> u32 {
    // A clock may have been set back since.
    let shared = held.seen.map_or(0, |seen| rule.rate.available(seen.full_at(), time.max(seen.at())));
    held.left(now).saturating_add(shared).min(rule.rule.burst.get())
}

/// The answer that the bucket holds too few permits. The first one since permits were leased is told to others.
pub(super) fn deny(
    rule: &FleetRule,
    id: &KeyId,
    held: &mut Held,
    wait: Duration,
    (now, time): (Instant, Nanos),
    notices: &Notices,
) -> Grant {
    if let Some(revision) = held.ran_out() {
        notices.tell(Notice::of_fleet(&id.rule, &id.key, wait, revision));
    }
    denied(left(rule, held, now, time), wait)
}

/// What an instance grants while the servers are away.
pub(super) fn by_itself(shares: &mut Shares, id: &KeyId, permits: u32) -> Grant {
    shares.take(&id.rule, &id.key, permits).unwrap_or_else(|| denied(0, AWAY))
}

/// Answers the calls that wait, in their order, as far as permits are held. Returns how many.
pub(super) fn serve(
    rule: &FleetRule,
    id: &KeyId,
    held: &mut Held,
    shares: &mut Shares,
    (now, time): (Instant, Nanos),
) -> usize {
    let mut served = 0;
    while let Some(Waiter { permits, reply, .. }) = held.next_served(now) {
        shares.count(&id.rule, &id.key, permits);
        answer(reply, granted(rule, held, now, time));
        served += 1;
    }
    served
}

/// Answers a question about a key.
pub(super) async fn asked(place: SharedKey, id: KeyId, ask: Ask) -> Exchanged {
    match ask {
        Ask::Look { reply } => {
            let _ = reply.send(place.look().await.map_err(|reason| unavailable(&id.rule, &reason)));
        }
        Ask::Fill { reply } => {
            let _ = reply.send(place.fill().await.map_err(|reason| unavailable(&id.rule, &reason)));
        }
        Ask::Take { reply, .. } => answer(reply, denied(0, AWAY)),
    }
    Exchanged::Asked(id)
}

/// Answers a question that can't be asked of the servers.
pub(super) fn away(ask: Ask, rule: &str, reason: &str) {
    match ask {
        Ask::Look { reply } => drop(reply.send(Err(unavailable(rule, reason)))),
        Ask::Fill { reply } => drop(reply.send(Err(unavailable(rule, reason)))),
        Ask::Take { reply, .. } => answer(reply, denied(0, AWAY)),
    }
}

fn unavailable(rule: &str, reason: &str) -> Error {
    let rule = app_config::quoted(rule);
    let message =
        format!("the bucket of rule {rule}, which the fleet shares, can't be reached: {reason}; try again");
    errors::SERVICE_NOT_AVAILABLE.error(QUOTA).message(message).build()
}

pub(super) async fn returned(place: SharedKey, id: KeyId, from: Seen, permits: u32) -> Exchanged {
    Exchanged::Returned(id, permits, place.give_back(from, permits).await)
}
