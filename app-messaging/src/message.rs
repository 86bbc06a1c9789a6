//! A message, as a handler gets it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use app_core::prelude::Error;
use capnp::traits::Owned;

use crate::errors::MESSAGE_MALFORMED;
use crate::transport::Incoming;
use crate::types::{MessageInfo, MessageType};
use crate::wire::{Headers, Limits, Payload, PayloadError, Source, id_of, sent_at_of, source_of};

/// A message that arrived. Cheap to clone.
///
/// Programs that know nothing of this project may send messages too. Then [`id`](Self::id), [`from`](Self::from) and
/// [`sent_at`](Self::sent_at) may be `None`.
pub struct Message<T: MessageType> {
    arrived: Arc<Arrived>,
    payload: Payload<T::Schema>,
}

struct Arrived {
    headers: Arc<Headers>,
    sequence: Option<u64>,
    deliveries: u64,
}

impl<T: MessageType> Message<T> {
    pub(crate) fn decode(
        incoming: &Incoming,
        sequence: Option<u64>,
        deliveries: u64,
        limits: Limits,
    ) -> Result<Self, PayloadError> {
        let payload = Payload::decode(&incoming.payload, limits)?;
        let headers = Arc::clone(&incoming.headers);
        Ok(Self { arrived: Arc::new(Arrived { headers, sequence, deliveries }), payload })
    }

    /// Reads values of the message. They have to be copied out: what the reader borrows ends with the function.
    ///
    /// ```
    /// # use app_core::prelude::*;
    /// # use quota_schema::quota_capnp::quota_rule;
    /// # const SHOP: ServiceId = ServiceId::new(7);
    /// # app_messaging::message! {
    /// #     pub struct RuleChanged(quota_rule::Owned); id: 0xf70c_6a59_483d_b9ea, of: SHOP, name: "rule_changed", kind: Event
    /// # }
    /// fn name_of(message: &app_messaging::Message<RuleChanged>) -> Result<String, Error> {
    ///     message.read(|rule| Ok(rule.get_name()?.to_string()?))
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`MESSAGE_MALFORMED`](crate::errors::MESSAGE_MALFORMED), when the function returns an error. A consumer makes a dead
    /// letter of such a message at once.
    pub fn read<R>(
        &self,
        read: impl FnOnce(<T::Schema as Owned>::Reader<'_>) -> capnp::Result<R>,
    ) -> Result<R, Error> {
        read_payload(&self.payload, T::INFO, read)
    }

    /// The id that its sender gave it. Messages with one id are one message that was sent more than once.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        id_of(&self.arrived.headers, T::INFO.id())
    }

    /// When it was sent, by the clock of its sender.
    #[must_use]
    pub fn sent_at(&self) -> Option<SystemTime> {
        sent_at_of(&self.arrived.headers)
    }

    /// The instance that sent it.
    #[must_use]
    pub fn from(&self) -> Option<Source> {
        source_of(&self.arrived.headers)
    }

    /// How many times it was delivered at least, this one included. It is 1 for events and requests.
    #[must_use]
    pub fn delivery(&self) -> u64 {
        self.arrived.deliveries
    }

    /// Its sequence in its stream. `None` for events and requests.
    #[must_use]
    pub fn stream_sequence(&self) -> Option<u64> {
        self.arrived.sequence
    }

    /// All its headers.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.arrived.headers
    }
}

/// Reads values of a payload.
pub(crate) fn read_payload<S: Owned, R>(
    payload: &Payload<S>,
    info: &MessageInfo,
    read: impl FnOnce(S::Reader<'_>) -> capnp::Result<R>,
) -> Result<R, Error> {
    let value = payload.read().and_then(|reader| read(reader.get()?));
    value.map_err(|error| {
        let message = format!("message {}: can't be read: {error}", info.describe());
        MESSAGE_MALFORMED.error(info.of()).message(message).build()
    })
}

/// What a panic of a handler says.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a text")
}

impl<T: MessageType> Clone for Message<T> {
    fn clone(&self) -> Self {
        Self { arrived: Arc::clone(&self.arrived), payload: self.payload.clone() }
    }
}

/// Shows where it comes from, and nothing of its content.
impl<T: MessageType> fmt::Debug for Message<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("type", &T::INFO.name())
            .field("id", &self.id())
            .field("from", &self.from())
            .field("sequence", &self.stream_sequence())
            .finish_non_exhaustive()
    }
}
