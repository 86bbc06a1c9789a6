# The configs of RPC servers and clients.
#
# The node ids, the ordinals and the types are a contract with existing files. Extend a struct only at its end, and change nothing else.

@0x99f3cbccce65aee8;

using Rust = import "rust.capnp";

struct RPCServerSpec @0xfc13c8456771ca68 $Rust.name("RpcServerSpec") {
  # Config of an RPC server. The admin interface of the application is service 0xe49214fa20b35ba8. Without a config it does not listen.

  rpcServiceSpec @0 :RPCServiceSpec;
  # The ids and the port of the server. No default: required.

  serverCert @1 :X509KeyPair;
  # The certificate that the server shows, and its private key. Clients check that its name (DNS) is {domain}_{app}_{service}, in hex.
  # No default: required.

  caCert @2 :Data;
  # Certificates of the authorities whose clients are accepted, PEM. No default. Bounds: at least one certificate.
  # In JSON, give the name of a file, such as "@ca.pem".

  maxConns @3 :UInt32;
  # How many connections may be open, in connections. Further ones are refused. Default: 0, which means 1024.

  bindAddress @4 :Text;
  # The IP address to listen on. Default: empty, which means every address of the machine. Example: "127.0.0.1"

  crl @5 :Data;
  # Revocation lists, PEM, one after another. Clients whose certificate is on a list are refused. When a list is past its "next update",
  # every client whose chain has the list's authority is refused. Default: empty, which means that nothing is revoked. Bounds: none, or one of each authority in the chains
  # of clients' certificates. In JSON, give the name of a file, such as "@crl.pem".

  grants @6 :List(RPCGrant);
  # What clients may do, by the names in their certificates. Default: empty, which means that every accepted client may read.
  # Bounds: no name twice.

  limits @7 :RPCLimits;
  # What one client may take. Default: the defaults of its fields.

  maxConnectionAgeSeconds @8 :UInt32 = 3600;
  # How long a connection may live, in seconds. Then the client has to connect again, and its certificate is checked again. A reload that
  # revokes the certificate closes the connection at once. Default: 3600, an hour. Bounds: 1 or more.

  threads @9 :UInt16;
  # How many threads serve connections, in threads. Default: 0, which means half the number of processors, at least one.
  # Bounds: 0 to 256.

  maxClientConns @10 :UInt32;
  # How many connections of one client may be open, in connections. Further ones are refused. A client is a certificate:
  # programs that share one are counted together. Default: 0, which means an eighth of "maxConns", at least 8.

  maxCallsInFlight @11 :UInt32;
  # How many calls may be in flight on all connections together, in calls. Further ones are refused at once. If a client has a grant,
  # a sixteenth is kept for clients with a grant. Default: 0, which means 16384. Bounds: 0 to 16777216.

  maxQueueMillis @12 :UInt32 = 100;
  # How long calls may wait for their thread, in milliseconds. When they have waited longer for half a second, further calls
  # are refused at once until the wait is shorter. Default: 100. Bounds: 0 to 60000, where 0 means any time.
}

struct RPCLimits @0xb0c5920e1f5892a0 $Rust.name("RpcLimits") {
  # What one connection may use of a server.

  maxMessageBytes @0 :UInt32 = 1048576;
  # The largest message of calls and of results, in bytes. A connection that gets a larger one is closed. Default: 1048576, 1 MiB.
  # Bounds: 4096 to 268435456.

  maxCalls @1 :UInt32 = 1024;
  # How many calls of a connection may be in flight, in calls. Further ones are refused. A connection with as many open refusals is
  # closed. Default: 1024. Bounds: 1 to 1048576.

  maxHeldBytes @2 :UInt32 = 8388608;
  # How many bytes the messages of all calls in flight may have together. At the limit, further calls are refused.
  # Default: 8388608, 8 MiB. Bounds: 4096 or more.

  maxQueuedBytes @3 :UInt32 = 16777216;
  # How many bytes may wait for a client that does not read. At the limit, the connection is closed.
  # Default: 16777216, 16 MiB. Bounds: not below "maxMessageBytes".

  handshakeMillis @4 :UInt32 = 5000;
  # How long a client may take from connecting until the end of the TLS handshake, in milliseconds. Default: 5000. Bounds: 1 or more.

  stallMillis @5 :UInt32 = 10000;
  # How long a client may pause within a message that it sends, or within reading what waits for it, in milliseconds.
  # Default: 10000. Bounds: 1 or more.

  idleSeconds @6 :UInt32 = 600;
  # How long a connection may be idle, without a message or a call in flight, in seconds. Then it is closed. Default: 600. Bounds: 1 or
  # more.

  drainMillis @7 :UInt32 = 8000;
  # How long calls may go on when their connection ends because the server stops or the connection is too old, in milliseconds. Default: 8000. Bounds: 0 to 8000, since a service has 10 seconds to stop.

  maxClientMemoryBytes @8 :UInt32;
  # How much memory all connections of one client may use together, in bytes. At the limit, calls are refused, and a connection that
  # needs more for something else is closed. Default: 0, which means 25165824, 24 MiB, or four times
  # "maxMessageBytes" if that is more. Bounds: 0, or at least four times "maxMessageBytes".

  maxMemoryBytes @9 :UInt32;
  # How much memory the connections of all clients may use together, in bytes. Default: 0, which means eight times the limit of one
  # client. Bounds: 0, or at least the limit of one client.
}

struct RPCGrant @0xc076dc748ae87068 $Rust.name("RpcGrant") {
  # What a client may do.

  name @0 :Text;
  # The client: a name (DNS) in its certificate. No default. Bounds: 1 to 255 bytes. Example: "deploy.example.com"

  role @1 :RPCRole;
  # The role of the client. Default: read.
}

enum RPCRole @0xf58bd2cc08fa6a8f $Rust.name("RpcRole") {
  # What a client may do. Each role includes the ones before it.

  read @0;
  # Look, and change nothing.

  operate @1;
  # Change how the application runs: levels, health checks, reloads.

  admin @2;
  # Everything, such as ending the application.
}

struct RPCClientSpec @0xbec6688394d29776 $Rust.name("RpcClientSpec") {
  # Config of an RPC client: the server that it calls, and its own certificate.

  rpcServiceSpec @0 :RPCServiceSpec;
  # The ids and the port of the server. No default: required.

  clientCert @1 :X509KeyPair;
  # The certificate that the client shows, and its private key. No default: required.

  caCert @2 :Data;
  # Certificates of the authorities that the server's certificate may come from, PEM. No default. Bounds: at least one certificate.
  # In JSON, give the name of a file, such as "@ca.pem".

  addresses @3 :List(Text);
  # The addresses of the server's instances: host names or IP addresses, with or without a port, such as "10.0.0.7:44228" or
  # "[::1]:44228". Every address of a name is used. Default: empty, which means the host {domain}_{app}, in hex.

  crl @4 :Data;
  # Revocation lists, PEM, one after another. Servers whose certificate is on a list are refused. When a list is past its "next update",
  # every server whose chain has the list's authority is refused. Default: empty, which means that nothing is revoked. Bounds: none, or one of each authority in the chains
  # of servers' certificates. In JSON, give the name of a file, such as "@crl.pem".

  maxConnections @5 :UInt16 = 8;
  # The earlier name of "maxInstances". A value other than the default counts in its place. Default: 8, which means what "maxInstances"
  # says. Bounds: 1 to 1024.

  callMillis @6 :UInt32 = 10000;
  # How long a call may take, in milliseconds, unless its caller sets another deadline. Default: 10000. Bounds: 1 or more.

  connectMillis @7 :UInt32 = 5000;
  # How long connecting to an instance may take, with the TLS handshake, in milliseconds. Default: 5000. Bounds: 1 or more.

  maxConnectionAgeSeconds @8 :UInt32 = 1800;
  # How long a connection is used before a new one replaces it, in seconds. Default: 1800, half of the server's. Bounds: 1 or more.

  maxMessageBytes @9 :UInt32 = 1048576;
  # The largest message that is accepted from the server, in bytes. Default: 1048576, 1 MiB. Bounds: 4096 to 268435456.

  maxInstances @10 :UInt16 = 64;
  # How many instances of the server the client connects to, in instances. Of more addresses, it picks some at random. The client has up
  # to two connections to each, and distributes its calls over them. Default: 64. Bounds: 1 to 1024.

  retryPercent @11 :UInt16 = 20;
  # How many of a hundred calls may be made again because the server refused them or, if they are idempotent, may have executed them.
  # When this retry budget is used up, such calls fail at once. Calls that were not sent, or that the server moves because it stops, need
  # no budget. Default: 20. Bounds: 0 to 100.

  retriesPerSecond @12 :UInt16 = 10;
  # How many calls a second may be made again beside those of "retryPercent", for clients with few calls. Default: 10.
  # Bounds: 0 to 1000.

  ejectAfterFailures @13 :UInt16 = 5;
  # After how many failed calls in a row an instance is ejected, while most of the others work: it gets no calls for a while. At most half
  # of the instances are ejected. Default: 5. 0 means never. Bounds: 0 to 1000.

  ejectMillis @14 :UInt32 = 1000;
  # How long an ejection lasts, in milliseconds. Then one call tries the instance. If it fails, the next ejection lasts twice as long, up
  # to 64 times. Default: 1000. Bounds: 1 to 600000.

  discover @15 :Bool;
  # Whether to ask the instances of the server for their addresses, over the NATS servers of service messaging. Such an address is a hint:
  # the server's certificate decides. Found addresses are used beside "addresses"; without "addresses", they take the place of the
  # host, and no port is needed. Default: false.
}

struct RPCServiceSpec @0xb6e32df5c504ebf2 $Rust.name("RpcServiceSpec") {
  # An RPC service in the network. The name of its host is {domain}_{app}, in hex.

  domainID @0 :UInt64 $Rust.name("domainId");
  # The domain that the application belongs to. No default. Bounds: not 0.

  appId @1 :UInt64;
  # The application that runs the service. No default. Bounds: not 0.

  serviceId @2 :UInt64;
  # The service. No default. Bounds: not 0.

  port @3 :UInt16;
  # TCP port of the service. A server with port 0 listens on any free port, or on that of the listener that the process inherited. The log
  # and "appctl status" show it. A client needs a port, unless each of its addresses has one. Default: 0. Bounds: 0 to 65535. Example: 44228
}

struct X509KeyPair @0xf4dd73213f6e70a6 {
  # A certificate and its private key.

  key @0 :Data;
  # The private key, PEM. Secret. No default. Bounds: one key, the one of the certificate.
  # In JSON, give the name of a file, such as "@key.pem".

  cert @1 :Data;
  # The certificate, PEM, followed by the intermediate ones. No default. Bounds: at least one.
  # In JSON, give the name of a file, such as "@cert.pem".
}
