# What the config of the metrics service says.
#
# The node ids, the ordinals and the types are a contract with files that exist: extend a struct at its end, and change nothing else.

@0xdb8274f9144abc7e;

struct MetricsServiceSpec @0xb9780f65d5146efb {
  # Config of the metrics service (0xe3054017c1b1d214): where it listens, and the metrics that exist from the start.

  httpPort @0 :UInt16 = 4444;
  # TCP port of the HTTP server with the metrics and the probes. Default: 4444. Bounds: 0 to 65535, where an explicit 0 means any free
  # port; the log says which.

  metricSpecs @1 :MetricSpecs;
  # Metrics to register before any service starts, so that code finds them by service and id. Default: none.

  bindAddress @2 :Text;
  # The IP address to listen on, such as 127.0.0.1 or ::1. Default: empty, which means every address of the machine.
  # Bounds: an IPv4 or IPv6 address; names are not resolved. Example: "127.0.0.1"

  maxSeriesPerVector @3 :UInt32 = 1000;
  # How many combinations of label values one vector keeps, in series. Beyond that, values go to a single overflow series and are
  # counted, so that a label with endless values can't fill the memory. Default: 1000. Bounds: 1 or more.

  constantLabels @4 :List(Text);
  # The constant labels that every sample carries. The metric build_info has all five, so that the others can be joined.
  # A random label such as instance makes every series anew at each start. Default: empty, which means all five.
  # Bounds: of "domain", "app", "svc", "release", "instance", each at most once. Example: ["domain", "app", "svc"]
}

struct MetricSpecs @0x88542dcd70c6048b {
  # The metrics to register, by kind. Service and metric id together name a metric; no two metrics may share both.

  counterSpecs @0 :List(CounterMetricSpec);
  # Counters: values that only grow. Default: none.

  counterVectorSpecs @1 :List(CounterVectorMetricSpec);
  # Counters with labels. Default: none.

  gaugeSpecs @2 :List(GaugeMetricSpec);
  # Gauges: values that go up and down. Default: none.

  gaugeVectorSpecs @3 :List(GaugeVectorMetricSpec);
  # Gauges with labels. Default: none.

  histogramSpecs @4 :List(HistogramMetricSpec);
  # Histograms: how often a value fell into which range. Default: none.

  histogramVectorSpecs @5 :List(HistogramVectorMetricSpec);
  # Histograms with labels. Default: none.
}

struct CounterMetricSpec @0xfe237f35c45ecc97 {
  # A counter.

  serviceId @0 :UInt64;
  # The service that the metric belongs to; the first half of its name. No default. Bounds: not 0.

  metricId @1 :UInt64;
  # The id of the metric; the second half of its name. No default. Bounds: not 0.

  help @2 :Text;
  # What the metric says, and its unit, for people. No default. Bounds: one line, not empty once blanks at both ends are cut.
  # Example: "Requests, by outcome."
}

struct CounterVectorMetricSpec @0xdb34d9fcc1dffa24 {
  # A counter for each combination of label values.

  metricSpec @0 :CounterMetricSpec;
  # Names and explains the counter. No default: it has to be given.

  labelNames @1 :List(Text);
  # Names of the labels, in the order in which code gives their values. No default. Bounds: at least one; letters, digits and "_", no
  # digit first, no "__" first, none twice, and not domain, app, svc, release or instance, which every metric has.
  # Example: ["outcome"]

  maxSeries @2 :UInt32;
  # How many combinations of label values this vector keeps, in series; also for the code that registers it and does not say how many.
  # Default: 0, which means maxSeriesPerVector. Bounds: none.
}

struct GaugeMetricSpec @0xeebf043f542943d3 {
  # A gauge.

  serviceId @0 :UInt64;
  # The service that the metric belongs to; the first half of its name. No default. Bounds: not 0.

  metricId @1 :UInt64;
  # The id of the metric; the second half of its name. No default. Bounds: not 0.

  help @2 :Text;
  # What the metric says, and its unit, for people. No default. Bounds: one line, not empty once blanks at both ends are cut.
  # Example: "Requests, by outcome."
}

struct GaugeVectorMetricSpec @0xa2274ad761e6a999 {
  # A gauge for each combination of label values.

  metricSpec @0 :GaugeMetricSpec;
  # Names and explains the gauge. No default: it has to be given.

  labelNames @1 :List(Text);
  # Names of the labels, in the order in which code gives their values. No default. Bounds: those of a counter vector's label names.
  # Example: ["outcome"]

  maxSeries @2 :UInt32;
  # How many combinations of label values this vector keeps, in series; also for the code that registers it and does not say how many.
  # Default: 0, which means maxSeriesPerVector. Bounds: none.
}

struct HistogramMetricSpec @0x8e79552fdf96a8a7 {
  # A histogram.

  serviceId @0 :UInt64;
  # The service that the metric belongs to; the first half of its name. No default. Bounds: not 0.

  metricId @1 :UInt64;
  # The id of the metric; the second half of its name. No default. Bounds: not 0.

  help @2 :Text;
  # What the metric says, and its unit, for people. No default. Bounds: one line, not empty once blanks at both ends are cut.
  # Example: "Requests, by outcome."

  buckets @3 :List(Float64);
  # Upper bounds of the ranges, each included, in the metric's own unit. The range above the last one is always there and not listed.
  # No default. Bounds: at least one, finite, each above the one before. Example: [0.005, 0.05, 0.5]
}

struct HistogramVectorMetricSpec @0x8527f1eb82ceeb98 {
  # A histogram for each combination of label values.

  metricSpec @0 :HistogramMetricSpec;
  # Names and explains the histogram, and gives its buckets. No default: it has to be given.

  labelNames @1 :List(Text);
  # Names of the labels, in the order in which code gives their values. No default. Bounds: those of a counter vector's label names,
  # and not "le", which is the histogram's own. Example: ["outcome"]

  maxSeries @2 :UInt32;
  # How many combinations of label values this vector keeps, in series; also for the code that registers it and does not say how many.
  # Default: 0, which means maxSeriesPerVector. Bounds: none.
}
