//! The table at the end.

/// Who is compared.
pub(crate) const WHO: [&str; 4] = ["app-metrics", "prometheus-client", "prometheus", "metrics"];

/// A line of the table.
pub(crate) struct Line {
    pub(crate) work: String,
    pub(crate) unit: &'static str,
    /// In the order of [`WHO`]; `None` for who does no such work.
    pub(crate) figures: [Option<f64>; 4],
    pub(crate) target: Option<Target>,
}

/// At most so many times what a peer takes.
pub(crate) struct Target {
    pub(crate) ratio: f64,
    /// One of [`WHO`]; `None` is whoever is best.
    pub(crate) of: Option<usize>,
}

impl Line {
    fn ratio(&self) -> Option<f64> {
        let [own, peers @ ..] = self.figures;
        let best = || peers.iter().flatten().copied().reduce(f64::min);
        let peer = match self.target.as_ref().and_then(|target| target.of) {
            Some(index) => self.figures[index],
            None => best(),
        };
        Some(own? / peer?)
    }
}

pub(crate) fn print(lines: &[Line]) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("\nLoad of the machine: {}", load.trim());
    println!("Medians; lower is better. The ratio is that to the best peer, or to the one named.\n");
    println!("| work | {} | ratio | target | |", WHO.join(" | "));
    println!("|---|{}---|---|---|", "--:|".repeat(WHO.len()));
    for line in lines {
        let figures = line.figures.map(|figure| match figure {
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
