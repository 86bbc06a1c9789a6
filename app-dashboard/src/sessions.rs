//! Tokens and sessions: who may use the page.
//!
//! A token is in the URL that `appctl` prints. A browser exchanges it for a session, which it sends with each request. Both are 32
//! random bytes in hex. One token is good at a time, once, for [`TOKEN_LIFE`]. Sessions end with the process.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use subtle::ConstantTimeEq as _;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a token is good.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(60);
/// Most sessions. One more ends the session that was unused for the longest time.
const MOST_SESSIONS: usize = 16;
/// A session that was unused for this time ends.
const SESSION_IDLE: Duration = Duration::from_secs(12 * 3600);

/// Makes tokens, and exchanges them for sessions. Clones share one state.
#[derive(Clone, Default)]
pub struct Tokens {
    state: Arc<Mutex<State>>,
    used: Arc<Notify>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    sessions: VecDeque<Session>,
}

struct Token {
    secret: String,
    ends: Instant,
}

struct Session {
    secret: String,
    used: Instant,
}

impl Tokens {
    /// A new token. An earlier one that was not used is no longer good.
    ///
    /// # Errors
    /// The operating system has no random bytes.
    pub fn renew(&self) -> io::Result<String> {
        let secret = secret()?;
        self.state.lock().token = Some(Token { secret: secret.clone(), ends: Instant::now() + TOKEN_LIFE });
        Ok(secret)
    }

    /// Waits until the token of now was used, replaced, or has become too old. Cancel safe.
    pub async fn spent(&self) {
        let mut used = std::pin::pin!(self.used.notified());
        used.as_mut().enable();
        let ends = self.state.lock().token.as_ref().map(|token| token.ends);
        if let Some(ends) = ends {
            tokio::select! {
                () = tokio::time::sleep_until(ends) => {}
                () = used => {}
            }
        }
    }

    /// Exchanges a token for a session. `None` if the token is not good; a good token stays good then.
    ///
    /// # Errors
    /// The operating system has no random bytes.
    pub(crate) fn exchange(&self, token: &str) -> io::Result<Option<String>> {
        let (session, now) = (secret()?, Instant::now());
        let mut state = self.state.lock();
        let good = |known: &Token| equal(&known.secret, token) && now < known.ends;
        if !state.token.as_ref().is_some_and(good) {
            return Ok(None);
        }
        state.token = None;
        // The session that was unused for the longest time is in front.
        while state.sessions.len() >= MOST_SESSIONS {
            state.sessions.pop_front();
        }
        state.sessions.push_back(Session { secret: session.clone(), used: now });
        drop(state);
        self.used.notify_waiters();
        Ok(Some(session))
    }

    /// Whether the session is good. Using it keeps it alive.
    pub(crate) fn holds(&self, session: &str) -> bool {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.sessions.retain(|known| now < known.used + SESSION_IDLE);
        // Compares with each session, so that the time says nothing about their order.
        let found =
            state.sessions.iter().enumerate().fold(None, |found, (at, known)| {
                if equal(&known.secret, session) { Some(at) } else { found }
            });
        let Some(mut held) = found.and_then(|at| state.sessions.remove(at)) else { return false };
        held.used = now;
        state.sessions.push_back(held);
        true
    }
}

/// Compares in a time that does not depend on where the texts differ. The length of a secret is public.
fn equal(known: &str, said: &str) -> bool {
    known.as_bytes().ct_eq(said.as_bytes()).into()
}

/// 32 random bytes in hex.
fn secret() -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(format!("no random bytes: {error}")))?;
    Ok(bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    fn session(tokens: &Tokens) -> String {
        let token = tokens.renew().unwrap();
        tokens.exchange(&token).unwrap().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_good_once() {
        let tokens = Tokens::default();
        let token = tokens.renew().unwrap();
        assert_eq!(token.len(), 64);
        let session = tokens.exchange(&token).unwrap().unwrap();
        assert_ne!(session, token);
        assert_eq!(tokens.exchange(&token).unwrap(), None);
        assert!(tokens.holds(&session));
        assert!(!tokens.holds(&token));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_good_for_a_minute() {
        let tokens = Tokens::default();
        let token = tokens.renew().unwrap();
        advance(TOKEN_LIFE - Duration::from_millis(1)).await;
        assert!(tokens.exchange(&token).unwrap().is_some());
        let token = tokens.renew().unwrap();
        advance(TOKEN_LIFE).await;
        assert_eq!(tokens.exchange(&token).unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_token_replaces_the_earlier_one() {
        let tokens = Tokens::default();
        let (first, second) = (tokens.renew().unwrap(), tokens.renew().unwrap());
        assert_eq!(tokens.exchange(&first).unwrap(), None);
        assert!(tokens.exchange(&second).unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_token_does_not_spend_the_good_one() {
        let tokens = Tokens::default();
        let token = tokens.renew().unwrap();
        for wrong in ["", "0", &token[1..], &format!("{token}0"), &"0".repeat(64), &token.to_uppercase()] {
            // A secret without letters is its own upper case. There is one in a billion billion billions.
            assert_eq!(tokens.exchange(wrong).unwrap(), None, "{wrong}");
        }
        assert!(tokens.exchange(&token).unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_session_too_many_ends_the_one_that_was_unused_longest() {
        let tokens = Tokens::default();
        let sessions: Vec<_> = (0..MOST_SESSIONS).map(|_| session(&tokens)).collect();
        assert!(tokens.holds(&sessions[0]), "used, so the second one is the oldest now");
        let one_more = session(&tokens);
        assert!(tokens.holds(&sessions[0]) && tokens.holds(&one_more));
        assert!(!tokens.holds(&sessions[1]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_it_is_not_used() {
        let tokens = Tokens::default();
        let session = session(&tokens);
        for _ in 0..3 {
            advance(SESSION_IDLE - Duration::from_secs(1)).await;
            assert!(tokens.holds(&session), "each use counts");
        }
        advance(SESSION_IDLE).await;
        assert!(!tokens.holds(&session));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_learns_that_the_token_is_spent() {
        let tokens = Tokens::default();
        let token = tokens.renew().unwrap();
        assert!(timeout(Duration::from_secs(30), tokens.spent()).await.is_err(), "it is good");
        let (waited, exchanged) = tokio::join!(timeout(Duration::from_secs(1), tokens.spent()), async {
            tokio::task::yield_now().await;
            tokens.exchange(&token)
        });
        assert!(waited.is_ok() && exchanged.unwrap().is_some());
        tokens.renew().unwrap();
        tokens.spent().await;
    }
}
