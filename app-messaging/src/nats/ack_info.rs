//! What the reply subject of a delivery says.

/// What the reply subject of a delivery begins with.
const ACK_PREFIX: &str = "$JS.ACK.";

/// What names the consumer of a delivery, `{stream}.{consumer}`, in its reply subject.
pub(super) fn delivery_key(reply: &str) -> Option<&str> {
    let rest = reply.strip_prefix(ACK_PREFIX)?;
    let (begin, tokens) = ack_tokens(rest)?;
    let end = begin + tokens[0].len() + 1 + tokens[1].len();
    rest.get(begin..end)
}

/// What the reply subject of a delivery says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AckInfo {
    pub(super) deliveries: u64,
    pub(super) sequence: u64,
    /// Counts what the consumer delivered.
    pub(super) consumer_sequence: u64,
    pub(super) stored_nanos: u64,
    pub(super) pending: u64,
}

impl AckInfo {
    pub(super) fn parse(reply: &str) -> Option<Self> {
        let (_, tokens) = ack_tokens(reply.strip_prefix(ACK_PREFIX)?)?;
        let number = |at: usize| tokens[at].parse().ok();
        Some(Self {
            deliveries: number(2)?,
            sequence: number(3)?,
            consumer_sequence: number(4)?,
            stored_nanos: number(5)?,
            pending: number(6)?,
        })
    }
}

/// Stream, consumer, deliveries, two sequences, time and pending, and where the stream begins. Newer servers put a domain and an
/// account before them, and a token of their own behind.
fn ack_tokens(rest: &str) -> Option<(usize, [&str; 7])> {
    let count = rest.split('.').count();
    let skip = match count {
        7 => 0,
        9 | 10 => 2,
        _ => return None,
    };
    let begin = rest.split('.').take(skip).map(|token| token.len() + 1).sum();
    let mut tokens = [""; 7];
    for (slot, token) in tokens.iter_mut().zip(rest.split('.').skip(skip)) {
        *slot = token;
    }
    Some((begin, tokens))
}

#[cfg(test)]
mod tests;
