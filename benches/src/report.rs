//! Rows: the figures of all candidates for one piece of work, and the targets for ours.

use serde::{Deserialize, Serialize};

/// A piece of work, and the figures of all candidates.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) unit: String,
    pub(crate) better: Better,
    /// The figures. The first one is ours.
    pub(crate) figures: Vec<Figure>,
    pub(crate) targets: Vec<Target>,
}

/// Which of two figures is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Better {
    /// Costs: lower is better.
    Lower,
    /// Throughput: higher is better.
    Higher,
}

/// The measurements of one candidate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) who: String,
    /// The value of each round, in the same order for all candidates. `None` for a round that does not count.
    pub(crate) rounds: Vec<Option<f64>>,
    /// Why there are no more rounds.
    pub(crate) failed: Option<String>,
}

/// The bound for our figure: the most if lower is better, otherwise the least.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) bound: f64,
    pub(crate) of: Of,
}

/// The unit of a bound.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Of {
    /// The unit of the row.
    Unit,
    /// The figure of the best of these candidates in the same round.
    BestOf(Vec<String>),
}

/// The median and the quartiles of some figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

/// The result of a target.
pub(crate) struct Verdict {
    /// The candidate that ours was compared with. `None` for a target in the unit of the row.
    pub(crate) peer: Option<usize>,
    pub(crate) met: bool,
    /// The bound lies between the quartiles, so the run does not tell.
    pub(crate) even: bool,
}

impl Row {
    pub(crate) fn new(work: impl Into<String>, unit: &str, figures: Vec<Figure>) -> Self {
        Self { work: work.into(), unit: unit.to_owned(), better: Better::Lower, figures, targets: Vec::new() }
    }

    /// Says that higher is better, as for calls a second.
    #[must_use]
    pub(crate) fn higher_is_better(mut self) -> Self {
        self.better = Better::Higher;
        self
    }

    /// Adds a bound in the unit of the row.
    #[must_use]
    pub(crate) fn target(mut self, bound: f64) -> Self {
        self.targets.push(Target { bound, of: Of::Unit });
        self
    }

    /// Adds a bound relative to the best of these peers.
    #[must_use]
    pub(crate) fn target_of(mut self, bound: f64, peers: &[&str]) -> Self {
        let peers = peers.iter().map(|peer| (*peer).to_owned()).collect();
        self.targets.push(Target { bound, of: Of::BestOf(peers) });
        self
    }

    /// Our figure as a multiple of another candidate's figure: the median of the ratios of all rounds. If the machine is slow for a
    /// while, it is slow for both.
    pub(crate) fn ratio(&self, peer: usize) -> Option<Spread> {
        let ours = &self.figures.first()?.rounds;
        let theirs = &self.figures.get(peer)?.rounds;
        Spread::of(ours.iter().zip(theirs).filter_map(|(ours, theirs)| Some((*ours)? / (*theirs)?)).collect())
    }

    /// `None` if a figure is missing.
    pub(crate) fn verdict(&self, target: &Target) -> Option<Verdict> {
        let (peer, Spread { low, median, high }) = match &target.of {
            Of::Unit => (None, self.figures.first()?.spread()?),
            Of::BestOf(peers) => {
                let peer = self.best(peers)?;
                (Some(peer), self.ratio(peer)?)
            }
        };
        let met = match self.better {
            Better::Lower => median <= target.bound,
            Better::Higher => median >= target.bound,
        };
        Some(Verdict { peer, met, even: (low..=high).contains(&target.bound) })
    }

    fn best(&self, among: &[String]) -> Option<usize> {
        let medians = self.figures.iter().enumerate().skip(1).filter_map(|(at, figure)| {
            let median = figure.spread()?.median;
            among.contains(&figure.who).then_some((at, median))
        });
        let by_median = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1);
        let best = match self.better {
            Better::Lower => medians.min_by(by_median),
            Better::Higher => medians.max_by(by_median),
        };
        best.map(|(at, _)| at)
    }
}

impl Figure {
    pub(crate) fn new(who: &str) -> Self {
        Self { who: who.to_owned(), rounds: Vec::new(), failed: None }
    }

    pub(crate) fn spread(&self) -> Option<Spread> {
        Spread::of(self.rounds.iter().copied().flatten().collect())
    }
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        let at = |quarter: usize| figures.get(figures.len().saturating_sub(1) * quarter / 4).copied();
        Some(Self { low: at(1)?, median: at(2)?, high: at(3)? })
    }
}
