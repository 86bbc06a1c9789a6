//! The table at the end.

/// The crates that are compared.
pub(crate) const WHO: [&str; 4] = ["app-metrics", "prometheus-client", "prometheus", "metrics"];

/// A line of the table.
pub(crate) struct Line {
    pub(crate) work: String,
    pub(crate) unit: &'static str,
    /// The times of each crate, by round.
    pub(crate) rounds: Vec<Round>,
    pub(crate) target: Option<Target>,
}

/// In the order of [`WHO`]. `None` for a crate that does no such work, and for a round that does not count.
pub(crate) type Round = [Option<f64>; WHO.len()];

/// Upper bound of our time relative to that of a peer.
pub(crate) struct Target {
    pub(crate) ratio: f64,
    /// One of [`WHO`]; `None` for the fastest peer.
    pub(crate) of: Option<usize>,
}

impl Line {
    pub(crate) fn medians(&self) -> Round {
        std::array::from_fn(|who| median(self.rounds.iter().filter_map(|round| round[who]).collect()))
    }

    /// The median of our time relative to that of the peer, round by round. A processor that is slow for a while is
    /// slow for both.
    fn ratio(&self) -> Option<f64> {
        let medians = self.medians();
        let by_time = |a: &usize, b: &usize| {
            medians[*a].unwrap_or(f64::MAX).total_cmp(&medians[*b].unwrap_or(f64::MAX))
        };
        let peer =
            self.target.as_ref().and_then(|target| target.of).or_else(|| (1..WHO.len()).min_by(by_time))?;
        median(self.rounds.iter().filter_map(|round| Some(round[0]? / round[peer]?)).collect())
    }
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

pub(crate) fn print(lines: &[Line]) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("\nLoad of the machine: {}", load.trim());
    println!(
        "Medians; lower is better. The ratio is that to the best peer, or to the one named, in the same round.\n"
    );
    println!("| work | {} | ratio | target | |", WHO.join(" | "));
    println!("|---|{}---|---|---|", "--:|".repeat(WHO.len()));
    for line in lines {
        let figures = line.medians().map(|figure| match figure {
            Some(figure) if figure < 10.0 => format!("{figure:.2} {}", line.unit),
            Some(figure) => format!("{figure:.1} {}", line.unit),
            None => "-".to_owned(),
        });
        let ratio = line.ratio();
        let (target, verdict) = match (&line.target, ratio) {
            (Some(target), Some(ratio)) => {
                let of = target.of.map(|index| format!(" of {}", WHO[index])).unwrap_or_default();
                (format!("<= {}{of}", target.ratio), if ratio <= target.ratio { "met" } else { "MISSED" })
            }
            _ => (String::new(), ""),
        };
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        println!("| {} | {} | {ratio} | {target} | {verdict} |", line.work, figures.join(" | "));
    }
}
