# The config of the metrics service.
#
# The node ids, the ordinals and the types are a contract with existing files. Extend a struct only at its end, and change nothing else.

@0xdb8274f9144abc7e;

struct MetricsServiceSpec @0xb9780f65d5146efb {
  # Config of the metrics service (0xe3054017c1b1d214): where it listens, and the metrics that exist from the start.

  httpPort @0 :UInt16 = 4444;
  # TCP port of the HTTP server with the metrics and the probes. Default: 4444. Bounds: 0 to 65535, where an explicit 0 means any free
  # port, or that of the listener that the process inherited. The log says which one.

  metricSpecs @1 :MetricSpecs;
  # Metrics to register before any service starts, so that code finds them by service and id. Default: none.

  bindAddress @2 :Text;
  # The IP address to listen on, such as 127.0.0.1 or ::1. Default: empty, which means every address of the machine.
  # Bounds: an IPv4 or IPv6 address; names are not resolved. Example: "127.0.0.1"

  maxSeriesPerVector @3 :UInt32 = 1000;
  # How many combinations of label values a vector keeps, in series. Further values go to one overflow series and are counted, so that a
  # label with endless values can't fill the memory. Default: 1000. Bounds: 1 or more.

  constantLabels @4 :List(Text);
  # The constant labels that every sample has. The metric build_info always has all five, so you can join the left out ones.
  # A random label such as instance makes new series at each start. Default: empty, which means all five.
  # Bounds: from "domain", "app", "svc", "release", "instance", each at most once. Example: ["domain", "app", "svc"]

  facadePrefixes @5 :List(Text);
  # How the names begin that dependencies record through the crate `metrics` and that scrapes show. Each name has at most
  # maxSeriesPerVector series, and there are at most 1000 names. Default: none, which records nothing and costs nothing.
  # Bounds: at least one character, at most 200 bytes, each at most once. Example: ["tokio_", "sqlx_"]

  facadeBuckets @6 :List(Float64);
  # Upper bounds of the ranges of the histograms that dependencies record, each included, in the unit of the metric.
  # Default: empty, which means 0.001 to 30 in 14 steps, for seconds. Bounds: finite, each above the one before, at most 256.
  # Example: [0.005, 0.05, 0.5]

  facadeIdleSeconds @7 :UInt32;
  # After how many seconds a recorded series that nobody records any more is removed from scrapes. A series whose handle the
  # dependency keeps stays. Default: 0, which means never. Bounds: none.
}

struct MetricSpecs @0x88542dcd70c6048b {
  # The metrics to register, by kind. Service id and metric id together name a metric. No two metrics may have the same pair.

  counterSpecs @0 :List(CounterMetricSpec);
  # Counters: values that only grow. Default: none.

  counterVectorSpecs @1 :List(CounterVectorMetricSpec);
  # Counters with labels. Default: none.

  gaugeSpecs @2 :List(GaugeMetricSpec);
  # Gauges: values that go up and down. Default: none.

  gaugeVectorSpecs @3 :List(GaugeVectorMetricSpec);
  # Gauges with labels. Default: none.

  histogramSpecs @4 :List(HistogramMetricSpec);
  # Histograms: how many values were in each range. Default: none.

  histogramVectorSpecs @5 :List(HistogramVectorMetricSpec);
  # Histograms with labels. Default: none.
}

struct CounterMetricSpec @0xfe237f35c45ecc97 {
  # A counter.

  serviceId @0 :UInt64;
  # The service of the metric. It is the first half of its name. No default. Bounds: not 0.

  metricId @1 :UInt64;
  # The id of the metric. It is the second half of its name. No default. Bounds: not 0.

  help @2 :Text;
  # What the metric counts, and its unit, for people. No default. Bounds: one line, not empty after trimming.
  # Example: "Requests, by outcome."
}

struct CounterVectorMetricSpec @0xdb34d9fcc1dffa24 {
  # A counter for each combination of label values.

  metricSpec @0 :CounterMetricSpec;
  # The ids and the help text of the counter. No default: required.

  labelNames @1 :List(Text);
  # Names of the labels, in the order in which the code passes their values. No default. Bounds: at least one; letters, digits and "_", no
  # digit first, no "__" first, none twice, and not domain, app, svc, release or instance, which every metric has.
  # Example: ["outcome"]

  maxSeries @2 :UInt32;
  # How many combinations of label values this vector keeps, in series. It also applies to code that registers the vector without a
  # limit. Default: 0, which means maxSeriesPerVector. Bounds: none.
}

struct GaugeMetricSpec @0xeebf043f542943d3 {
  # A gauge.

  serviceId @0 :UInt64;
  # The service of the metric. It is the first half of its name. No default. Bounds: not 0.

  metricId @1 :UInt64;
  # The id of the metric. It is the second half of its name. No default. Bounds: not 0.

  help @2 :Text;
  # What the metric counts, and its unit, for people. No default. Bounds: one line, not empty after trimming.
  # Example: "Requests, by outcome."
}

struct GaugeVectorMetricSpec @0xa2274ad761e6a999 {
  # A gauge for each combination of label values.

  metricSpec @0 :GaugeMetricSpec;
  # The ids and the help text of the gauge. No default: required.

  labelNames @1 :List(Text);
  # Names of the labels, in the order in which the code passes their values. No default. Bounds: those of a counter vector's label names.
  # Example: ["outcome"]

  maxSeries @2 :UInt32;
  # How many combinations of label values this vector keeps, in series. It also applies to code that registers the vector without a
  # limit. Default: 0, which means maxSeriesPerVector. Bounds: none.
}

struct HistogramMetricSpec @0x8e79552fdf96a8a7 {
  # A histogram.

  serviceId @0 :UInt64;
  # The service of the metric. It is the first half of its name. No default. Bounds: not 0.

  metricId @1 :UInt64;
  # The id of the metric. It is the second half of its name. No default. Bounds: not 0.

  help @2 :Text;
  # What the metric counts, and its unit, for people. No default. Bounds: one line, not empty after trimming.
  # Example: "Requests, by outcome."

  buckets @3 :List(Float64);
  # Upper bounds of the ranges, each included, in the unit of the metric. The range above the last one always exists. Do not list it.
  # No default. Bounds: at least one, finite, each above the one before. Example: [0.005, 0.05, 0.5]
}

struct HistogramVectorMetricSpec @0x8527f1eb82ceeb98 {
  # A histogram for each combination of label values.

  metricSpec @0 :HistogramMetricSpec;
  # The ids, the help text and the buckets of the histogram. No default: required.

  labelNames @1 :List(Text);
  # Names of the labels, in the order in which the code passes their values. No default. Bounds: those of a counter vector's label names,
  # and not "le", which is the histogram's own. Example: ["outcome"]

  maxSeries @2 :UInt32;
  # How many combinations of label values this vector keeps, in series. It also applies to code that registers the vector without a
  # limit. Default: 0, which means maxSeriesPerVector. Bounds: none.
}
