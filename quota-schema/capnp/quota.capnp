# The quota service: its config, and its interface over RPC.
#
# The node ids, the ordinals and the types are a contract with existing files. Extend a struct only at its end, and change nothing else.

@0xa59dc3c618efbe35;

struct QuotaSpec @0xf1b1466d411b9def {
  # Config of the quota service (0xce1f32c680e1ef0b): the rules for granting permits.

  rules @0 :List(QuotaRule);
  # The rules. Default, without a config file: one rule "default" with 100 permits per second.
  # Bounds: at least one; no name twice.
}

struct QuotaRule @0xae3dc0d27a255b5c {
  # A rate limit. Each key has its own bucket of permits, which fills steadily up to the burst.

  name @0 :Text;
  # The name of the rule for callers, and in a label of the metrics. No default. Bounds: 1 to 1024 bytes without control characters,
  # each name once. Example: "default"

  permits @1 :UInt32;
  # How many permits a bucket gets in each period, in permits. No default. Bounds: 1 or more. Example: 100

  periodMillis @2 :UInt32 = 1000;
  # The period, in milliseconds. Default: 1000, a second. Bounds: 1 or more.

  burst @3 :UInt32;
  # How many permits a full bucket has, in permits: the most that can be granted at once. Default: 0, which means the value of
  # "permits". Bounds: 0, or not below "permits". Example: 200

  maxKeys @4 :UInt32 = 100000;
  # How many keys have a bucket at the same time, in keys. A further key replaces the fullest bucket that was idle longest.
  # Default: 100000. Bounds: 1 or more.
}

interface Quota @0xe472019f31e4976f {
  # The quota service over RPC.

  acquire @0 (rule :Text, key :Text, permits :UInt32 = 1) -> (granted :Bool, remaining :UInt32, retryAfterMillis :UInt32);
  # Takes `permits` from the bucket of `key` under `rule`: all of them, or none. `granted` says whether they were taken. `remaining` is the
  # number that is left. `retryAfterMillis` is 0 if granted, else the milliseconds after which the call would succeed if no other
  # caller takes permits. An unknown rule, 0 permits, or more permits than the burst is an error.

  rules @1 () -> (rules :List(QuotaRule));
  # The rules in effect.
}
