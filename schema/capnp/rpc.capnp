# What the configs of RPC servers and clients say.
#
# The node ids, the ordinals and the types are a contract with files that exist: extend a struct at its end, and change nothing else.

@0x99f3cbccce65aee8;

using Rust = import "rust.capnp";

struct RPCServerSpec @0xfc13c8456771ca68 $Rust.name("RpcServerSpec") {
  # Config of an RPC server. That of the application's own server is the config of service 0xe49214fa20b35ba8; without it no RPC server
  # runs.

  rpcServiceSpec @0 :RPCServiceSpec;
  # Who the server is, and its port. No default: it has to be given.

  serverCert @1 :X509KeyPair;
  # The certificate that the server shows, and its private key. Clients check that its name (DNS) is {domain}_{app}_{service}, in hex.
  # No default: it has to be given.

  caCert @2 :Data;
  # Certificates of the authorities whose clients are let in, PEM. No default. Bounds: at least one certificate.
  # In JSON best as the name of a file, such as "@ca.pem".

  maxConns @3 :UInt32;
  # How many connections may be open, in connections; those beyond are refused. Default: 0, which means 1024.

  bindAddress @4 :Text;
  # The IP address to listen on. Default: empty, which means every address of the machine. Example: "127.0.0.1"

  crl @5 :Data;
  # Revocation lists, PEM, one after another. Clients whose certificate is on one of them are refused; so is every client once a list is
  # past its "next update". Default: empty, which means that nothing is revoked. Bounds: if any, one of each authority that clients'
  # certificates come from, those between included. In JSON best as the name of a file, such as "@crl.pem".

  grants @6 :List(RPCGrant);
  # What clients may do, by the names in their certificates. Default: empty, which means that every client that is let in may read.
  # Bounds: no name twice.

  limits @7 :RPCLimits;
  # What one client may take. Default: the defaults of its fields.

  maxConnectionAgeSeconds @8 :UInt32 = 3600;
  # How long a connection may live before the client has to make a new one, in seconds: so long does a client that was let in stay in,
  # unless a reload revokes its certificate. Default: 3600, an hour. Bounds: 1 or more.

  threads @9 :UInt16;
  # How many threads serve connections, in threads. Default: 0, which means half as many as the machine has processors, at least one.
  # Bounds: 0 to 256.

  maxClientConns @10 :UInt32;
  # How many connections of one client may be open, in connections; those beyond are refused. A client is a certificate:
  # programs that share one count together. Default: 0, which means an eighth of "maxConns", at least 8.
}

struct RPCLimits @0xb0c5920e1f5892a0 $Rust.name("RpcLimits") {
  # What one connection may take of a server.

  maxMessageBytes @0 :UInt32 = 1048576;
  # The largest message, in bytes, of calls and of results. A connection that gets a larger one is closed. Default: 1048576, 1 MiB.
  # Bounds: 4096 to 268435456.

  maxCalls @1 :UInt32 = 1024;
  # How many calls of a connection may be in flight, in calls; those beyond are refused. A connection that has as many refusals
  # open is closed. Default: 1024. Bounds: 1 to 1048576.

  maxHeldBytes @2 :UInt32 = 8388608;
  # How many bytes the messages of all calls in flight may have together. While it is reached, further calls are refused.
  # Default: 8388608, 8 MiB. Bounds: 4096 or more.

  maxQueuedBytes @3 :UInt32 = 16777216;
  # How many bytes may wait to be written to a client that does not read. When it is reached, the connection is closed.
  # Default: 16777216, 16 MiB. Bounds: not below "maxMessageBytes".

  handshakeMillis @4 :UInt32 = 5000;
  # How long a client may take from connecting until the end of the TLS handshake, in milliseconds. Default: 5000. Bounds: 1 or more.

  stallMillis @5 :UInt32 = 10000;
  # How long a client may send nothing of a message that it has begun, or take nothing of what waits for it, in milliseconds.
  # Default: 10000. Bounds: 1 or more.

  idleSeconds @6 :UInt32 = 600;
  # How long a connection may be idle, without a message or a call in flight, in seconds; then it is closed. Default: 600. Bounds: 1 or
  # more.

  drainMillis @7 :UInt32 = 8000;
  # How long calls that run may go on once their connection is to end, because the server stops or the connection is too old, in
  # milliseconds. Default: 8000. Bounds: 0 to 8000, since a service has 10 seconds to stop.

  maxClientMemoryBytes @8 :UInt32;
  # How much memory all connections of one client may take together, in bytes, whatever the client sends. While it is reached, calls are
  # refused; a connection that needs more for something else is closed. Default: 0, which means 25165824, 24 MiB, or four times
  # "maxMessageBytes" if that is more. Bounds: 0, or at least four times "maxMessageBytes".

  maxMemoryBytes @9 :UInt32;
  # How much memory the connections of all clients may take together, in bytes. Default: 0, which means eight times what one client may
  # take. Bounds: 0, or at least what one client may take.
}

struct RPCGrant @0xc076dc748ae87068 $Rust.name("RpcGrant") {
  # What a client may do.

  name @0 :Text;
  # The client: a name (DNS) in its certificate. No default. Bounds: 1 to 255 bytes. Example: "deploy.example.com"

  role @1 :RPCRole;
  # What it may do. Default: read.
}

enum RPCRole @0xf58bd2cc08fa6a8f $Rust.name("RpcRole") {
  # What a client may do: each role may do what those before it may.

  read @0;
  # Look, and change nothing.

  operate @1;
  # Change how the application runs: levels, health checks, reloads.

  admin @2;
  # All there is, such as ending the application.
}

struct RPCClientSpec @0xbec6688394d29776 $Rust.name("RpcClientSpec") {
  # Config of an RPC client: whom it calls, and who it is.

  rpcServiceSpec @0 :RPCServiceSpec;
  # The server that is called, and its port. No default: it has to be given.

  clientCert @1 :X509KeyPair;
  # The certificate that the client shows, and its private key. No default: it has to be given.

  caCert @2 :Data;
  # Certificates of the authorities that the server's certificate may come from, PEM. No default. Bounds: at least one certificate.
  # In JSON best as the name of a file, such as "@ca.pem".

  addresses @3 :List(Text);
  # Where the server's instances are: host names, IP addresses, or either with a port, such as "10.0.0.7:44228" or "[::1]:44228". Of a
  # name every address is used. Default: empty, which means the host {domain}_{app}, in hex.

  crl @4 :Data;
  # Revocation lists, PEM, one after another. Servers whose certificate is on one of them are refused; so is every server once a list is
  # past its "next update". Default: empty, which means that nothing is revoked. Bounds: if any, one of each authority that servers'
  # certificates come from, those between included. In JSON best as the name of a file, such as "@crl.pem".

  maxConnections @5 :UInt16 = 8;
  # How many instances of the server are connected to, in connections; calls are spread over them. Default: 8. Bounds: 1 to 1024.

  callMillis @6 :UInt32 = 10000;
  # How long a call may take, in milliseconds, unless its caller says otherwise. Default: 10000. Bounds: 1 or more.

  connectMillis @7 :UInt32 = 5000;
  # How long connecting to an instance may take, TLS handshake included, in milliseconds. Default: 5000. Bounds: 1 or more.

  maxConnectionAgeSeconds @8 :UInt32 = 1800;
  # How long a connection is used before a new one takes its place, in seconds. Default: 1800, half of the server's. Bounds: 1 or more.

  maxMessageBytes @9 :UInt32 = 1048576;
  # The largest message that is accepted from the server, in bytes. Default: 1048576, 1 MiB. Bounds: 4096 to 268435456.
}

struct RPCServiceSpec @0xb6e32df5c504ebf2 $Rust.name("RpcServiceSpec") {
  # Names an RPC service in the network. Its host is called {domain}_{app}, in hex.

  domainID @0 :UInt64 $Rust.name("domainId");
  # The domain that the application belongs to. No default. Bounds: not 0.

  appId @1 :UInt64;
  # The application that runs the service. No default. Bounds: not 0.

  serviceId @2 :UInt64;
  # The service. No default. Bounds: not 0.

  port @3 :UInt16;
  # TCP port of the service. No default. Bounds: 1 to 65535. Example: 44228
}

struct X509KeyPair @0xf4dd73213f6e70a6 {
  # A certificate and its private key.

  key @0 :Data;
  # The private key, PEM. Secret. No default. Bounds: one key, and the one that the certificate was made for.
  # In JSON best as the name of a file, such as "@key.pem".

  cert @1 :Data;
  # The certificate, PEM: its own first, then those between it and the authority. No default. Bounds: at least one.
  # In JSON best as the name of a file, such as "@cert.pem".
}
