//! Panels and alerts of messaging.

use app_metrics::{Group, Panel, Row, Rule, Severity, Target};

const ROW: Row = Row::new("Messages", 750);
const GROUP: Group = Group::new("messaging", 3);

app_metrics::panels! {
    Panel::timeline(ROW, "Connected")
        .place(10)
        .about("Whether messages can be stored (messaging_connected), by instance.")
        .targets(&[Target::new("{{instance}}", "messaging_connected{INSTANCES}")]),
    Panel::lines(ROW, "Messages sent a second")
        .place(20)
        .about("Stored messages that a stream acknowledged (messages_sent), and events that were published (messages_published), by type.")
        .unit("ops")
        .targets(&[
            Target::new("{{message}} stored", "sum by (message) (rate(messaging_messages_sent_total{INSTANCES}[$__rate_interval]))"),
            Target::new("{{message}} published", "sum by (message) (rate(messaging_messages_published_total{INSTANCES}[$__rate_interval]))"),
        ]),
    Panel::bars(ROW, "Messages that failed or were dropped")
        .place(30)
        .about("In the interval: messages that could not be sent, published or asked, by type and failure (send_failures), and messages of subscriptions that were dropped because the handler was too slow (messages_dropped).")
        .targets(&[
            Target::new("{{message}}: {{failure}}", "sum by (message, failure) (increase(messaging_send_failures_total{INSTANCES}[$__rate_interval]))"),
            Target::new("{{message}}: dropped", "sum by (message) (increase(messaging_messages_dropped_total{INSTANCES}[$__rate_interval]))"),
        ]),
    Panel::lines(ROW, "Time to the acknowledgement")
        .place(40)
        .about("Percentiles of the time from a send to the acknowledgement of the stream (send_seconds).")
        .unit("s")
        .targets(&[
            Target::new("50 of 100", "histogram_quantile(0.5, sum by (le) (rate(messaging_send_seconds_bucket{INSTANCES}[$__rate_interval])))"),
            Target::new("99 of 100", "histogram_quantile(0.99, sum by (le) (rate(messaging_send_seconds_bucket{INSTANCES}[$__rate_interval])))"),
        ]),
    Panel::lines(ROW, "Messages received and handled a second")
        .place(50)
        .about("Messages that arrived (messages_received), and what became of them (messages_handled), by consumer.")
        .unit("ops")
        .targets(&[
            Target::new("{{consumer}} received", "sum by (consumer) (rate(messaging_messages_received_total{INSTANCES}[$__rate_interval]))"),
            Target::new("{{consumer}} {{outcome}}", "sum by (consumer, outcome) (rate(messaging_messages_handled_total{INSTANCES}[$__rate_interval]))"),
        ]),
    Panel::lines(ROW, "Messages that wait")
        .place(60)
        .about("Of the whole fleet, by consumer: not delivered yet (messages_pending), and delivered without an acknowledgement (messages_ack_pending). Handlers that run, of the instances (messages_in_flight).")
        .targets(&[
            Target::new("{{consumer}} pending", "max by (consumer) (messaging_messages_pending{INSTANCES})"),
            Target::new("{{consumer}} without acknowledgement", "max by (consumer) (messaging_messages_ack_pending{INSTANCES})"),
            Target::new("{{consumer}} in flight", "sum by (consumer) (messaging_messages_in_flight{INSTANCES})"),
        ]),
    Panel::lines(ROW, "Age and handling time")
        .place(70)
        .about("99th percentiles, by consumer: from storing a message to its handler (message_age_seconds), and of the handlers (handle_seconds).")
        .unit("s")
        .targets(&[
            Target::new("{{consumer}} age", "histogram_quantile(0.99, sum by (consumer, le) (rate(messaging_message_age_seconds_bucket{INSTANCES}[$__rate_interval])))"),
            Target::new("{{consumer}} handling", "histogram_quantile(0.99, sum by (consumer, le) (rate(messaging_handle_seconds_bucket{INSTANCES}[$__rate_interval])))"),
        ]),
    Panel::lines(ROW, "Paused consumers and leaders")
        .place(80)
        .about("Instances whose consumer is paused (consumer_paused), and instances that lead (leads): 1 of the whole fleet.")
        .targets(&[
            Target::new("{{consumer}} paused", "sum by (consumer) (messaging_consumer_paused{INSTANCES})"),
            Target::new("{{leadership}} leads", "sum by (leadership) (messaging_leads{INSTANCES})"),
        ]),
}

app_metrics::rules! {
    Rule::alert(GROUP, "MessagesCannotBeStored", "messaging_connected == 0", Severity::Critical)
        .place(10)
        .lasting("2m")
        .summary("{{ $labels.job }} on {{ $labels.instance }} can't store messages")
        .description("It has no connection to a NATS server, or its config names none. `/readyz` and the log of the instance say why. Sends fail, and consumers get nothing."),
    Rule::alert(GROUP, "MessagesPendingNotDelivered", "max by (job, consumer) (messaging_messages_pending) > 0
            and sum by (job, consumer) (increase(messaging_messages_received_total[2m])) == 0
            unless max by (job, consumer) (messaging_consumer_paused) == 1", Severity::Critical)
        .why("A window of two minutes, because Prometheus may scrape once a minute.")
        .place(20)
        .lasting("1m")
        .summary("{{ $value }} messages wait for consumer {{ $labels.consumer }} of {{ $labels.job }}, and nothing is delivered")
        .description("No instance asks for them, or all slots are taken by handlers that do not end. See the log of the instances, and `appctl do messaging consumers`."),
    Rule::alert(GROUP, "ConsumerPaused", "messaging_consumer_paused == 1", Severity::Critical)
        .place(30)
        .lasting("1m")
        .summary("consumer {{ $labels.consumer }} of {{ $labels.job }} on {{ $labels.instance }} is paused")
        .description("Half of its last messages became dead letters, dead letters can't be stored, or an operator paused it. The log says which."),
    Rule::alert(GROUP, "DeadLetters", r#"sum by (job, consumer) (increase(messaging_messages_handled_total{outcome="dead_lettered"}[15m])) > 0"#, Severity::Warning)
        .place(40)
        .summary("consumer {{ $labels.consumer }} of {{ $labels.job }} gave up {{ $value | humanize }} messages in 15 minutes")
        .description("They are kept with their reasons: `appctl do messaging dead-letters`. Replay them when the cause is gone, or drop them."),
    Rule::alert(GROUP, "MessagesNotSent", "sum by (job, message, failure) (increase(messaging_send_failures_total[10m])) > 10", Severity::Warning)
        .place(50)
        .summary("{{ $value | humanize }} messages {{ $labels.message }} of {{ $labels.job }} were not sent in 10 minutes: {{ $labels.failure }}")
        .description("Where the sender does not try again, they are lost. docs/MESSAGING.md says what each failure means."),
}
