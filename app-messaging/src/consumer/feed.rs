//! What a consumer reads: its stream, or a partition of it; its retries; and its replays.

use std::time::Duration;

use app_ids::{DomainId, ServiceId};

use super::builder::Options;
use crate::transport::{ConsumerConfig, DeliverPolicy, StreamConfig, WhenFull};
use crate::types::MessageInfo;
use crate::wire::{
    PARTITIONS, consumer_name, filter, partition_filter, partition_name, replay_stream, replay_subject,
    retry_stream, retry_subject,
};

/// The most messages of all retries of a domain, and of all replays. They wait in consumers that may hold as many.
const MAX_WAITING: u64 = 65_536;

/// The most bytes of all retries of a domain, and of all replays.
const MAX_WAITING_BYTES: u64 = 1 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FeedKind {
    /// The stream, or a partition of it.
    Stream,
    /// What waits for longer than a minute.
    Retries,
    /// What an operator replays.
    Replays,
}

/// A durable consumer in the server, one of those that belong to a consumer of the program.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) index: usize,
    pub(super) kind: FeedKind,
    pub(super) stream: String,
    pub(super) config: ConsumerConfig,
}

impl Feed {
    /// Whether a message is removed from the stream when it is settled. A stream of the program keeps its messages.
    pub(super) fn removes(&self) -> bool {
        self.kind != FeedKind::Stream
    }
}

/// Where a consumer stands.
pub(super) struct Stand {
    pub(super) domain: DomainId,
    pub(super) service: ServiceId,
    pub(super) release: u64,
    pub(super) stream: String,
}

/// The feeds of a consumer.
pub(super) fn feeds(options: &Options, stand: &Stand, infos: &[&'static MessageInfo]) -> Vec<Feed> {
    let Stand { domain, service, release, stream } = stand;
    let durable = consumer_name(*service, &options.name);
    let config = |name: String, filter: Option<String>, max_ack_pending: usize, deliver: DeliverPolicy| {
        ConsumerConfig {
            name,
            filter,
            ack_wait: options.ack_wait,
            max_ack_pending,
            deliver,
            release: *release,
        }
    };
    let of = |partition: Option<u8>| match (infos, partition) {
        ([one], _) => Some(filter(*domain, one.of(), one.id(), partition)),
        // Servers before 2.10 ignore a list of filters. Other types are acknowledged unread.
        (_, Some(partition)) => Some(partition_filter(*domain, partition)),
        (_, None) => None,
    };
    let mut all = Vec::new();
    if options.partitioned {
        for partition in 0..PARTITIONS {
            let config = config(partition_name(&durable, partition), of(Some(partition)), 1, options.deliver);
            all.push((FeedKind::Stream, stream.clone(), config));
        }
    } else {
        let config = config(durable.clone(), of(None), options.max_ack_pending, options.deliver);
        all.push((FeedKind::Stream, stream.clone(), config));
    }
    if !options.keeps_order() {
        let subject = retry_subject(*domain, *service, &options.name);
        let most = usize::try_from(MAX_WAITING).unwrap_or(usize::MAX);
        let config = config(durable.clone(), Some(subject), most, DeliverPolicy::All);
        all.push((FeedKind::Retries, retry_stream(*domain), config));
    }
    let most = if options.keeps_order() { 1 } else { options.max_ack_pending };
    let subject = replay_subject(*domain, *service, &options.name);
    let config = config(durable, Some(subject), most, DeliverPolicy::All);
    all.push((FeedKind::Replays, replay_stream(*domain), config));
    let feed = |(index, (kind, stream, config))| Feed { index, kind, stream, config };
    all.into_iter().enumerate().map(feed).collect()
}

/// The streams of retries and replays of a domain. They have no age: what waits in them was acknowledged in its own stream.
pub(crate) fn waiting_streams(domain: DomainId, window: Duration, like: &StreamConfig) -> [StreamConfig; 2] {
    let stream = |name: String, subject: &str| StreamConfig {
        name,
        subjects: vec![format!("op.{domain}.{subject}.>")],
        max_age: Duration::ZERO,
        max_bytes: MAX_WAITING_BYTES,
        max_messages: MAX_WAITING,
        duplicate_window: window,
        when_full: WhenFull::Refuse,
        ..like.clone()
    };
    [stream(retry_stream(domain), "retry"), stream(replay_stream(domain), "replay")]
}
