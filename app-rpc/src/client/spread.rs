//! Which instance gets the next call: the better of two that are picked at random.
//!
//! The least busy of all would get all calls of callers that call one at a time, and a new instance would get all calls at once. The
//! better of two needs no look at the others, and many clients that choose so do not choose the same.

use std::net::SocketAddr;

use super::instance::{Chosen, Instance};

/// Something that takes calls for an instance.
pub(super) trait Candidate {
    fn at(&self) -> &Instance;

    /// Whether it takes calls now.
    fn takes_calls(&self) -> bool;
}

/// Chooses who gets the next call, and says why. `None` if nobody takes one. `avoid` is an instance that gets it only if no other one
/// works.
pub(super) fn choose<C: Candidate>(among: &[C], avoid: Option<SocketAddr>) -> Option<(&C, Chosen)> {
    let is_good = |one: &C| one.at().health.is_in() && one.takes_calls() && Some(one.at().address) != avoid;
    let (one, other) = match among {
        [] => return None,
        [only] => (only, only),
        _ => two_of(among),
    };
    if is_good(one) && is_good(other) {
        return Some((better(one, other), Chosen::Usually));
    }
    let mut due = among.iter().filter(|one| !one.at().health.is_in() && Some(one.at().address) != avoid);
    if let Some(due) = due.find(|one| one.takes_calls() && one.at().health.try_again()) {
        return Some((due, Chosen::ToTryIt));
    }
    best(among, is_good)
        .or_else(|| best(among, |one| one.at().health.is_in() && one.takes_calls()))
        .map(|best| (best, Chosen::Usually))
        .or_else(|| Some((best(among, C::takes_calls)?, Chosen::ForLackOfOthers)))
}

/// The better of two at random, of those that are good.
fn best<C: Candidate>(among: &[C], is_good: impl Fn(&C) -> bool) -> Option<&C> {
    let good: Vec<&C> = among.iter().filter(|one| is_good(one)).collect();
    match good[..] {
        [] => None,
        [only] => Some(only),
        _ => {
            let (one, other) = two_of(&good);
            Some(better(one, other))
        }
    }
}

fn better<'a, C: Candidate>(one: &'a C, other: &'a C) -> &'a C {
    if one.at().load.is_better_than(&other.at().load, fastrand::u32(..)) { one } else { other }
}

/// Two different ones at random, of at least two.
fn two_of<C>(among: &[C]) -> (&C, &C) {
    let one = fastrand::usize(..among.len());
    let other = fastrand::usize(..among.len() - 1);
    (&among[one], &among[if other < one { other } else { other + 1 }])
}

#[cfg(test)]
mod tests;
