//! Ids of the messaging service: of itself, its metrics and its log events.

use app_ids::{BucketId, HealthCheckId, LogEventId, MetricId, ServiceId, ids};

/// The messaging service. `service!` records its name.
pub const MESSAGING_SERVICE_ID: ServiceId = ServiceId::new(0xe5fd_6a36_4d10_d023);

ids! {
    /// Events that were published.
    pub MESSAGES_PUBLISHED: MetricId = 0x4923_3f11_6ece_44e4, "messages_published";
    /// Messages that a stream acknowledged.
    pub MESSAGES_SENT: MetricId = 0x83c4_c102_ce81_b388, "messages_sent";
    /// Messages that could not be sent, published or asked.
    pub SEND_FAILURES: MetricId = 0x8db5_16b7_63e5_e868, "send_failures";
    /// Seconds until the acknowledgement of a stream.
    pub SEND_SECONDS: MetricId = 0x6a52_e754_9ecb_ba9f, "send_seconds";
    /// Messages that were received.
    pub MESSAGES_RECEIVED: MetricId = 0xe7fc_1e5d_ad33_ad29, "messages_received";
    /// Messages that were handled.
    pub MESSAGES_HANDLED: MetricId = 0x550e_634b_37f7_591f, "messages_handled";
    /// Seconds that handlers took.
    pub HANDLE_SECONDS: MetricId = 0x0ac2_5849_7368_28f7, "handle_seconds";
    /// The age of messages when their handlers began.
    pub AGE_SECONDS: MetricId = 0x6158_f1de_ca6e_0fdd, "message_age_seconds";
    /// Messages of subscriptions that were dropped.
    pub MESSAGES_DROPPED: MetricId = 0x47ce_e84d_4fa6_b663, "messages_dropped";
    /// Handlers that run.
    pub IN_FLIGHT: MetricId = 0x67f2_2dab_0bfc_f3be, "messages_in_flight";
    /// Messages that wait for a consumer.
    pub PENDING: MetricId = 0x4de6_5a6d_ba06_01bc, "messages_pending";
    /// Messages that were delivered and have no acknowledgement yet.
    pub ACK_PENDING: MetricId = 0x0bc0_4906_01af_38f9, "messages_ack_pending";
    /// Whether a consumer is paused.
    pub CONSUMER_PAUSED: MetricId = 0x6414_404c_67ce_2db2, "consumer_paused";
    /// Whether messages can be stored.
    pub CONNECTED: MetricId = 0x2188_f060_96ef_614e, "messaging_connected";

    /// Where messages go was decided.
    pub MESSAGES_STAY_INSIDE: LogEventId = 0x1277_92e3_19ec_dcb4, "messages_stay_inside";
    /// A connection to a server was made.
    pub CONNECTION_MADE: LogEventId = 0x1e50_bf4e_b549_d023, "messaging_connection_made";
    /// There is no connection to a server.
    pub CONNECTION_LOST: LogEventId = 0x9698_974d_873a_96c0, "messaging_connection_lost";
    /// The connection to a server is changed.
    pub CONNECTION_CHANGES: LogEventId = 0x5335_2fea_d471_6a71, "messaging_connection_changes";
    /// The account may not have a subscription.
    pub SUBSCRIPTION_DENIED: LogEventId = 0xc7da_2b58_056e_4d78, "messaging_subscription_denied";
    /// A message became a dead letter.
    pub DEAD_LETTERED: LogEventId = 0x23ce_f777_670c_36bb, "message_dead_lettered";
    /// A consumer paused.
    pub CONSUMER_PAUSES: LogEventId = 0x145d_9962_38e5_b241, "consumer_pauses";
    /// A consumer goes on after a pause.
    pub CONSUMER_RESUMES: LogEventId = 0x4ce6_d3fe_6dbe_daea, "consumer_resumes";
    /// A consumer can't get messages at the moment.
    pub CONSUMER_WAITS: LogEventId = 0x7dd6_d756_8edb_88a0, "consumer_waits";
    /// Messages of a subscription were dropped.
    pub SUBSCRIPTION_DROPS: LogEventId = 0x013a_b206_107c_2e82, "subscription_drops";
    /// A handler of an event or a request failed.
    pub HANDLER_FAILED: LogEventId = 0xc14e_a343_a857_b26c, "message_handler_failed";

    /// A stream is not as the program needs it.
    pub STREAM_WAITS: LogEventId = 0xff80_8d3c_9a7f_b121, "stream_waits";
    /// Messages are handed to a consumer again.
    pub MESSAGES_REPLAYED: LogEventId = 0x9309_8bed_f0ff_1f65, "messages_replayed";
    /// Dead letters were dropped.
    pub DEAD_LETTERS_DROPPED: LogEventId = 0x5318_8210_a001_5bc7, "dead_letters_dropped";
    /// The bucket of attempts of messages that failed.
    pub ATTEMPTS: BucketId = 0xb7bc_6382_f998_f101, "attempts";
    /// The bucket of consumers that operators paused.
    pub PAUSED_CONSUMERS: BucketId = 0xb313_0903_3bdc_d809, "paused_consumers";
    /// Other instances can't find this one.
    pub DISCOVERY_DENIED: LogEventId = 0x8e41_d2f0_7b6c_5a93, "discovery_denied";

    /// Whether consumers work.
    pub CONSUMERS_CHECK: HealthCheckId = 0xacdb_ee92_ee2d_af9c, "consumers";
    /// The bucket that says who leads.
    pub LEADERS: BucketId = 0xd2a7_4e90_6b1c_f835, "leaders";
    /// Leadership began or ended.
    pub LEADERSHIP: LogEventId = 0xe3b8_5fa1_7c2d_0946, "leadership";
    /// Whether this instance leads.
    pub LEADS: MetricId = 0xf4c9_60b2_8d3e_1a57, "leads";

    /// Whether messages can be stored.
    pub MESSAGING_CHECK: HealthCheckId = 0x10dc_06db_ff2b_be7c, "messaging";
}
