# The config of messaging: the servers, what may be sent, and the streams.
#
# The node ids, the ordinals and the types are a contract with existing files. Extend a struct only at its end, and change nothing else.

@0xbf8f5d580cca8dd4;

using Rust = import "rust.capnp";
using RPC = import "rpc.capnp";

struct MessagingSpec @0xdee897c426e53517 {
  # Config of the messaging service. Without a config, messages stay inside of the process, and nothing is stored unless the domain is 0.

  servers @0 :List(Text);
  # The NATS servers of one cluster, each "nats://host:port" or "tls://host:port". The port may be left out; it is 4222 then.
  # No default: required, unless "inProcess" is set. Bounds: at most 64, no server twice, no user or password in the address.

  credentials @1 :Data;
  # The content of a credentials file (.creds): a user's JWT and the seed of its key. Secret. Default: empty, which means none.
  # In JSON, give the name of a file, such as "@app.creds".

  nkeySeed @2 :Data;
  # The seed of a user's nkey: 58 characters that begin with SU. Secret. Default: empty, which means none.
  # In JSON, give the name of a file, such as "@user.nk".

  user @3 :Text;
  # The name of a user. Default: empty, which means none. Bounds: only together with "password".

  password @4 :Text;
  # The password of the user. Secret. Default: empty, which means none. Bounds: only together with "user".

  token @5 :Text;
  # A token that the servers accept. Secret. Default: empty, which means none.

  caCert @6 :Data;
  # Certificates of the authorities that a server's certificate may come from, PEM. With it, every connection uses TLS.
  # Default: empty. Bounds: required for a server with "tls://", and for "clientCert" and "tlsFirst".
  # In JSON, give the name of a file, such as "@ca.pem".

  clientCert @7 :RPC.X509KeyPair;
  # The certificate that the client shows, and its private key. Default: none.

  tlsFirst @8 :Bool;
  # Whether TLS begins before the server says anything. The servers must be configured for it too (2.10.4 or newer). Default: false.

  connectMillis @9 :UInt32 = 5000;
  # How long connecting to a server may take, in milliseconds. Default: 5000. Bounds: 1 to 600000.

  sendMillis @10 :UInt32 = 5000;
  # How long a message may take to be stored, an ask to be answered, or an acknowledgement to be confirmed, in milliseconds.
  # Default: 5000. Bounds: 1 to 600000.

  maxMessageBytes @11 :UInt32 = 262144;
  # The largest payload, packed, in bytes. Unpacked it may have eight times that. Default: 262144, 256 KiB. Bounds: 1024 to 67108864.

  maxWaitingAcks @12 :UInt16 = 1024;
  # How many messages may wait for the acknowledgement of their stream, in messages. Further ones wait, until their deadline.
  # Default: 1024. Bounds: 1 or more.

  required @13 :Bool;
  # Whether the application is not ready while no server can be reached. Default: false, which means that it runs on and says so.

  provision @14 :Provision;
  # Who makes streams and consumers. Default: ensure.

  streams @15 :List(StreamOverride);
  # Settings of streams, in place of those that their services declare. Default: empty. Bounds: no stream twice.

  publishServices @16 :Bool = true;
  # Whether every instance answers requests of NATS' services protocol, so that others can find it. Default: true.

  inProcess @17 :Bool;
  # Whether messages stay inside of the process: in memory, within limits, gone with the process. Default: false.
  # Bounds: not together with "servers".

  inboxPrefix @18 :Text;
  # What the subjects of answers begin with, for accounts that may use only some. Default: empty, which means "_INBOX".
  # Bounds: tokens of letters, digits, "_" and "-", separated by dots; at most 128 bytes.

  domain @19 :Text;
  # The JetStream domain of the streams, for leaf nodes. Default: empty, which means the domain of the server.
  # Bounds: letters, digits, "_" and "-"; at most 64 bytes.
}

enum Provision @0x8ea64045743dda61 {
  # Who makes streams and consumers.

  ensure @0;
  # The services make what is missing, and extend what is there. They never shrink and never delete.

  verify @1;
  # The services only compare. Someone else makes streams and consumers.
}

enum Storage @0xcc3301ff6deec050 {
  # Where a stream keeps its messages.

  asDeclared @0;
  # Where the service says: in files, by default.

  file @1;
  # In files.

  memory @2;
  # In memory. Messages are lost when the servers that have them stop.
}

struct StreamOverride @0xce12a40b70ebb3a0 {
  # Settings of one stream. A setting that is 0 is the one that the service declares.

  id @0 :UInt64;
  # The id of the stream. No default: required. Example: "0x70f6f9367f3d6cd2"

  replicas @1 :UInt8;
  # How many servers keep a copy. Default: 0, as declared: three in a cluster, else one. Bounds: 0, 1, 3 or 5.

  storage @2 :Storage;
  # Where the stream keeps its messages. Default: asDeclared.

  maxAgeSeconds @3 :UInt32;
  # How long a message is kept, in seconds. Default: 0, as declared.

  maxBytes @4 :UInt64;
  # How many bytes the stream may have. The oldest messages go first. Default: 0, as declared.

  duplicateWindowSeconds @5 :UInt32;
  # How long ids of messages are remembered, in seconds, so that one that is sent again is not stored again.
  # Default: 0, as declared. Bounds: 0, or at least twice "sendMillis", and not above the age.
}
