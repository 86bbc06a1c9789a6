# An error as it is stored, or sent to another process.
#
# The node ids, the ordinals and the types are a contract with other programs. Extend a struct only at its end, and change nothing else.

@0xe6058e6a8b7d223d;

struct Error @0xa0bafc3f55e8eeb4 {
  # An error that happened: what, when and where. With a failed RPC call it has no stack, no process and no location, and only the
  # public part of its context.

  causes @0 :List(Text);
  # The texts of its causes, the direct cause first. Default: none. Bounds: at most 32.

  message @1 :Text;
  # What is wrong, for people. Default: empty; the first cause then stands for the error.

  errorId @2 :UInt64;
  # What kind of error it is. No default. 0 is an unexpected error.

  errorType @3 :ErrorType;
  # Whether the code foresaw it. Default: bug.

  severity @4 :ErrorSeverity;
  # How bad it is. Default: low. In another process, fatal counts as high.

  stack @5 :Text;
  # The calls that led to it, one on each line, the innermost first. Default: empty.

  tags @6 :List(Text);
  # Categories, such as "DB" or "SECURITY". Default: none. Bounds: at most 32.

  context @7 :Text;
  # Values for machines that help to find the reason, as JSON. Default: empty, which means none.

  uid @8 :UInt64;
  # The unique id of this occurrence.

  time @9 :Int64;
  # When it was raised, in nanoseconds since 1970 (UTC).

  domainId @10 :UInt64;
  # The domain of the application that raised it. Default: 0, which means unknown.

  appId @11 :UInt64;
  # The application that raised it. Default: 0, which means unknown.

  instanceId @12 :UInt64;
  # The instance of the application. Default: 0, which means unknown.

  releaseId @13 :UInt64;
  # The release of the application. Default: 0, which means unknown.

  pid @14 :UInt32;
  # The process id. Default: 0, which means unknown.

  hostname @15 :Text;
  # The name of the host. Default: empty, which means unknown.

  serviceId @16 :UInt64;
  # The service that raised it. Default: 0, which means the application.

  location @17 :Text;
  # The place in the source where it was raised, as "file:line". Default: empty, which means unknown.
}

enum ErrorType @0xa9b31b39a52b74dd {
  # Whether the code foresaw an error.

  bug @0;
  # It did not.

  knownEdgeCase @1;
  # It did: a broken connection, a wrong argument, a service that is not available.

  config @2;
  # A config is missing or wrong.
}

enum ErrorSeverity @0xd9ff7ad2e267df53 {
  # How bad an error is.

  low @0;
  # It has no consequence by itself.

  medium @1;
  # An operator should look at it, but not at once.

  high @2;
  # A request or a task failed.

  fatal @3;
  # The application could not continue.
}
