# The config of the config service.
#
# The node ids, the ordinals and the types are a contract with existing files. Extend a struct only at its end, and change nothing else.

@0xce70beff16e4c416;

struct ConfigServiceSpec @0xd0c63bb4b623df55 {
  # Config of the config service (0x86813dd78fd207f5): settings of the application that do not belong to one service.

  restartPolicies @0 :List(RestartPolicySpec);
  # Restart policies of services. A policy here replaces the one in the code. Other services keep theirs. Default: none. Bounds: each
  # service at most once, and only services of the application.
}

struct RestartPolicySpec @0x8f5a8a81e94e212d {
  # Whether a service that stopped is started again, how often, and after which wait.

  serviceId @0 :UInt64;
  # The id of the service. No default: required. Bounds: not 0.
  # Example: "0xce1f32c680e1ef0b"

  after @1 :RestartAfter = onFailure;
  # When the service is started again. Default: onFailure.

  maxRestarts @2 :UInt32 = 10;
  # Restarts allowed within the window, in restarts. One failure more stops the application with exit status 4. With 0, the first failure
  # does. Default: 10. Bounds: 0 to 1000.

  windowSeconds @3 :UInt32 = 300;
  # The time over which restarts are counted, in seconds. Older ones do not count. Default: 300 (5 minutes). Bounds: 1 to 86400 (1 day).

  backoffShortestMillis @4 :UInt32 = 200;
  # The wait before the first restart of a window, in milliseconds. Each further wait is twice as long. A random part of up to the same
  # length is added. Default: 200. Bounds: 1 to 3600000 (1 hour), and at most backoffLongestMillis.

  backoffLongestMillis @5 :UInt32 = 30000;
  # The longest wait before a restart, without the random part, in milliseconds. Default: 30000 (30 seconds). Bounds: 1 to 3600000
  # (1 hour).
}

enum RestartAfter @0xbd1f6fb7c3f0ae15 {
  # When a service is started again.

  never @0;
  # Never: the service stays stopped, and its dependents stop.

  onFailure @1;
  # After a failure. A service that was stopped on request stays stopped.

  always @2;
  # After every stop.
}
