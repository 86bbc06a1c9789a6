# The admin interface: what an operator can ask of a running application, and change in it.
#
# The node ids, the ordinals and the types are a contract with existing programs. Extend a struct or an interface only at its end, and
# change nothing else. A table of `app-rpc` (src/admin/methods.rs) has the role that each method needs.

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
  # Stops the application gracefully, with the drain delay of its flags. The answer comes before the connection closes. Use `end` to
  # give a reason for the log.

  runtime @10 () -> (runtime :Runtime);
  # The runtime of the application.

  configs @11 () -> (configs :Configs);
  # Its configs.

  identity @12 () -> (identity :Identity);
  # The identity of the application.

  readiness @13 () -> (ready :Bool, reasons :List(Text), ends :List(CertificateEnd), notes :List(Text));
  # Whether it is ready, as in /readyz, and every reason why not. `ends`: up to 16 certificates and revocation lists in use, the first to
  # end first. `notes`: problems that do not make it unready, such as a refused config.

  serviceInfos @14 () -> (services :List(ServiceInfo));
  # Every service of the application, alive or not, with the services that were made at run time. Ordered by id.

  restart @15 (serviceId :UInt64, reason :Text) -> (notes :List(Text));
  # Stops a service and its dependents, and starts them again. The answer comes when the restart is decided. The events show the rest.
  # `notes`: which services start with an older config than their file, and why.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.

  health @16 () -> (health :Health);
  # Its health checks.

  levels @17 () -> (levels :Levels);
  # Its log levels.

  metrics @18 (format :MetricsFormat) -> (text :TextReader);
  # All metrics of this moment, as in /metrics. Read the text in pieces.

  events @19 () -> (events :EventStream);
  # The events from now on: of the application, its services and its health checks. A connection may have a few streams at a time.

  reload @20 (reason :Text) -> (configs :List(ConfigStatus));
  # Reads the configs again, as on SIGHUP. Returns the result for each service that has taken its config.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.

  end @21 (reason :Text, drainDelayMillis :UInt32, useDrainDelay :Bool) -> ();
  # Stops the application gracefully, as `kill` does. If `useDrainDelay` is set, `drainDelayMillis` is the drain delay in milliseconds.
  # Else the delay of the flags applies. Bounds: up to 3600000, an hour.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.

  operations @22 () -> (operations :List(OperationInfo));
  # What the client may ask of the application and its services, in addition to the methods here. Ordered by service and name. The list
  # has the operations that need a higher role than the client's, too.

  describeOperation @23 (serviceId :UInt64, name :Text) -> (operation :OperationInfo, arguments :Text, results :Text);
  # One operation, with the JSON Schemas (2020-12) of its arguments and its result. An unknown operation is an error.

  callOperation @24 (serviceId :UInt64, name :Text, arguments :Text, reason :Text, requestId :Text, confirmed :Bool,
      deadlineMillis :UInt32) -> (result :Text);
  # Calls an operation. The call ends when its connection ends. The role that it needs is that of the operation.
  # `arguments`: a JSON object; empty means none. Bounds: up to 1044480 bytes and 32 levels.
  # `reason`: why, for the log. Bounds: up to 1024 bytes; may be empty if the operation only reads.
  # `requestId`: a repeated call with the same id answers with the result of the first one; empty means none. Bounds: up to 128 bytes
  # of printable ASCII.
  # `confirmed`: must be set if the operation destroys something.
  # `deadlineMillis`: how long the call may take, in milliseconds. 0 means 30000. Bounds: up to 600000.
  # `result`: JSON, up to 1044480 bytes. For an operation with a job: `{"job":"0x.."}`, the id of the job.

  listeners @25 () -> (listeners :List(ListenerInfo));
  # The listening sockets of its services, ordered by name.
}

struct ListenerInfo @0xa498af81f5f1fce6 {
  # A listening socket of a service.

  name @0 :Text;
  # The name of the service. Example: "quota-rpc"

  address @1 :NetworkAddress;
  # Where it listens.

  origin @2 :Text;
  # Where it came from: "bound" by this process, "inherited" from the process that started this one (LISTEN_FDS), from the "store" of the
  # service manager, or by "handover" from the process that this one replaced.

  stored @3 :Bool;
  # Whether the service manager was asked to keep it, so that it outlives this process.
}

interface Service @0xb25b411cec149334 {
  # A service of the application. After a restart of the service, this capability still means the earlier incarnation.

  id @0 () -> (serviceId :UInt64);
  # Its id.

  logLevel @1 () -> (level :LogLevel);
  # The log level of the service, or of the application if the service has none.

  alive @2 () -> (alive :Bool);
  # Whether it is alive: it was not killed.
}

interface RPCService @0xa7e3c40f8e5ecb74 {
  # An RPC endpoint of the application.

  id @0 () -> (serviceId :UInt64);
  # The id of its service.

  listenerAlive @1 () -> (listenerAlive :Bool);
  # Whether it listens.

  listenerAddress @2 () -> (address :NetworkAddress);
  # The address on which it listens. Both texts are empty while it does not listen.

  activeConns @3 () -> (count :UInt32);
  # How many connections are open, in connections.

  maxConns @4 () -> (count :UInt32);
  # How many connections may be open, in connections. 0 while it does not listen.
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
  # Information for operators, and worse.

  warn @2;
  # Warnings and worse: what may need the attention of an operator.

  error @3;
  # Failures only.
}

interface Runtime @0xdda2e02140fe8f08 {
  # The runtime of the application.

  goVersion @0 () -> (version :Text);
  # The version of the compiler, here of rustc. (The Go original chose the name.)

  numCPU @1 () -> (count :UInt32);
  # How many processors it may use.

  numGoroutine @2 () -> (count :UInt32);
  # How many tasks of its services are live. (The Go original chose the name.)

  memStats @3 () -> (stats :MemStats);
  # Its memory.

  stackDump @4 () -> (stackDump :Data);
  # The stack of every thread, and the live tasks of every service, as text compressed with zlib.
}

struct MemStats @0xcdf011e3e3860026 {
  # Memory of the process. The fields are those of the Go original. A field without a meaning here is always 0.

  alloc @0 :UInt64;
  # Bytes in use: the resident anonymous memory.

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
  # Bytes of heap in use: the same as `alloc`.

  heapSys @7 :UInt64;
  # Bytes of data and heap that were obtained from the system.

  heapIdle @8 :UInt64;
  # Not known here: 0.

  heapInUse @9 :UInt64;
  # Resident bytes of the whole process, with shared memory.

  heapReleased @10 :UInt64;
  # Not known here: 0.

  heapObjects @11 :UInt64;
  # Not known here: 0.

  stackInUse @12 :UInt64;
  # Bytes of the main thread's stack.

  stackSys @13 :UInt64;
  # The same as `stackInUse`.

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
  # How many were freed.
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
  # The result of the last reading, for each service that has taken its config.
}

struct ConfigStatus @0xd16a12f9df0f8b6b {
  # The result of the last reading of a config.

  serviceId @0 :UInt64;
  # The service whose config it is.

  name @1 :Text;
  # The name of that service; empty if it has none.

  fromFile @2 :Bool;
  # Whether the value in effect is from a file. Otherwise it is the default.

  problem @3 :Text;
  # What is wrong with the file, so that the earlier value stays in effect. Empty if nothing is wrong.

  reloads @4 :UInt64;
  # How often the service took a new value since the start.

  refusals @5 :UInt64;
  # How often the file was refused since the start.

  reloadable @6 :Bool;
  # Whether the service takes new values while it runs.

  waiting @7 :Bool;
  # Whether the file has another value that takes effect at the next start.

  taken @8 :Bool;
  # In the answer to a reload: whether this reload gave the service a new value.

  file @9 :ConfigFile;
  # The state of the file.

  fileSinceMillis @10 :Int64;
  # When the file turned bad, in milliseconds since 1970 (UTC). 0 while it is good.
}

enum ConfigFile @0x972422b19d425fa2 {
  # The state of the file of a config that is in effect.

  good @0;
  # The value in effect is that of the file, or the default without a file.

  refused @1;
  # The file was refused. A new process would not start.

  gone @2;
  # The file is gone. The value stays in effect until the process ends.

  unread @3;
  # The machine could not read the file. The platform tries again.
}

struct CertificateEnd @0xeb40bdf23696f881 {
  # The end of a certificate or a revocation list in use.

  atMillis @0 :Int64;
  # The end, in milliseconds since 1970 (UTC).

  service @1 :Text;
  # The service that uses it.

  what @2 :Text;
  # The kind: "server", "client", "intermediate", "authority" or "revocation_list".

  name @3 :Text;
  # The names (DNS) in it, or its issuer or subject.
}

struct Identity @0xa8ae9e6d5d7a8a11 {
  # The identity of an application.

  domainId @0 :UInt64;
  # The domain that it belongs to.

  appId @1 :UInt64;
  # The application.

  releaseId @2 :UInt64;
  # The release of the application.

  instanceId @3 :Text;
  # The instance: this process, in hex.

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
  # How long it has run, in milliseconds.
}

struct ServiceInfo @0xc6b0ee0fcd7b48e4 {
  # A service, alive or not.

  serviceId @0 :UInt64;
  # Its id.

  name @1 :Text;
  # Its name.

  state @2 :ServiceState;
  # The state of the service.

  reason @3 :Text;
  # Why it was killed; empty if it was not.

  deaths @4 :UInt64;
  # How often it failed while the application was not stopping.

  restarts @5 :UInt64;
  # How often it was started again.

  lastFailure @6 :Text;
  # Its last failure, in this or an earlier incarnation. Empty if it never failed.

  lastFailureOnMillis @7 :Int64;
  # When it last failed, in milliseconds since 1970 (UTC). 0 if it never failed.

  uptimeMillis @8 :UInt64;
  # How long it has run, in milliseconds. 0 while it does not run.

  startMillis @9 :UInt64;
  # How long its start function took, in milliseconds.

  tasks @10 :UInt32;
  # How many live tasks it has.

  level @11 :LogLevel;
  # Its log level.

  restarting @12 :Bool;
  # Whether it will be restarted, or is being restarted.

  needs @13 :List(UInt64);
  # Its dependencies, by id.

  plannedStops @14 :UInt64;
  # How often it was stopped on purpose while the application was not stopping: because of a requested restart or kill, or because a
  # dependency stopped or restarted.

  restartPolicy @15 :Text;
  # Its restart policy, for people, such as "on failure, 10 in 5m". Empty for a service that was made at run time.

  configNote @16 :Text;
  # What is wrong with the file of its config, and since when; empty while the file is good.
}

struct OperationInfo @0xe7428a3b2ea2b284 {
  # An operation: what an operator may ask of a service.

  serviceId @0 :UInt64;
  # The service that offers it. 0 is the application itself.

  serviceName @1 :Text;
  # The name of that service; "app" for the application itself.

  name @2 :Text;
  # The name of the operation. Example: "forget"

  about @3 :Text;
  # What it does, in one sentence.

  role @4 :OperationRole;
  # The lowest role that may call it.

  effect @5 :OperationEffect;
  # What it does to the application.

  job @6 :Bool;
  # Whether a call answers with the id of a job, which then does the work.

  mayCall @7 :Bool;
  # Whether the client has the role that it needs.
}

enum OperationRole @0xad0fc221673a18b6 {
  # What a client may do. Each role includes the ones before it.

  read @0;
  # Look.

  operate @1;
  # Change how the application runs.

  admin @2;
  # End the application.
}

enum OperationEffect @0xc95c2a1e5b426708 {
  # What an operation does to the application.

  reads @0;
  # It changes nothing. A call needs no reason, and has no audit record.

  changes @1;
  # It changes something. A call needs a reason.

  destroys @2;
  # It destroys something that does not come back. A call needs a reason and `confirmed`.
}

enum ServiceState @0xb8a2f9dd0c8f4e53 {
  # The state of a service.

  registered @0;
  # Not started yet.

  starting @1;
  # Its start function runs.

  running @2;
  # It runs.

  stopping @3;
  # Killed, and finishing its tasks.

  stopped @4;
  # Dead, without a failure.

  failed @5;
  # Dead, after a failure.
}

interface Health @0xbf8d6c2a5a0fd6a4 {
  # The health checks of the application.

  checks @0 () -> (checks :List(HealthCheck));
  # Every check, ordered by id.

  check @1 (id :UInt64) -> (check :HealthCheck, history :List(HealthResult), transitions :List(HealthTransition));
  # One check, and its last results and transitions, oldest first. An unknown id is an error.

  run @2 (id :UInt64, reason :Text) -> (result :HealthResult);
  # Runs a check now, and answers when the run has ended. Concurrent callers share one run.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.

  pause @3 (id :UInt64, reason :Text) -> (paused :Bool);
  # Pauses a check. `paused` is false if it was paused already.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.

  resume @4 (id :UInt64, reason :Text) -> (resumed :Bool);
  # Resumes a paused check. `resumed` is false if it was not paused.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.
}

struct HealthCheck @0xe0ad5d2e7cbb01c7 {
  # A health check.

  id @0 :UInt64;
  # Its id.

  name @1 :Text;
  # Its name; empty if it has none.

  serviceId @2 :UInt64;
  # The service of the check. 0 if it has none.

  critical @3 :Bool;
  # Whether the application is unready while the check fails.

  paused @4 :Bool;
  # Whether it is paused.

  status @5 :HealthStatus;
  # Its status, after the thresholds.

  intervalMillis @6 :UInt64;
  # How often it runs, in milliseconds.

  timeoutMillis @7 :UInt64;
  # How long a run may take, in milliseconds.

  failures @8 :UInt32;
  # How many runs in a row failed, in runs.

  hasResult @9 :Bool;
  # Whether it has run.

  result @10 :HealthResult;
  # Its last result, if it has run.

  problem @11 :Text;
  # Why it is not healthy, for people. Empty if it is healthy.

  sinceMillis @12 :Int64;
  # Since when it has this status, in milliseconds since 1970 (UTC).

  groups @13 :List(Text);
  # Its check groups: probes ("readiness", "liveness", "startup"), or names of your own.

  failureThreshold @14 :UInt32;
  # How many failures in a row make it unhealthy, in runs.

  successThreshold @15 :UInt32;
  # How many successes in a row make it healthy, in runs.

  pausedSinceMillis @16 :Int64;
  # Since when it is paused, in milliseconds since 1970 (UTC). 0 if it is not paused, or if the application is too old to know.
}

enum HealthStatus @0xc9a63ee1c0d0a3bb {
  # The status of a check.

  unknown @0;
  # It has not run yet, has too few results for its thresholds, or its last result is too old.

  healthy @1;
  # As many runs in a row passed as its threshold requires.

  unhealthy @2;
  # As many runs in a row failed as its threshold requires.
}

struct HealthResult @0x9d84e9c8f41a4bb3 {
  # The result of a run of a health check.

  startedOnMillis @0 :Int64;
  # When it began, in milliseconds since 1970 (UTC).

  durationNanos @1 :UInt64;
  # How long it took, in nanoseconds.

  error @2 :Text;
  # Why it failed; empty if it passed.

  failures @3 :UInt32;
  # How many runs in a row have failed, with this one, in runs. 0 if it passed.

  outcome @4 :Text;
  # How it ended: "passed", "failed", "timed_out", "panicked" or "still_running".
}

struct HealthTransition @0xd90d5d8d1b4f0a21 {
  # A change of the status of a check.

  from @0 :HealthStatus;
  # The status before.

  to @1 :HealthStatus;
  # The status after.

  atMillis @2 :Int64;
  # When, in milliseconds since 1970 (UTC).

  error @3 :Text;
  # The error of the run that changed it. Empty if the run passed.
}

interface Levels @0xb7f16d0c9cf0b6de {
  # The log levels of the application.

  levels @0 () -> (app :LevelSetting, services :List(ServiceLevel));
  # The level of the application, and of each service with a level of its own.

  setApp @1 (level :LogLevel, timeToLiveMillis :UInt64, reason :Text) -> ();
  # Sets the level of the application. After `timeToLiveMillis` milliseconds it returns to the earlier level. 0 means never.
  # Bounds: up to 2592000000, 30 days.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.

  setService @2 (serviceId :UInt64, level :LogLevel, timeToLiveMillis :UInt64, reason :Text) -> ();
  # Sets the level of a service, registered or not. `timeToLiveMillis` has the same meaning as in `setApp`.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.

  reset @3 (serviceId :UInt64, reason :Text) -> ();
  # Sets a level back to that of the flags: the level of a service, or with 0 the level of the application.
  # `reason`: why, for the log. Bounds: 1 to 1024 bytes.
}

struct LevelSetting @0x8fa9d39a8f7d9f6e {
  # A log level, and how long it stays in effect.

  level @0 :LogLevel;
  # The level in effect.

  expiresInMillis @1 :UInt64;
  # In how many milliseconds it returns to the earlier level. 0 means never.
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
  # The format of metrics.

  text @0;
  # Prometheus' text format 0.0.4.

  openMetrics @1;
  # OpenMetrics text 1.0.
}

interface TextReader @0x9b6c8fd5a8f2f5e7 {
  # A text that is read in pieces. Dropping the capability frees the text. A connection may have a few at a time.

  read @0 (maxBytes :UInt32) -> (piece :Data, end :Bool);
  # The next bytes, at most `maxBytes`. 0 means as many as fit a message well. `end` is true if these are the last ones. After the end, a
  # call returns no bytes, and `end` again.
}

interface EventStream @0xe7c0d6b3a1f84f69 {
  # The events of the application. It keeps a bounded number of events for a client that does not ask. The oldest are dropped and counted.

  next @0 (maxEvents :UInt16, waitMillis :UInt32) -> (events :List(Event), missed :UInt64, end :Bool);
  # The next events, oldest first, at most `maxEvents`. 0 means as many as fit a message well. If there are none, the call waits for one
  # for up to `waitMillis` milliseconds, then returns none. Bounds: a value above 30000 means 30000.
  # `missed` is the number of events that were dropped before the last one of these. `end` is true if no more follow, since the
  # application or its RPC server stops. Two calls may wait at a time. A client that always has one waiting gets the end.
}

struct Event @0xd3d9f4b6ab0ff2a3 {
  # An event.

  atMillis @0 :Int64;
  # When, in milliseconds since 1970 (UTC).

  kind @1 :Text;
  # The name of its log event. Examples: "service_started", "healthcheck_result"

  eventId @2 :UInt64;
  # The id of its log event; 0 if it has none.

  serviceId @3 :UInt64;
  # The service of the event. 0 if it has none.

  serviceName @4 :Text;
  # The name of that service. Empty if there is none.

  healthCheckId @5 :UInt64;
  # The health check of the event. 0 if it has none.

  healthCheckName @6 :Text;
  # The name of that check. Empty if there is none.

  message @7 :Text;
  # What happened, for people.
}
