// @generated from the comments in `capnp/` by the example of this crate.

pub(crate) static DOCS: &[(u64, &str, &str)] = &[
    (0xae3dc0d27a255b5c, "", "A rate limit. Each key has its own bucket of permits, which fills steadily up to the burst."),
    (0xae3dc0d27a255b5c, "name", "The name of the rule for callers, and in a label of the metrics. No default. Bounds: 1 to 1024 bytes without control characters, each name once. Example: \"default\""),
    (0xae3dc0d27a255b5c, "permits", "How many permits a bucket gets in each period, in permits. No default. Bounds: 1 or more. Example: 100"),
    (0xae3dc0d27a255b5c, "periodMillis", "The period, in milliseconds. Default: 1000, a second. Bounds: 1 or more."),
    (0xae3dc0d27a255b5c, "burst", "How many permits a full bucket has, in permits: the most that can be granted at once. Default: 0, which means the value of \"permits\". Bounds: 0, or not below \"permits\". Example: 200"),
    (0xae3dc0d27a255b5c, "maxKeys", "How many keys have a bucket at the same time, in keys. A further key replaces the fullest bucket that was idle longest. Default: 100000. Bounds: 1 or more."),
    (0xf1b1466d411b9def, "", "Config of the quota service (0xce1f32c680e1ef0b): the rules for granting permits."),
    (0xf1b1466d411b9def, "rules", "The rules. Default, without a config file: one rule \"default\" with 100 permits per second. Bounds: at least one; no name twice."),
];
