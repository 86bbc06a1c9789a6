//! The walk of a scrape over all metrics, in slices.

use super::format::{Announced, type_word};
use super::line::{self, Sample, SeriesNames};
use super::{Format, ProcessMetrics};
use crate::family::Instrument;
use crate::included::{ForeignFamily, Part};
use crate::names::{Names, TOTAL};
use crate::registry::{Family, Snapshot};
use crate::vector::{Metric, Vector};
use std::sync::Arc;

/// A scrape: writes each family once, with its help, its type and its series, and then the metrics of the process.
///
/// The families are those of the snapshot. Values, and the series of vectors, are those at the time of writing. A
/// series that exists from the first slice to the last is written exactly once.
#[derive(Debug)]
pub(crate) struct Scrape {
    format: Format,
    names: Names,
    snapshot: Arc<Snapshot>,
    process: ProcessMetrics,
    /// The next family, or the family that was begun.
    family: usize,
    /// The place in that family; `None` before its first line.
    place: Option<usize>,
    /// The metrics of other libraries, which come last.
    foreign: Vec<ForeignFamily>,
    /// The next of them, and the next series of it.
    foreign_place: (usize, usize),
    process_written: bool,
    /// Scratch memory for the buckets of one histogram.
    buckets: Vec<(f64, u64)>,
}

/// Whether a slice was the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    Done,
}

impl Scrape {
    pub(crate) fn new(
        format: Format,
        names: Names,
        snapshot: Arc<Snapshot>,
        process: ProcessMetrics,
    ) -> Self {
        Self {
            format,
            names,
            snapshot,
            process,
            family: 0,
            place: None,
            foreign: Vec::new(),
            foreign_place: (0, 0),
            process_written: false,
            buckets: Vec::new(),
        }
    }

    /// Adds the metrics of other libraries.
    pub(crate) fn with_foreign(mut self, families: Vec<ForeignFamily>) -> Self {
        self.foreign = families;
        self
    }

    /// Appends text until `out` has at least `bytes`. It exceeds that by less than the head of a family and one series.
    /// Do not call it again after [`Progress::Done`].
    pub(crate) fn write(&mut self, out: &mut String, bytes: usize) -> Progress {
        let snapshot = Arc::clone(&self.snapshot);
        while let Some(family) = snapshot.families.get(self.family) {
            if self.family(family, out, bytes) == Progress::Done {
                self.family += 1;
                self.place = None;
            }
            if out.len() >= bytes {
                return Progress::More;
            }
        }
        if !self.process_written {
            self.process(out);
            self.process_written = true;
        }
        if self.foreign(out, bytes) == Progress::More {
            return Progress::More;
        }
        out.push_str(self.format.end());
        Progress::Done
    }

    fn foreign(&mut self, out: &mut String, bytes: usize) -> Progress {
        while let Some(family) = self.foreign.get(self.foreign_place.0) {
            if self.foreign_place.1 == 0 {
                let kind = match self.format {
                    Format::Text => family.kind.text(),
                    Format::OpenMetrics => family.kind.open_metrics(),
                };
                let (base, suffix, help) = (&family.base, family.kind.suffix(), &family.help);
                self.format.announce(
                    out,
                    &Announced { base, suffix, help, plain_help: false, kind, unit: &family.unit },
                );
            }
            let exemplars = self.format == Format::OpenMetrics;
            while let Some(series) = family.series.get(self.foreign_place.1) {
                for sample in &series.samples {
                    // OpenMetrics allows no sum that can go down, and no count without a sum.
                    if exemplars && series.without_sum && matches!(sample.part, Part::Sum | Part::Count) {
                        continue;
                    }
                    line::foreign(out, family, &series.labels, sample, exemplars);
                }
                self.foreign_place.1 += 1;
                if out.len() >= bytes {
                    return Progress::More;
                }
            }
            self.foreign_place = (self.foreign_place.0 + 1, 0);
        }
        Progress::Done
    }

    fn family(&mut self, family: &Family, out: &mut String, bytes: usize) -> Progress {
        if self.place.is_none() {
            self.announce(family, out);
        }
        let place = *self.place.get_or_insert(0);
        match &family.instrument {
            Instrument::Counter(counter) => self.single(family, counter.metric(), out),
            Instrument::Gauge(gauge) => self.single(family, gauge.metric(), out),
            Instrument::Histogram(histogram) => self.single(family, histogram.metric(), out),
            Instrument::CounterVector(vector) => self.several(family, vector.metric(), place, out, bytes),
            Instrument::GaugeVector(vector) => self.several(family, vector.metric(), place, out, bytes),
            Instrument::HistogramVector(vector) => self.several(family, vector.metric(), place, out, bytes),
        }
    }

    fn single<M: Sample>(&mut self, family: &Family, metric: &M, out: &mut String) -> Progress {
        metric.write(&self.series(family, &[], &[]), out, &mut self.buckets);
        Progress::Done
    }

    fn several<M: Metric + Sample>(
        &mut self,
        family: &Family,
        vector: &Vector<M>,
        place: usize,
        out: &mut String,
        bytes: usize,
    ) -> Progress {
        for (next, series) in vector.series_from(place) {
            let lines = self.series(family, vector.labels(), &series.values);
            series.metric.write(&lines, out, &mut self.buckets);
            if out.len() >= bytes {
                self.place = Some(next);
                return Progress::More;
            }
        }
        Progress::Done
    }

    fn series<'a>(&self, family: &'a Family, names: &'a [String], values: &'a [Box<str>]) -> SeriesNames<'a> {
        let counter_suffix = self.format.counter_suffix(self.names);
        let (format, name, constant) = (self.format, family.base(self.names), &*family.label_text);
        SeriesNames { format, name, counter_suffix, constant, names, values }
    }

    fn announce(&self, family: &Family, out: &mut String) {
        let kind = family.instrument.kind();
        let suffix = if kind.is_counter() { self.format.counter_suffix(self.names) } else { "" };
        let announced = Announced {
            base: family.base(self.names),
            suffix,
            help: family.help(self.names),
            plain_help: family.has_plain_help(),
            kind: type_word(kind),
            unit: family.unit(self.names),
        };
        self.format.announce(out, &announced);
    }

    fn process(&self, out: &mut String) {
        for sample in &self.process.samples {
            let (kind, suffix) = if sample.counter { ("counter", TOTAL) } else { ("gauge", "") };
            let base = sample.name.strip_suffix(suffix).unwrap_or(sample.name);
            let announced = Announced { base, suffix, help: sample.help, plain_help: true, kind, unit: "" };
            self.format.announce(out, &announced);
            out.extend([sample.name, "{", &self.process.labels, "} "]);
            crate::written::number(out, sample.value);
            out.push('\n');
        }
    }
}
