//! The capabilities that both sides of a connection hold.

use capnp_rpc::rpc_capnp::{cap_descriptor, payload};

use super::CallMeter;

/// The memory in capnp-rpc of a capability of this side that the peer holds.
const EXPORT_BYTES: usize = 512;

/// The memory in capnp-rpc of a capability of the peer.
const IMPORT_BYTES: usize = 1024;

/// The most capabilities of the peer that this side holds.
pub(super) const MAX_IMPORTS: usize = 4096;

/// The most capabilities of this side that a peer may hold.
pub(super) const MAX_EXPORTS: usize = 4096;

impl CallMeter {
    /// Counts the capabilities of this side in a message to the peer.
    pub(super) fn give(&mut self, payload: payload::Reader<'_>) -> capnp::Result<Vec<u32>> {
        let given: Vec<u32> =
            payload.get_cap_table()?.iter().filter_map(|capability| hosted(&capability)).collect();
        for id in &given {
            self.give_one(*id);
        }
        Ok(given)
    }

    pub(super) fn give_one(&mut self, id: u32) {
        let count = self.exports.entry(id).or_default();
        *count += 1;
        if *count == 1 {
            self.overdraw(EXPORT_BYTES);
        }
    }

    /// Counts the capabilities of the peer in a received message.
    pub(super) fn take_in(&mut self, payload: payload::Reader<'_>) -> capnp::Result<()> {
        payload.get_cap_table()?.iter().try_for_each(|capability| self.take(&capability))
    }

    pub(super) fn take(&mut self, capability: &cap_descriptor::Reader<'_>) -> capnp::Result<()> {
        let Some(id) = hosted(capability) else { return Ok(()) };
        let count = self.imports.entry(id).or_default();
        *count = count.saturating_add(1);
        if *count == 1 {
            self.overdraw(IMPORT_BYTES);
        }
        if self.imports.len() > 2 * MAX_IMPORTS {
            return Err(capnp::Error::overloaded("too many capabilities of the peer are held".to_owned()));
        }
        Ok(())
    }

    /// Uncounts a capability of the peer that this side releases.
    pub(super) fn give_back(&mut self, id: u32, count: u32) {
        if let Some(taken) = self.imports.get_mut(&id) {
            *taken = taken.saturating_sub(count);
            if *taken == 0 {
                self.imports.remove(&id);
                self.refund(IMPORT_BYTES);
            }
        }
    }

    /// Uncounts a capability that the peer releases. capnp-rpc refuses the release of a capability that the peer does not have.
    pub(super) fn let_go(&mut self, id: u32, count: u32) {
        if let Some(given) = self.exports.get_mut(&id) {
            *given = given.saturating_sub(count);
            if *given == 0 {
                self.exports.remove(&id);
                self.refund(EXPORT_BYTES);
            }
        }
    }
}

/// The id of a capability that its sender hosts.
pub(super) fn hosted(capability: &cap_descriptor::Reader<'_>) -> Option<u32> {
    match capability.which() {
        Ok(cap_descriptor::SenderHosted(id) | cap_descriptor::SenderPromise(id)) => Some(id),
        _ => None,
    }
}
