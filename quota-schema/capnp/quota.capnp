# The quota service: its config, its interface over RPC, its messages, and what its instances share.
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

  scope @5 :RuleScope;
  # Whose budget the rule is. Default: instance. Bounds: with "fleet" an empty bucket must be full within 366 days, so
  # "burst" * "periodMillis" / "permits" is at most 31622400000.

  whenAway @6 :WhenAway;
  # What a rule with the scope "fleet" grants while the servers of messaging cannot be reached. Default: deny.
  # Bounds: only with the scope "fleet".

  instances @7 :UInt16;
  # How many instances share the budget, for "localShare": each grants this part of it. Default: 0, which means that nothing is shared.
  # Bounds: 1 or more with "localShare", else 0.
}

enum RuleScope @0xe8f741b51f65513e {
  # Whose budget a rule is.

  instance @0;
  # Each instance has buckets of its own. So n instances grant up to n times the permits.

  fleet @1;
  # All instances in the domain share one bucket for each key. They lease permits from it through messaging. Every instance needs
  # the same numbers for the rule.
}

enum WhenAway @0x89da472c59667b6d {
  # What a rule of the fleet grants while the servers of messaging cannot be reached.

  deny @0;
  # Nothing.

  localShare @1;
  # Each instance grants its part of the budget. Afterwards the shared bucket does not know of it.
}

struct Exhausted @0x93e34e54a29da1a9 {
  # A stored message: the bucket of a key ran out. It is sent when a call is denied for the first time since one was granted.

  rule @0 :Text;
  # The name of the rule.

  key @1 :Text;
  # The key. Messages of one key have one place in the order of their partition.

  retryAfterMillis @2 :UInt32;
  # The milliseconds after which the same call would succeed, if no other caller takes permits. 4294967295 means that or more.

  atMillis @3 :Int64;
  # When the call was denied, in milliseconds since 1970-01-01 UTC.
}

struct Refill @0xab01b1a0857aea8d {
  # A stored message: the bucket of a key is to be full again.

  rule @0 :Text;
  # The name of the rule. A message with an unknown one becomes a dead letter.

  key @1 :Text;
  # The key.
}

struct RemainingAsk @0xa44e7f522c4e61a2 {
  # A request: how many permits are left?

  rule @0 :Text;
  # The name of the rule. For an unknown one the answer is an error.

  key @1 :Text;
  # The key.
}

struct RemainingAnswer @0x8ea5910aa0d994b5 {
  # The answer to a request for what is left.

  remaining @0 :UInt32;
  # Whole permits in the bucket: that of the instance that answers, or the shared one of a rule of the fleet.
}

struct SharedBucket @0xa9f045e779e9614a {
  # What the instances share of one key under a rule of the fleet. A key without a value has a full bucket.

  fullAtNanos @0 :Int64;
  # When the bucket is full again, in nanoseconds since 1970-01-01 UTC.

  atNanos @1 :Int64;
  # The time of the writer, in nanoseconds since 1970-01-01 UTC.
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
