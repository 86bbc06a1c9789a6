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
  # How many connections may be open, in connections; those beyond are refused. Default: 0, which means the server's own choice.
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
