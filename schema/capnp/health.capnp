# The config of the health check service.
#
# The node ids, the ordinals and the types are a contract with existing files. Extend a struct only at its end, and change nothing else.

@0xe42204a141ec4e6f;

using Rust = import "rust.capnp";

struct HealthCheckServiceSpec @0xf61f7c33b286f52f {
  # Config of the health check service (0xe105d0909fcc5ec5): when the checks of the application run.

  healthCheckSpecs @0 :List(HealthCheckSpec);
  # Schedules of health checks. A schedule here replaces the one in the code. Other checks keep theirs. Default: none. Bounds: each
  # health check at most once.

  commandServerChanSize @1 :UInt8;
  # How many commands may wait for the service, in commands. If the queue is full, a caller waits. Default: 0, which means the service's
  # own size. Bounds: 0 to 255.

  maxConcurrentRuns @2 :UInt8 = 1;
  # How many checks may run at the same time, in checks. Further ones wait. A check never overlaps itself. Default: 1, one after another.
  # Bounds: 0 to 255, where 0 means 1.
}

struct HealthCheckSpec @0xe65df7cace0dd1c2 {
  # When one health check runs, and how long it may take.

  healthCheckID @0 :UInt64 $Rust.name("healthCheckId");
  # The id of the check. No default: required. Bounds: not 0.

  runIntervalSeconds @1 :UInt16;
  # The time from the start of one run to the start of the next, in seconds. Default: 0, which means 300 (5 minutes). Bounds: 0 to 65535.
  # Example: 60

  timeoutSeconds @2 :UInt8;
  # How long a run may take, in seconds. Then it is cancelled and counts as failed. Default: 0, which means 5. Bounds: 0 to 255.
  # Example: 5

  failureThreshold @3 :UInt8;
  # How many runs in a row must fail before the check is failing, in runs. Default: 0, which means the value in the code.
  # Bounds: 0 to 255.
  # Example: 3

  successThreshold @4 :UInt8;
  # How many runs in a row must pass before a failing check is passing again, in runs. Default: 0, which means the value in the code.
  # Bounds: 0 to 255.
  # Example: 1
}
