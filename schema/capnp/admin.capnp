# The admin interface: what an operator may ask of a running application, and tell it.
#
# The node ids, the ordinals and the types are a contract with programs that exist: extend a struct or an interface at its end, and
# change nothing else. Which role each method needs is in the table of `app-rpc` (src/admin/methods.rs).

@0xfdc27db3942316f7;

using Rust = import "rust.capnp";

interface App @0xf052e7e084b31199 {
  # The application: the bootstrap interface of the RPC server with the service id 0xe49214fa20b35ba8.

  id @0 () -> (appId :UInt64);
  # The id of the application.

  releaseId @1 () -> (releaseId :UInt64);
  # The id of the release that runs.

  instance @2 () -> (instanceId :Text);
  # The id of this process, in hex: new at each start.

  startedOn @3 () -> (startedOn :Int64);
  # When the application was started, in seconds since 1970 (UTC).

  logLevel @4 () -> (level :LogLevel);
  # The log level of the application.

  serviceIds @5 () -> (serviceIds :List(UInt64));
  # The services that are registered, by id, in order.

  service @6 (id :UInt64) -> (service :Service);
  # A service that is registered. An unknown id is an error.

  rpcServiceIds @7 () -> (serviceIds :List(UInt64));
  # The services that are RPC endpoints, by id, in order.

  rpcService @8 (id :UInt64) -> (service :RPCService);
  # An RPC endpoint. An unknown id is an error.

  kill @9 () -> ();
  # Ends the application gracefully, with the drain delay that it was started with. It answers before the connection closes. It takes
  # no reason, so the log has none: `end` does.

  runtime @10 () -> (runtime :Runtime);
  # What the application runs on.

  configs @11 () -> (configs :Configs);
  # Its configs.

  identity @12 () -> (identity :Identity);
  # Who this is, in one call.

  readiness @13 () -> (ready :Bool, reasons :List(Text), ends :List(CertificateEnd), notes :List(Text));
  # Whether it can do its work, as /readyz says, and every reason why not. `ends`: the certificates and revocation lists that its
  # services use, up to 16, those that end first in front. `notes`: what should be looked at although it is ready, such as a
  # config that is refused.

  serviceInfos @14 () -> (services :List(ServiceInfo));
  # Every service that the application was made of, alive or not, and those that were registered at run time, by id in order.

  restart @15 (serviceId :UInt64, reason :Text) -> (notes :List(Text));
  # Stops a service, and what depends on it, and starts them again. It answers once that is decided; the events tell of the rest.
  # `notes`: which of them start on an older config than their file should have, and why.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.

  health @16 () -> (health :Health);
  # Its health checks.

  levels @17 () -> (levels :Levels);
  # Its log levels.

  metrics @18 (format :MetricsFormat) -> (text :TextReader);
  # All metrics as they are now, as /metrics shows them, to be read in pieces.

  events @19 () -> (events :EventStream);
  # What happens from now on: lifecycle of the application and its services, and what becomes of health checks. A connection may have
  # a few streams at a time.

  reload @20 (reason :Text) -> (configs :List(ConfigStatus));
  # Reads the configs again, as on SIGHUP, and says what came of it for each service that has taken its config.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.

  end @21 (reason :Text, drainDelayMillis :UInt32, useDrainDelay :Bool) -> ();
  # Ends the application gracefully, as `kill` does. `drainDelayMillis` is how long it goes on serving while it says that it is not
  # ready, in milliseconds, where `useDrainDelay` is set; else it is the delay that the application was started with. Bounds: up to 3600000, an hour.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.
}

interface Service @0xb25b411cec149334 {
  # A service of the application, as it was when it was asked for: after a restart this is still the incarnation before.

  id @0 () -> (serviceId :UInt64);
  # Its id.

  logLevel @1 () -> (level :LogLevel);
  # Its log level: its own, or else that of the application.

  alive @2 () -> (alive :Bool);
  # Whether it was not killed.
}

interface RPCService @0xa7e3c40f8e5ecb74 {
  # An RPC endpoint of the application.

  id @0 () -> (serviceId :UInt64);
  # The id of its service.

  listenerAlive @1 () -> (listenerAlive :Bool);
  # Whether it listens.

  listenerAddress @2 () -> (address :NetworkAddress);
  # Where it listens; both texts are empty while it does not.

  activeConns @3 () -> (count :UInt32);
  # How many connections are open, in connections.

  maxConns @4 () -> (count :UInt32);
  # How many may be open, in connections; 0 while it does not listen.
}

struct NetworkAddress @0x9aae3a8502e6d5eb {
  # An address in a network.

  network @0 :Text;
  # The kind of network: "tcp".

  address @1 :Text;
  # Host and port. Example: "127.0.0.1:44228"
}

enum LogLevel @0xce802aa8977a9aee {
  # How much is logged.

  debug @0;
  # Everything.

  info @1;
  # What an operator wants to know, and above.

  warn @2;
  # What may need somebody's attention, and above.

  error @3;
  # Failures alone.
}

interface Runtime @0xdda2e02140fe8f08 {
  # What the application runs on.

  goVersion @0 () -> (version :Text);
  # The compiler that it was built with; here rustc's version. (The name is the original's.)

  numCPU @1 () -> (count :UInt32);
  # How many processors it may use.

  numGoroutine @2 () -> (count :UInt32);
  # How many tasks of its services are live. (The name is the original's.)

  memStats @3 () -> (stats :MemStats);
  # Its memory.

  stackDump @4 () -> (stackDump :Data);
  # The stack of every thread, and the live tasks of every service, as text compressed with zlib.
}

struct MemStats @0xcdf011e3e3860026 {
  # Memory of the process. The fields are those of the Go original; what has no meaning here is 0, always.

  alloc @0 :UInt64;
  # Bytes in use: the anonymous memory that is resident.

  totalAlloc @1 :UInt64;
  # Not known here: 0.

  sys @2 :UInt64;
  # Bytes obtained from the system: the size of the address space.

  lookups @3 :UInt64;
  # Not known here: 0.

  mallocs @4 :UInt64;
  # Not known here: 0.

  frees @5 :UInt64;
  # Not known here: 0.

  heapAlloc @6 :UInt64;
  # Bytes of heap in use: as `alloc`.

  heapSys @7 :UInt64;
  # Bytes of data and heap that were obtained from the system.

  heapIdle @8 :UInt64;
  # Not known here: 0.

  heapInUse @9 :UInt64;
  # Resident bytes of the whole process, with what it shares with others.

  heapReleased @10 :UInt64;
  # Not known here: 0.

  heapObjects @11 :UInt64;
  # Not known here: 0.

  stackInUse @12 :UInt64;
  # Bytes of the main thread's stack.

  stackSys @13 :UInt64;
  # As `stackInUse`.

  mSpanInUse @14 :UInt64;
  # No meaning here: 0.

  mSpanSys @15 :UInt64;
  # No meaning here: 0.

  mCacheInUse @16 :UInt64;
  # No meaning here: 0.

  mCacheSys @17 :UInt64;
  # No meaning here: 0.

  buckHashSys @18 :UInt64;
  # No meaning here: 0.

  gCSys @19 :UInt64 $Rust.name("gcSys");
  # No meaning here: 0.

  otherSys @20 :UInt64;
  # No meaning here: 0.

  nextGC @21 :UInt64 $Rust.name("nextGc");
  # No meaning here: 0.

  lastGC @22 :UInt64 $Rust.name("lastGc");
  # No meaning here: 0.

  pauseTotalNs @23 :UInt64;
  # No meaning here: 0.

  pauseNs @24 :List(UInt64);
  # No meaning here: empty.

  pauseEnd @25 :List(UInt64);
  # No meaning here: empty.

  numGC @26 :UInt32 $Rust.name("numGc");
  # No meaning here: 0.

  numForcedGC @27 :UInt32 $Rust.name("numForcedGc");
  # No meaning here: 0.

  gCCPUFraction @28 :Float64 $Rust.name("gcCpuFraction");
  # No meaning here: 0.

  bySize @29 :List(BySize);
  # No meaning here: empty.
}

struct BySize @0xc3e472677f9be8ad {
  # Allocations of one size. No meaning here.

  size @0 :UInt32;
  # The size, in bytes.

  mallocs @1 :UInt64;
  # How many were made.

  frees @2 :UInt64;
  # How many were given back.
}

interface Configs @0xa391f67e209a873d {
  # The configs of the application.

  configDir @0 () -> (configDir :Text);
  # The directory of configs.

  configDirExists @1 () -> (exists :Bool);
  # Whether it exists.

  serviceIds @2 () -> (serviceIds :List(UInt64));
  # The services that have a config there, by id, in order.

  statuses @3 () -> (configs :List(ConfigStatus));
  # What came of the last reading, for each service that has taken its config.
}

struct ConfigStatus @0xd16a12f9df0f8b6b {
  # What came of the last reading of a config.

  serviceId @0 :UInt64;
  # The service that it is of.

  name @1 :Text;
  # The name of that service; empty if it has none.

  fromFile @2 :Bool;
  # Whether the value that the service runs on is from a file: otherwise it is the default.

  problem @3 :Text;
  # What is wrong with the file, so that the service goes on with what it had; empty if all is well.

  reloads @4 :UInt64;
  # How often it took a new value since the start.

  refusals @5 :UInt64;
  # How often what was in the file was refused since the start.

  reloadable @6 :Bool;
  # Whether the service takes new values while it runs.

  waiting @7 :Bool;
  # Whether there was another value in the file since, which takes effect at the next start: this service takes none while it runs.

  taken @8 :Bool;
  # In the answer to a reload: whether the service took a new value in it.

  file @9 :ConfigFile;
  # What is the matter with the file.

  fileSinceMillis @10 :Int64;
  # Since when it is not good, in milliseconds since 1970 (UTC); 0 while it is good.
}

enum ConfigFile @0x972422b19d425fa2 {
  # What is the matter with the file of a config that is in effect.

  good @0;
  # Nothing: the value in effect is that of the file, or there is no file and it is the default.

  refused @1;
  # What is in the file was refused. A new process would refuse to start.

  gone @2;
  # The file is gone. The value stays in effect until the process ends.

  unread @3;
  # The machine could not read the file now. It is tried again.
}

struct CertificateEnd @0xeb40bdf23696f881 {
  # When a certificate or a revocation list ends that is in use.

  atMillis @0 :Int64;
  # The end, in milliseconds since 1970 (UTC).

  service @1 :Text;
  # The service that uses it.

  what @2 :Text;
  # What it is: "server", "client", "intermediate", "authority" or "revocation_list".

  name @3 :Text;
  # The names (DNS) in it, or whose it is.
}

struct Identity @0xa8ae9e6d5d7a8a11 {
  # Who an application is.

  domainId @0 :UInt64;
  # The domain that it belongs to.

  appId @1 :UInt64;
  # The application.

  releaseId @2 :UInt64;
  # The release of it.

  instanceId @3 :Text;
  # This process of it, in hex.

  name @4 :Text;
  # The name of the program.

  version @5 :Text;
  # The version of the program; empty if it has none.

  platformVersion @6 :Text;
  # The version of the platform that it was built on.

  host @7 :Text;
  # The name of the machine.

  pid @8 :UInt32;
  # The id of the process.

  startedOnMillis @9 :Int64;
  # When it was started, in milliseconds since 1970 (UTC).

  uptimeMillis @10 :UInt64;
  # For how long it has run, in milliseconds.
}

struct ServiceInfo @0xc6b0ee0fcd7b48e4 {
  # A service, alive or not.

  serviceId @0 :UInt64;
  # Its id.

  name @1 :Text;
  # Its name.

  state @2 :ServiceState;
  # Where it is in its life.

  reason @3 :Text;
  # Why it was killed; empty if it was not.

  deaths @4 :UInt64;
  # How often it died of a failure while the application was not stopping.

  restarts @5 :UInt64;
  # How often it was started again.

  lastFailure @6 :Text;
  # What it failed of last, also in an incarnation that is long gone; empty if it never did.

  lastFailureOnMillis @7 :Int64;
  # When that was, in milliseconds since 1970 (UTC); 0 if it never did.

  uptimeMillis @8 :UInt64;
  # For how long it has run, in milliseconds; 0 while it does not.

  startMillis @9 :UInt64;
  # How long its start function took, in milliseconds.

  tasks @10 :UInt32;
  # How many tasks of it are live.

  level @11 :LogLevel;
  # Its log level.

  restarting @12 :Bool;
  # Whether a restart of it is due or under way.

  needs @13 :List(UInt64);
  # What it depends on, by id.

  plannedStops @14 :UInt64;
  # How often it was stopped on purpose while the application was not stopping: a restart or a kill was asked for, or something that
  # it depends on was down or restarted.

  restartPolicy @15 :Text;
  # Its restart policy, for people, such as "on failure, 10 in 5m"; empty for a service that was made while the application ran.

  configNote @16 :Text;
  # What is the matter with the file of its config, since when and why; empty while the file is good.
}

enum ServiceState @0xb8a2f9dd0c8f4e53 {
  # Where a service is in its life.

  registered @0;
  # Known, and not started yet.

  starting @1;
  # Its start function runs.

  running @2;
  # It runs.

  stopping @3;
  # Killed, and finishing its tasks.

  stopped @4;
  # Dead, and it did not fail.

  failed @5;
  # Dead, of a failure.
}

interface Health @0xbf8d6c2a5a0fd6a4 {
  # The health checks of the application.

  checks @0 () -> (checks :List(HealthCheck));
  # Every check, by id in order.

  check @1 (id :UInt64) -> (check :HealthCheck, history :List(HealthResult), transitions :List(HealthTransition));
  # One check, and its last results and transitions, oldest first. An unknown id is an error.

  run @2 (id :UInt64, reason :Text) -> (result :HealthResult);
  # Runs a check now, and answers when it is done; whoever asks at the same time gets the same run.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.

  pause @3 (id :UInt64, reason :Text) -> (paused :Bool);
  # Runs a check no longer. `paused` is whether this call paused it: it was not paused already.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.

  resume @4 (id :UInt64, reason :Text) -> (resumed :Bool);
  # Runs a check again. `resumed` is whether this call resumed it: it was paused.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.
}

struct HealthCheck @0xe0ad5d2e7cbb01c7 {
  # A health check.

  id @0 :UInt64;
  # Its id.

  name @1 :Text;
  # Its name; empty if it has none.

  serviceId @2 :UInt64;
  # The service that it is of; 0 if it is of none.

  critical @3 :Bool;
  # Whether the application is not ready while it fails.

  paused @4 :Bool;
  # Whether it is paused.

  status @5 :HealthStatus;
  # What is thought of it, thresholds considered.

  intervalMillis @6 :UInt64;
  # How often it runs, in milliseconds.

  timeoutMillis @7 :UInt64;
  # How long a run may take, in milliseconds.

  failures @8 :UInt32;
  # How often it failed in a row, in runs.

  hasResult @9 :Bool;
  # Whether it has run.

  result @10 :HealthResult;
  # Its last result, if it has run.

  problem @11 :Text;
  # Why it is not known to be well, for people; empty if it is healthy.

  sinceMillis @12 :Int64;
  # Since when its results say so, in milliseconds since 1970 (UTC).

  groups @13 :List(Text);
  # What it counts for: the probes ("readiness", "liveness", "startup") or groups of its own.

  failureThreshold @14 :UInt32;
  # So many failures in a row make it unhealthy, in runs.

  successThreshold @15 :UInt32;
  # So many successes in a row make it healthy, in runs.

  pausedSinceMillis @16 :Int64;
  # Since when it is paused, in milliseconds since 1970 (UTC); 0 if it is not, or if the application is too old to say.
}

enum HealthStatus @0xc9a63ee1c0d0a3bb {
  # What is thought of a check.

  unknown @0;
  # It has not run yet, or not often enough to tell, or not for so long that its last result says nothing.

  healthy @1;
  # It passed as often in a row as its threshold says.

  unhealthy @2;
  # It failed as often in a row as its threshold says.
}

struct HealthResult @0x9d84e9c8f41a4bb3 {
  # What a run of a health check gave.

  startedOnMillis @0 :Int64;
  # When it began, in milliseconds since 1970 (UTC).

  durationNanos @1 :UInt64;
  # How long it took, in nanoseconds.

  error @2 :Text;
  # Why it failed; empty if it passed.

  failures @3 :UInt32;
  # How often it had failed in a row with this run, in runs; 0 if it passed.

  outcome @4 :Text;
  # How it ended: "passed", "failed", "timed_out", "panicked" or "still_running".
}

struct HealthTransition @0xd90d5d8d1b4f0a21 {
  # A change of what is thought of a check.

  from @0 :HealthStatus;
  # What was thought before.

  to @1 :HealthStatus;
  # What is thought since.

  atMillis @2 :Int64;
  # When, in milliseconds since 1970 (UTC).

  error @3 :Text;
  # The error of the run that did it; empty if that passed.
}

interface Levels @0xb7f16d0c9cf0b6de {
  # The log levels of the application.

  levels @0 () -> (app :LevelSetting, services :List(ServiceLevel));
  # The level of the application, and of each service that has one of its own.

  setApp @1 (level :LogLevel, timeToLiveMillis :UInt64, reason :Text) -> ();
  # Sets the level of the application. `timeToLiveMillis` is after how long it goes back to what it was, in milliseconds; 0 is never.
  # Bounds: up to 2592000000, 30 days.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.

  setService @2 (serviceId :UInt64, level :LogLevel, timeToLiveMillis :UInt64, reason :Text) -> ();
  # Sets the level of a service, registered or not. `timeToLiveMillis` is as above.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.

  reset @3 (serviceId :UInt64, reason :Text) -> ();
  # Sets a level back to what the application was started with: that of a service, or with 0 that of the application.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.
}

struct LevelSetting @0x8fa9d39a8f7d9f6e {
  # A log level, and for how long.

  level @0 :LogLevel;
  # The level in effect.

  expiresInMillis @1 :UInt64;
  # After how long it goes back to what it was, in milliseconds; 0 is never.
}

struct ServiceLevel @0xf24a6c0d1c9be3a5 {
  # The log level of a service.

  serviceId @0 :UInt64;
  # The service.

  setting @1 :LevelSetting;
  # Its level.

  name @2 :Text;
  # The name of the service; empty if it has none.
}

enum MetricsFormat @0xa5b0e6a4e6f9c4d2 {
  # How metrics are written.

  text @0;
  # Prometheus' text format 0.0.4.

  openMetrics @1;
  # OpenMetrics text 1.0.
}

interface TextReader @0x9b6c8fd5a8f2f5e7 {
  # A text that is read in pieces. It is given back with the capability; a connection may have a few at a time.

  read @0 (maxBytes :UInt32) -> (piece :Data, end :Bool);
  # The next bytes, at most `maxBytes` of them; 0 is as many as fit a message well. `end` is whether these are the last. After the end
  # there are no bytes, and it is the end again.
}

interface EventStream @0xe7c0d6b3a1f84f69 {
  # What happens in the application. It holds a bounded number of events for whoever does not ask: the oldest are lost, and counted.

  next @0 (maxEvents :UInt16, waitMillis :UInt32) -> (events :List(Event), missed :UInt64, end :Bool);
  # The next events, oldest first, at most `maxEvents` of them (0 is as many as fit a message well). If there are none, it waits for one,
  # at most `waitMillis` milliseconds (bounds: up to 30000, which more also means), then answers with none.
  # `missed` is how many were lost before the last of these. `end` is whether there will be no more, since the application stops, or its
  # RPC server does. Two calls may wait at a time: a client that always has the next one waiting is told of the end, however it comes.
}

struct Event @0xd3d9f4b6ab0ff2a3 {
  # Something that happened.

  atMillis @0 :Int64;
  # When, in milliseconds since 1970 (UTC).

  kind @1 :Text;
  # What kind: the name of its log event. Examples: "service_started", "healthcheck_result"

  eventId @2 :UInt64;
  # The id of its log event; 0 if it has none.

  serviceId @3 :UInt64;
  # The service that it happened to; 0 if to none.

  serviceName @4 :Text;
  # The name of that service; empty if to none.

  healthCheckId @5 :UInt64;
  # The health check that it happened to; 0 if to none.

  healthCheckName @6 :Text;
  # The name of that check; empty if to none or if it has none.

  message @7 :Text;
  # What happened, for people.
}
