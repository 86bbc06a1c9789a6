//! Types of messages, and streams: how services declare them.

use std::time::Duration;

use app_ids::{MessageId, ServiceId, StreamId};
use capnp::introspect::Type;
use capnp::traits::Owned;

use crate::wire::KeyHash;

/// How long a stream remembers ids of messages, if nothing else is declared.
pub const DEFAULT_DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// How long dead letters are kept, if nothing else is declared.
pub const DEFAULT_DEAD_MAX_AGE: Duration = Duration::from_secs(30 * 86_400);

/// How many bytes of dead letters are kept, if nothing else is declared.
pub const DEFAULT_DEAD_MAX_BYTES: u64 = 256 << 20;

/// What may be done with a type of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// A stream stores it, and each durable consumer handles it at least once.
    Stored,
    /// It goes to every subscriber that is there, at most once.
    Event,
    /// One responder answers it.
    Request,
}

/// The description of a type of message. [`message!`](crate::message) makes it.
#[derive(Debug, Clone, Copy)]
pub struct MessageInfo {
    id: MessageId,
    of: ServiceId,
    name: &'static str,
    kind: MessageKind,
    place: (&'static str, u32),
    has_key: bool,
    schema: Option<fn() -> Type>,
}

/// Descriptions are the same when they say the same. Their schemas follow from that.
impl PartialEq for MessageInfo {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.of, self.name, self.kind, self.place, self.has_key)
            == (other.id, other.of, other.name, other.kind, other.place, other.has_key)
    }
}

impl Eq for MessageInfo {}

inventory::collect!(MessageInfo);

impl MessageInfo {
    /// A type with this id, of the service `of`. `file` and `line` say where it is declared, for error messages.
    #[must_use]
    pub const fn new(
        id: MessageId,
        of: ServiceId,
        name: &'static str,
        kind: MessageKind,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self { id, of, name, kind, place: (file, line), has_key: false, schema: None }
    }

    /// Whether its messages have a key. Without this they have none.
    #[must_use]
    pub const fn keyed(mut self, has_key: bool) -> Self {
        self.has_key = has_key;
        self
    }

    /// Its struct, so that operators can be shown what is in a message.
    #[must_use]
    pub const fn schema(mut self, schema: fn() -> Type) -> Self {
        self.schema = Some(schema);
        self
    }

    /// Whether its messages have a key.
    #[must_use]
    pub const fn has_key(&self) -> bool {
        self.has_key
    }

    /// Its struct. `None` for a description without one.
    pub(crate) fn introspected(&self) -> Option<Type> {
        self.schema.map(|schema| schema())
    }

    /// The id of the type.
    #[must_use]
    pub const fn id(&self) -> MessageId {
        self.id
    }

    /// The service that the type belongs to.
    #[must_use]
    pub const fn of(&self) -> ServiceId {
        self.of
    }

    /// The name of the type.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What may be done with it.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Where it is declared.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.place.0, self.place.1)
    }

    /// The name and the id, for people.
    pub(crate) fn describe(&self) -> String {
        format!("{} ({})", self.name, self.id)
    }
}

/// A type of message: a Cap'n Proto struct with an id. [`message!`](crate::message) implements it.
pub trait MessageType: Send + Sync + 'static {
    /// The struct: the type `Owned` in its generated module.
    type Schema: Owned + 'static;

    /// The description of the type.
    const INFO: &'static MessageInfo;

    /// The hash of the message's key. `None` for a type without a key.
    ///
    /// # Errors
    /// Reading the key failed.
    fn key(message: <Self::Schema as Owned>::Reader<'_>) -> capnp::Result<Option<KeyHash>> {
        let _ = message;
        Ok(None)
    }
}

/// A type of the kind `Stored`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a stored message",
    label = "only a message of the kind `Stored` is sent to a stream and consumed from it",
    note = "publish and subscribe an `Event`, ask and answer a `Request`, or declare `{Self}` with `kind: Stored`"
)]
pub trait StoredMessage: MessageType {}

/// A type of the kind `Event`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "only a message of the kind `Event` is published and subscribed",
    note = "send and consume a `Stored` message, ask and answer a `Request`, or declare `{Self}` with `kind: Event`"
)]
pub trait EventMessage: MessageType {}

/// A type of the kind `Request`, with the struct of its answer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a request",
    label = "only a message of the kind `Request` is asked and answered",
    note = "send and consume a `Stored` message, publish and subscribe an `Event`, or declare `{Self}` with `kind: Request`"
)]
pub trait RequestMessage: MessageType {
    /// The struct of the answer.
    type Answer: Owned + 'static;
}

/// A stream, as the service that owns it declares it. [`stream!`](crate::stream) makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSpec {
    id: StreamId,
    of: ServiceId,
    name: &'static str,
    stores: &'static [&'static MessageInfo],
    max_age: Duration,
    max_bytes: u64,
    duplicate_window: Duration,
    dead_max_age: Duration,
    dead_max_bytes: u64,
    place: (&'static str, u32),
}

inventory::collect!(StreamSpec);

impl StreamSpec {
    /// A stream without limits of age and size. `file` and `line` say where it is declared, for error messages.
    #[must_use]
    pub const fn new(
        id: StreamId,
        of: ServiceId,
        name: &'static str,
        stores: &'static [&'static MessageInfo],
        file: &'static str,
        line: u32,
    ) -> Self {
        Self {
            id,
            of,
            name,
            stores,
            max_age: Duration::ZERO,
            max_bytes: 0,
            duplicate_window: DEFAULT_DUPLICATE_WINDOW,
            dead_max_age: DEFAULT_DEAD_MAX_AGE,
            dead_max_bytes: DEFAULT_DEAD_MAX_BYTES,
            place: (file, line),
        }
    }

    /// How long a message is kept. Zero, the default, means without limit.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// How many bytes are kept; the oldest messages go first. Zero, the default, means without limit.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How long ids of messages are remembered. The default is [`DEFAULT_DUPLICATE_WINDOW`].
    #[must_use]
    pub const fn duplicate_window(mut self, window: Duration) -> Self {
        self.duplicate_window = window;
        self
    }

    /// How long dead letters are kept. The default is [`DEFAULT_DEAD_MAX_AGE`].
    #[must_use]
    pub const fn dead_max_age(mut self, age: Duration) -> Self {
        self.dead_max_age = age;
        self
    }

    /// How many bytes of dead letters are kept. The default is [`DEFAULT_DEAD_MAX_BYTES`].
    #[must_use]
    pub const fn dead_max_bytes(mut self, bytes: u64) -> Self {
        self.dead_max_bytes = bytes;
        self
    }

    /// The id of the stream.
    #[must_use]
    pub const fn id(&self) -> StreamId {
        self.id
    }

    /// The service that owns the stream.
    #[must_use]
    pub const fn of(&self) -> ServiceId {
        self.of
    }

    /// The name of the stream.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The types that it stores.
    #[must_use]
    pub const fn stores(&self) -> &'static [&'static MessageInfo] {
        self.stores
    }

    pub(crate) const fn limits(&self) -> (Duration, u64, Duration) {
        (self.max_age, self.max_bytes, self.duplicate_window)
    }

    pub(crate) const fn dead_limits(&self) -> (Duration, u64) {
        (self.dead_max_age, self.dead_max_bytes)
    }

    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.place.0, self.place.1)
    }

    /// The name and the id, for people.
    pub(crate) fn describe(&self) -> String {
        format!("{} ({})", self.name, self.id)
    }
}

/// Declares a type of message: a Cap'n Proto struct, an id, the service that it belongs to, and its kind.
///
/// ```
/// use app_core::prelude::*;
/// use quota_schema::quota_capnp::{quota_rule, quota_spec};
///
/// const SHOP: ServiceId = ServiceId::new(0x8c41_992a_1487_1b30);
///
/// app_messaging::message! {
///     /// A rule was changed. Messages of one rule have one key.
///     pub struct RuleChanged(quota_rule::Owned);
///     id: 0xd5ea_4c3b_261b_97c8, of: SHOP, name: "rule_changed", kind: Stored, key: |rule| rule.get_name()
/// }
/// app_messaging::message! {
///     pub struct Tick(quota_rule::Owned); id: 0xa2b7_1f0e_93d8_64c5, of: SHOP, name: "tick", kind: Event
/// }
/// // A request has the struct of the question, and the struct of the answer.
/// app_messaging::message! {
///     pub struct RulesOf(quota_rule::Owned) -> quota_spec::Owned;
///     id: 0xb3c8_2e1d_04f9_75a6, of: SHOP, name: "rules_of", kind: Request
/// }
/// app_messaging::stream! {
///     pub RULES: id 0xe6fb_5b4a_372c_a8d9, of: SHOP, name: "rules", stores: [RuleChanged],
///     max_age: Duration::from_secs(7 * 86_400)
/// }
/// # fn main() {}
/// ```
///
/// A message of one kind can't be used as another:
///
/// ```compile_fail
/// # use app_core::prelude::*;
/// # use quota_schema::quota_capnp::quota_rule;
/// # const SHOP: ServiceId = ServiceId::new(7);
/// app_messaging::message! {
///     pub struct Tick(quota_rule::Owned); id: 8, of: SHOP, name: "tick", kind: Event
/// }
/// fn send(messaging: &app_messaging::Messaging) {
///     messaging.sender::<Tick>(); // `Tick` is not a stored message
/// }
/// ```
#[macro_export]
macro_rules! message {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident($schema:ty) $(-> $answer:ty)?;
     id: $id:expr, of: $of:expr, name: $text:literal, kind: $kind:ident
     $(, key: |$message:ident| $key:expr)? $(,)?) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy)]
        $visibility struct $name;

        impl $crate::MessageType for $name {
            type Schema = $schema;

            const INFO: &'static $crate::MessageInfo = &$crate::MessageInfo::new(
                $crate::__private::MessageId::new($id),
                $of,
                $text,
                $crate::MessageKind::$kind,
                ::std::file!(),
                ::std::line!(),
            )
            .keyed({
                let key: &[&str] = &[$(::std::stringify!($message))?];
                !key.is_empty()
            })
            .schema(<$schema as $crate::__private::capnp::introspect::Introspect>::introspect);

            $(
                fn key(
                    $message: <$schema as $crate::__private::capnp::traits::Owned>::Reader<'_>,
                ) -> $crate::__private::capnp::Result<::std::option::Option<$crate::KeyHash>> {
                    $crate::MessageKey::hash($key).map(::std::option::Option::Some)
                }
            )?
        }

        $crate::__message_kind! { $kind $name [$($answer)?] [$($message)?] }

        $crate::__private::inventory::submit! { *<$name as $crate::MessageType>::INFO }

        $crate::__private::inventory::submit! {
            $crate::__private::IdName::new($crate::__private::MessageId::KIND, $id, $text)
        }
    };
}

/// Implements the trait of the kind, for [`message!`](crate::message).
#[doc(hidden)]
#[macro_export]
macro_rules! __message_kind {
    (Stored $name:ident [] [$($key:ident)?]) => {
        impl $crate::StoredMessage for $name {}
    };
    (Event $name:ident [] []) => {
        impl $crate::EventMessage for $name {}
    };
    (Request $name:ident [$answer:ty] []) => {
        impl $crate::RequestMessage for $name {
            type Answer = $answer;
        }
    };
    (Request $name:ident [] $key:tt) => {
        ::std::compile_error!(
            "a request needs the struct of its answer: `struct Name(question::Owned) -> answer::Owned;`"
        );
    };
    ($kind:ident $name:ident [] [$key:ident]) => {
        ::std::compile_error!("only a message of the kind `Stored` has a key: leave `key` out");
    };
    ($kind:ident $name:ident [$answer:ty] $key:tt) => {
        ::std::compile_error!("only a message of the kind `Request` has an answer: leave `-> ..` out");
    };
}

/// Declares a stream: an id, the service that owns it, and the types that it stores. Each stored type is in exactly one stream.
///
/// The options are those of [`StreamSpec`]: `max_age`, `max_bytes`, `duplicate_window`, `dead_max_age`, `dead_max_bytes`. For an
/// example see [`message!`](crate::message).
#[macro_export]
macro_rules! stream {
    ($(#[$attribute:meta])* $visibility:vis $constant:ident: id $id:expr, of: $of:expr, name: $text:literal,
     stores: [$($stored:ty),+ $(,)?] $(, $option:ident: $value:expr)* $(,)?) => {
        $(#[$attribute])*
        $visibility const $constant: $crate::StreamSpec = $crate::StreamSpec::new(
            $crate::__private::StreamId::new($id),
            $of,
            $text,
            &[$($crate::__private::stored::<$stored>()),+],
            ::std::file!(),
            ::std::line!(),
        )$(.$option($value))*;

        $crate::__private::inventory::submit! { $constant }

        $crate::__private::inventory::submit! {
            $crate::__private::IdName::new($crate::__private::StreamId::KIND, $id, $text)
        }
    };
}

/// The description of a stored type, for [`stream!`](crate::stream).
#[doc(hidden)]
#[must_use]
pub const fn stored<T: StoredMessage>() -> &'static MessageInfo {
    T::INFO
}
