//! Writes rows as tables for people.

use std::fmt::Write;

use crate::report::{Better, Figure, Of, Row, Spread, Target, Verdict};

/// The rows of a group.
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) rows: Vec<Row>,
    /// Why there are no more rows.
    pub(crate) failed: Option<String>,
}

/// The tables of all groups.
pub(crate) fn sections(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        let _ = write!(
            text,
            "\n## {}\n\n| work | who | median | quartiles | ours to it | quartiles | target | |\n|---|---|--:|--:|--:|--:|---|---|\n",
            section.name
        );
        section.rows.iter().for_each(|row| lines(&mut text, row));
        if let Some(failed) = &section.failed {
            let _ = writeln!(text, "\nNOT COMPLETE: {failed}.");
        }
    }
    text
}

/// One line for each candidate.
fn lines(text: &mut String, row: &Row) {
    for (at, figure) in row.figures.iter().enumerate() {
        let work = if at == 0 { row.work.as_str() } else { "" };
        let ratio = if at == 0 { None } else { row.ratio(at) };
        let (targets, verdicts) = judged(row, at);
        let _ = writeln!(
            text,
            "| {work} | {} | {} | {} | {targets} | {verdicts} |",
            who(figure, at),
            measured(figure.spread(), &row.unit, figure.failed.as_deref()),
            measured(ratio, "", None),
        );
    }
}

fn who(figure: &Figure, at: usize) -> String {
    if at == 0 { format!("**{}**", figure.who) } else { figure.who.clone() }
}

/// Two cells: the median and the quartiles, or the reason why there are none.
fn measured(spread: Option<Spread>, unit: &str, failed: Option<&str>) -> String {
    if let Some(failed) = failed {
        return format!("FAILED: {} |", failed.replace(['|', '\n'], " "));
    }
    let Some(Spread { low, median, high }) = spread else { return " |".to_owned() };
    let space = if unit.is_empty() { "" } else { " " };
    format!("{}{space}{unit} | {} - {}", short(median), short(low), short(high))
}

/// Two cells: the targets that refer to this figure, and their results.
fn judged(row: &Row, at: usize) -> (String, String) {
    let (mut targets, mut verdicts) = (Vec::new(), Vec::new());
    for target in &row.targets {
        match row.verdict(target) {
            Some(verdict) if verdict.peer.unwrap_or(0) == at => {
                targets.push(bound(row, target));
                verdicts.push(match verdict {
                    Verdict { met: true, .. } => "met",
                    Verdict { even: true, .. } => "MISSED, but within the quartiles",
                    Verdict { .. } => "MISSED",
                });
            }
            None if at == 0 => {
                targets.push(bound(row, target));
                verdicts.push("NOT MEASURED");
            }
            _ => {}
        }
    }
    (targets.join("; "), verdicts.join("; "))
}

fn bound(row: &Row, target: &Target) -> String {
    let sign = match row.better {
        Better::Lower => "<=",
        Better::Higher => ">=",
    };
    let of = match &target.of {
        Of::Unit => format!(" {}", row.unit),
        Of::BestOf(peers) if peers.len() > 1 => " of the best".to_owned(),
        Of::BestOf(_) => String::new(),
    };
    format!("{sign} {}{of}", short(target.bound))
}

/// Three significant digits, and at least the whole number.
fn short(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.1 => format!("{figure:.3}"),
        size if size < 10.0 => format!("{figure:.2}"),
        size if size < 100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}
