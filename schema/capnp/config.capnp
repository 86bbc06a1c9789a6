# What the config of the config service says.
#
# The node ids, the ordinals and the types are a contract with files that exist: extend a struct at its end, and change nothing else.

@0xce70beff16e4c416;

struct ConfigServiceSpec @0xd0c63bb4b623df55 {
  # Config of the config service (0x86813dd78fd207f5): settings of the application that belong to no single service.

  restartPolicies @0 :List(RestartPolicySpec);
  # Restart policies of single services. A service that is named here follows this policy and not the one in the code; a service that is
  # not named keeps its own. Default: none. Bounds: each service at most once, and only services of the application.
}

struct RestartPolicySpec @0x8f5a8a81e94e212d {
  # Whether a service that died is started again, how often, and after which wait.

  serviceId @0 :UInt64;
  # The service that is meant, by its id. No default: it has to be given. Bounds: not 0.
  # Example: "0xce1f32c680e1ef0b"

  after @1 :RestartAfter = onFailure;
  # After which deaths the service is started again. Default: onFailure.

  maxRestarts @2 :UInt32 = 10;
  # How many restarts the window may have, in restarts. One death more stops the application with exit status 4; with 0 the first death
  # does. Default: 10. Bounds: 0 to 1000.

  windowSeconds @3 :UInt32 = 300;
  # Over how long restarts are counted, in seconds. Older ones are forgotten. Default: 300 (5 minutes). Bounds: 1 to 86400 (1 day).

  backoffShortestMillis @4 :UInt32 = 200;
  # How long the first restart of a window waits, in milliseconds. Each further one waits twice as long as the one before. Up to as much
  # again is added at random. Default: 200. Bounds: 1 to 3600000 (1 hour), and at most backoffLongestMillis.

  backoffLongestMillis @5 :UInt32 = 30000;
  # How long a restart waits at most before chance adds to it, in milliseconds. Default: 30000 (30 seconds). Bounds: 1 to 3600000
  # (1 hour).
}

enum RestartAfter @0xbd1f6fb7c3f0ae15 {
  # After which deaths a service is started again.

  never @0;
  # After none: the service stays dead, and what depends on it is stopped.

  onFailure @1;
  # After a failure. A service that was stopped on request stays dead.

  always @2;
  # After every death.
}
