//! Looks up a service or a health check of an app by name or id.

use std::fmt::Write as _;

use crate::failure::Failure;
use crate::output::{Hex, one_line};

/// Most candidates that a message lists.
const MOST_CANDIDATES: usize = 8;
/// Similarity from which a name counts as a candidate, from 0 to 1.
const ALIKE: f64 = 0.8;

/// Finds an id by its name, or by the id itself as `0x..`, in decimal, or in hex as logs show it.
pub(crate) fn find(what: &str, wanted: &str, known: &[(Hex, String)]) -> Result<Hex, Failure> {
    let named: Vec<_> = known.iter().filter(|(_, name)| !name.is_empty() && name == wanted).collect();
    match named.as_slice() {
        [] => {}
        [(id, _)] => return Ok(*id),
        several => {
            let all = several.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>().join(", ");
            let message =
                format!("{} {what}s are called {wanted:?}: {all}; name one by its id", several.len());
            return Err(Failure::failed(message));
        }
    }
    let id = id_of(wanted);
    let hex = u64::from_str_radix(wanted, 16).ok();
    let by_id = [id, hex].into_iter().flatten().find(|id| known.iter().any(|(known, _)| known.0 == *id));
    by_id.map(Hex).ok_or_else(|| unknown(what, wanted, known))
}

/// Parses an id, `0x..` or decimal.
pub(crate) fn id_of(text: &str) -> Option<u64> {
    text.parse::<app_ids::ServiceId>().ok().map(app_ids::ServiceId::as_u64)
}

fn unknown(what: &str, wanted: &str, known: &[(Hex, String)]) -> Failure {
    let lower = wanted.to_lowercase();
    let near = |(id, name): &&(Hex, String)| {
        let name = name.to_lowercase();
        let part = name.contains(&lower) || lower.contains(&name);
        let alike = !name.is_empty() && (part || strsim::jaro_winkler(&name, &lower) >= ALIKE);
        !lower.is_empty() && (alike || id.to_string().starts_with(&lower))
    };
    let mut candidates: Vec<_> = known.iter().filter(near).collect();
    let nearest = !candidates.is_empty();
    if !nearest {
        candidates = known.iter().collect();
    }
    let more = candidates.len().saturating_sub(MOST_CANDIDATES);
    let shown: Vec<_> = candidates.iter().take(MOST_CANDIDATES).map(|(id, name)| shown(*id, name)).collect();
    let mut message = format!("no {what} {:?}", one_line(wanted, 100));
    // Writing to a string does not fail.
    let _ = match (shown.is_empty(), nearest) {
        (true, _) => write!(message, ": there are none"),
        (false, true) => write!(message, "; did you mean {}", shown.join(", ")),
        (false, false) => write!(message, "; there are: {}", shown.join(", ")),
    };
    if more > 0 {
        let _ = write!(message, " and {more} more");
    }
    if nearest {
        message.push('?');
    }
    Failure::failed(message)
}

fn shown(id: Hex, name: &str) -> String {
    if name.is_empty() { id.to_string() } else { format!("{} ({id})", one_line(name, 60)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<(Hex, String)> {
        [(0xce1f, "quota"), (0xbeef, "quota-rpc"), (0x10, "twin"), (0x11, "twin"), (0x1234, "")]
            .map(|(id, name)| (Hex(id), name.to_owned()))
            .to_vec()
    }

    fn refusal(wanted: &str) -> String {
        find("service", wanted, &known()).unwrap_err().message
    }

    #[test]
    fn a_name_or_an_id_in_any_form_is_found() {
        for (wanted, id) in [
            ("quota", 0xce1f),
            ("0xce1f", 0xce1f),
            ("ce1f", 0xce1f),
            ("52767", 0xce1f),
            ("1234", 0x1234),
            ("0X10", 0x10),
        ] {
            assert_eq!(find("service", wanted, &known()), Ok(Hex(id)), "{wanted}");
        }
    }

    #[test]
    fn an_unknown_or_ambiguous_name_is_refused_with_candidates() {
        assert_eq!(
            refusal("qouta"),
            "no service \"qouta\"; did you mean quota (0xce1f), quota-rpc (0xbeef)?"
        );
        assert_eq!(
            refusal("QUOTA-RPC2"),
            "no service \"QUOTA-RPC2\"; did you mean quota (0xce1f), quota-rpc (0xbeef)?"
        );
        assert_eq!(refusal("twin"), "2 services are called \"twin\": 0x10, 0x11; name one by its id");
        assert!(refusal("zzz").starts_with("no service \"zzz\"; there are: quota (0xce1f), "));
        assert!(refusal("").contains("there are"));
        assert_eq!(find("service", "a", &[]).unwrap_err().message, "no service \"a\": there are none");
        let many: Vec<_> = (0..100).map(|n| (Hex(n), format!("s{n}"))).collect();
        assert!(find("service", "zzz", &many).unwrap_err().message.ends_with(" and 92 more"));
    }
}
