# What the config of the health check service says.
#
# The node ids, the ordinals and the types are a contract with files that exist: extend a struct at its end, and change nothing else.

@0xe42204a141ec4e6f;

using Rust = import "rust.capnp";

struct HealthCheckServiceSpec @0xf61f7c33b286f52f {
  # Config of the health check service (0xe105d0909fcc5ec5): when the checks of the application run.

  healthCheckSpecs @0 :List(HealthCheckSpec);
  # Schedules of single checks. A check that is named here follows this schedule and not the one in the code; a check that is not named
  # keeps its own. Default: none. Bounds: each health check at most once.

  commandServerChanSize @1 :UInt8;
  # How many commands may wait for the service, in commands. A caller that finds the queue full waits for room. Default: 0, which means
  # the service's own choice. Bounds: 0 to 255.

  maxConcurrentRuns @2 :UInt8 = 1;
  # How many checks may run at the same time, in checks; further ones wait for their turn. A single check never overlaps itself,
  # whatever stands here. Default: 1, so one after another. Bounds: 0 to 255, where 0 means 1.
}

struct HealthCheckSpec @0xe65df7cace0dd1c2 {
  # When one health check runs, and how long it may take.

  healthCheckID @0 :UInt64 $Rust.name("healthCheckId");
  # The check that is meant, by its id. No default: it has to be given. Bounds: not 0.

  runIntervalSeconds @1 :UInt16;
  # From the start of one run to the start of the next, in seconds. Default: 0, which means 300 (5 minutes). Bounds: 0 to 65535.
  # Example: 60

  timeoutSeconds @2 :UInt8;
  # How long a run may take, in seconds; then it is cancelled and counts as failed. Default: 0, which means 5. Bounds: 0 to 255.
  # Example: 5

  failureThreshold @3 :UInt8;
  # How many runs in a row have to fail before the check counts as failing, in runs. Default: 0, which means what the code says.
  # Bounds: 0 to 255.
  # Example: 3

  successThreshold @4 :UInt8;
  # How many runs in a row have to pass before a check that fails counts as passing, in runs. Default: 0, which means what the code
  # says. Bounds: 0 to 255.
  # Example: 1
}
