//! "Did you mean": the name that the author probably meant.

/// Names longer than this are not compared.
const MAX_CHARS: usize = 64;

/// The most similar candidate, if one is similar: equal except for case, `_` and `-`, or with few wrong letters.
pub(super) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let name = plain(name)?;
    let allowed = (name.len() / 3).clamp(1, 4);
    let scored = candidates.into_iter().filter_map(|candidate| {
        let distance = distance(&name, &plain(candidate)?);
        (distance <= allowed).then_some((distance, candidate))
    });
    // Of equally similar ones, the first in the schema.
    scored.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

fn plain(name: &str) -> Option<Vec<char>> {
    let mut letters = name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase);
    let plain: Vec<_> = letters.by_ref().take(MAX_CHARS).collect();
    (!plain.is_empty() && letters.next().is_none()).then_some(plain)
}

/// How many letters must be inserted, removed, replaced, or swapped with the next one.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, right) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(left != right);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *right && *left == b[j - 1] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similar_name_is_found() {
        let fields = ["httpPort", "metricSpecs", "bindAddress", "maxSeriesPerVector"];
        let near = |name| nearest(name, fields);
        assert_eq!(near("http_port"), Some("httpPort"));
        assert_eq!(near("HTTPPort"), Some("httpPort"));
        assert_eq!(near("metricSpec"), Some("metricSpecs"));
        assert_eq!(near("bindAdress"), Some("bindAddress"));
        assert_eq!(near("htptPort"), Some("httpPort"));
        assert_eq!(near("port"), None);
        assert_eq!(near(""), None);
        assert_eq!(near(&"httpPort".repeat(1000)), None);
    }

    #[test]
    fn of_several_names_the_nearest_is_found() {
        assert_eq!(nearest("gaugeSpecz", ["gaugeVectorSpecs", "gaugeSpecs"]), Some("gaugeSpecs"));
        assert_eq!(nearest("ab", ["ac", "ad"]), Some("ac"));
    }
}
