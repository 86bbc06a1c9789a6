//! The types that a consumer takes, and what its handler gets.

use crate::message::Message;
use crate::transport::Delivered;
use crate::types::{MessageInfo, StoredMessage};
use crate::wire::{Limits, PayloadError, Subject};

/// A message as it was delivered. Opaque: for [`Consumed`].
pub struct RawMessage<'a> {
    pub(crate) delivered: &'a Delivered,
    /// In the stream of the message, also of a retry or a replay.
    pub(crate) sequence: u64,
    pub(crate) deliveries: u64,
    pub(crate) limits: Limits,
}

impl RawMessage<'_> {
    fn decode<T: StoredMessage>(&self) -> Result<Message<T>, PayloadError> {
        Message::decode(&self.delivered.message, Some(self.sequence), self.deliveries, self.limits)
    }

    fn is<T: StoredMessage>(&self) -> bool {
        let subject = Subject::parse(&self.delivered.message.subject);
        subject.is_some_and(|subject| subject.message == T::INFO.id() && subject.service == T::INFO.of())
    }
}

/// The types that a consumer takes: tuples of one to four types.
pub trait Consumed: Send + Sync + 'static {
    /// What the handler gets: `Message<A>` of one type, an enum of several.
    type Received: Send + 'static;

    /// The descriptions of the types.
    #[doc(hidden)]
    fn infos() -> Vec<&'static MessageInfo>;

    /// Decodes a message. `None` for a type that the consumer does not take.
    #[doc(hidden)]
    fn decode(raw: &RawMessage<'_>) -> Option<Result<Self::Received, PayloadError>>;
}

impl<A: StoredMessage> Consumed for (A,) {
    type Received = Message<A>;

    fn infos() -> Vec<&'static MessageInfo> {
        vec![A::INFO]
    }

    fn decode(raw: &RawMessage<'_>) -> Option<Result<Self::Received, PayloadError>> {
        raw.is::<A>().then(|| raw.decode())
    }
}

/// Declares the enum of several types, and implements [`Consumed`] for their tuple.
macro_rules! one_of {
    ($(#[$doc:meta])* $name:ident: $($type:ident $variant:ident $which:literal),+) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub enum $name<$($type: StoredMessage),+> {
            $(
                #[doc = concat!("A message of the ", $which, " type.")]
                $variant(Message<$type>),
            )+
        }

        impl<$($type: StoredMessage),+> Consumed for ($($type,)+) {
            type Received = $name<$($type),+>;

            fn infos() -> Vec<&'static MessageInfo> {
                vec![$($type::INFO),+]
            }

            fn decode(raw: &RawMessage<'_>) -> Option<Result<Self::Received, PayloadError>> {
                $(
                    if raw.is::<$type>() {
                        return Some(raw.decode().map($name::$variant));
                    }
                )+
                None
            }
        }
    };
}

one_of! {
    /// A message of one of two types, in the order of their stream.
    OneOf2: A First "first", B Second "second"
}
one_of! {
    /// A message of one of three types, in the order of their stream.
    OneOf3: A First "first", B Second "second", C Third "third"
}
one_of! {
    /// A message of one of four types, in the order of their stream.
    OneOf4: A First "first", B Second "second", C Third "third", D Fourth "fourth"
}
