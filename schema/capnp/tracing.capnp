# The config of tracing: where spans go, and which spans.
#
# The node ids, the ordinals and the types are a contract with existing files. Extend a struct only at its end, and change nothing else.

@0xd5cb1e911765aeda;

using Rust = import "rust.capnp";
using RPC = import "rpc.capnp";

struct TracingSpec @0x89acabf9b2404e38 {
  # Config of the tracing service. A field that has its default is silent: OpenTelemetry's variables of the environment count for it.
  # Without an endpoint, here or in the environment, nothing is exported.

  endpoint @0 :Text;
  # The base URL of the collector, such as "http://collector:4318". "/v1/traces" is added. Default: empty, which means the variables
  # OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT. Bounds: http or https, at most 2048 bytes, no user, password,
  # query or fragment.

  headers @1 :List(Header);
  # Headers of each request to the collector, such as a token. Their values are secrets. Default: empty, which means
  # OTEL_EXPORTER_OTLP_TRACES_HEADERS or OTEL_EXPORTER_OTLP_HEADERS. Bounds: at most 32, no name twice, none that the exporter sets.

  caCert @2 :Data;
  # Certificates of the authorities that the collector's certificate may come from, PEM. Default: empty, which means
  # OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE or OTEL_EXPORTER_OTLP_CERTIFICATE. Without either, nothing is exported to an endpoint with
  # https: the authorities of the system are not trusted.
  # In JSON, give the name of a file, such as "@ca.pem".

  clientCert @3 :RPC.X509KeyPair;
  # The certificate that the exporter shows, and its private key. Default: none, which means the variables .._CLIENT_CERTIFICATE and
  # .._CLIENT_KEY. Bounds: only for an endpoint with https.

  ratio @4 :Float64 = 1.0;
  # The part of new traces that is sampled, by the trace id as OpenTelemetry's samplers do. Default: 1, which means
  # OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG, or all. Bounds: 0 to 1.

  queueSpans @5 :UInt32 = 8192;
  # How many ended spans may wait to be exported, in spans. Further ones are dropped and counted. Default: 8192. Bounds: 512 to 1048576.

  timeoutMillis @6 :UInt32 = 10000;
  # How long one request to the collector may take, in milliseconds. Default: 10000, which means OTEL_EXPORTER_OTLP_TRACES_TIMEOUT,
  # OTEL_EXPORTER_OTLP_TIMEOUT, or ten seconds. Bounds: 1 to 600000.

  attributes @7 :List(Header);
  # Attributes of the resource, in addition to those of the application, such as "deployment.environment.name". They replace those of
  # OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME. Default: empty. Bounds: at most 64, no name twice.

  filter @8 :Text;
  # Which spans are exported, by level and target: "info,sqlx=warn,shop::orders=debug". The longest target that matches counts.
  # Default: empty, which means "info". Bounds: levels are off, error, warn, info, debug and trace; at most 64 entries.
}

struct Header @0x927b85768f2a22ea {
  # A name with its value.

  name @0 :Text;
  # The name. No default: required. Bounds: of a header: letters, digits and !#$%&'*+-.^_`|~, at most 256 bytes.

  value @1 :Text;
  # The value. Default: empty. Bounds: of a header: visible ASCII characters, spaces and tabs, at most 4096 bytes.
}
