//! What all parts of a messaging service share.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use app_core::{Identity, prelude::Logger};
use capnp::message::{Builder, ScratchSpaceHeapAllocator};
use capnp::{Word, word};
use tokio::sync::Semaphore;

use crate::catalog::Catalog;
use crate::errors::{SendError, SendFailure};
use crate::metrics::MessagingMetrics;
use crate::place::Place;
use crate::provision::Streams;
use crate::traces;
use crate::transport::{Outgoing, Transport};
use crate::types::{MessageInfo, MessageType};
use crate::wire::{Envelope, Headers, Limits, PayloadError, Source, pack, subject};

/// What all parts share.
pub(crate) struct Context {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) identity: Identity,
    pub(crate) place: Place,
    pub(crate) limits: Limits,
    pub(crate) send_timeout: Duration,
    pub(crate) catalog: Catalog,
    pub(crate) streams: Arc<Streams>,
    pub(crate) metrics: MessagingMetrics,
    /// One permit for each message that may wait for its acknowledgement.
    pub(crate) waiting: Semaphore,
    pub(crate) log: Logger,
}

/// The first words of a message are on the stack: most messages need no more.
const SCRATCH_WORDS: usize = 128;

/// What a message is made into.
pub(crate) struct Made {
    pub(crate) outgoing: Outgoing,
}

impl Context {
    /// The same with another identity: another instance, for tests.
    #[cfg(test)]
    pub(crate) fn with_identity(&self, identity: Identity) -> Self {
        Self {
            transport: Arc::clone(&self.transport),
            identity,
            place: self.place,
            limits: self.limits,
            send_timeout: self.send_timeout,
            catalog: Catalog::default(),
            streams: Arc::clone(&self.streams),
            metrics: self.metrics.clone(),
            waiting: Semaphore::new(1),
            log: self.log.clone(),
        }
    }

    fn source(&self) -> Source {
        Source::new(self.identity.app, self.identity.instance, self.identity.release)
    }

    /// The headers of a message that this instance sends now.
    pub(crate) fn headers(&self, message: &MessageInfo, id: Option<&str>) -> Headers {
        let (trace_parent, trace_state) = traces::context();
        let envelope = Envelope {
            id: id.map(str::to_owned),
            source: Some(self.source()),
            sent_at: Some(SystemTime::now()),
            trace_parent,
            trace_state,
        };
        envelope.write(message.id())
    }

    /// Builds, packs and addresses a message.
    pub(crate) fn make<T: MessageType>(
        &self,
        fill: impl FnOnce(&mut <T::Schema as capnp::traits::Owned>::Builder<'_>),
        id: Option<&str>,
    ) -> Result<Made, SendError> {
        let mut scratch = [word(0, 0, 0, 0, 0, 0, 0, 0); SCRATCH_WORDS];
        let scratch = ScratchSpaceHeapAllocator::new(Word::words_to_bytes_mut(&mut scratch));
        let mut message = Builder::new(scratch);
        fill(&mut message.init_root::<<T::Schema as capnp::traits::Owned>::Builder<'_>>());
        let unreadable = |error: capnp::Error| {
            SendError::new(SendFailure::Refused, T::INFO, format!("its key can't be read: {error}"))
        };
        let key = message.get_root_as_reader().and_then(T::key).map_err(unreadable)?;
        let payload = pack(&message, self.limits).map_err(|error| too_large(&error, T::INFO))?;
        let info = T::INFO;
        let outgoing = Outgoing {
            subject: subject(self.identity.domain, info.of(), info.id(), key),
            reply: None,
            headers: self.headers(info, id),
            payload,
        };
        Ok(Made { outgoing })
    }
}

fn too_large(error: &PayloadError, info: &'static MessageInfo) -> SendError {
    SendError::new(SendFailure::TooLarge, info, error.to_string())
}
