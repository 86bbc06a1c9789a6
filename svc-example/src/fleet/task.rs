//! The task: it has the state, takes calls, and drives the exchanges with the servers.

mod answers;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use app_core::prelude::*;
use app_core::trace::CallerSpan;
use app_messaging::Messaging;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use self::answers::{answer, asked, away, by_itself, denied, deny, granted, returned, serve};
use super::clock::{Proof, WallClock, nanos};
use super::handle::{Ask, Command, FleetRule, Reply};
use super::held::{Held, Waiter};
use super::keys::{KeyId, Keys};
use super::lease::{Leased, Seen, Shared, SharedKey, prepare};
use super::share::Shares;
use crate::metrics::{FleetCounts, QuotaMetrics};
use crate::notices::Notices;
use crate::{FLEET_AWAY, Grant};

/// The most exchanges with the servers at once.
pub(super) const MAX_EXCHANGES: usize = 256;

/// The most calls that wait. Further ones stay in the queue.
pub(super) const MAX_WAITING: usize = 65_536;

/// How long a call waits for permits.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// How long the servers count as away before they are asked again.
const AWAY: Duration = Duration::from_millis(500);

/// Exchanges in a row without an answer, after which the servers count as away.
const UNANSWERED: u32 = 3;

/// When to try again after other instances were faster.
const CONTENDED: Duration = Duration::from_millis(50);

/// How often keys are looked at, while there are any, and how many of each rule.
const SWEEP: Duration = Duration::from_secs(1);
const SWEPT_AT_ONCE: usize = 10_000;

/// How long giving back may take when the service stops.
const LAST_RETURNS: Duration = Duration::from_secs(1);

/// How long the state of a bucket is kept after it is full.
const KEPT_LONGER: Duration = Duration::from_secs(600);

/// An exchange with the servers that ended.
enum Exchanged {
    Prepared(Result<(Shared, Proof), String>),
    Leased(KeyId, Leased),
    /// Permits were given back, or are lost.
    Returned(KeyId, u32, Option<Seen>),
    /// The key was asked for, or filled.
    Asked(KeyId),
}

/// The state of the fleet's rules in this instance.
pub(super) struct Task {
    service: Service,
    messaging: Messaging,
    clock: WallClock,
    counts: FleetCounts,
    notices: Notices,
    keys: Keys,
    shares: Shares,
    /// The bucket, and what proves the skew of the clock.
    ready: Option<(Shared, Proof)>,
    preparing: bool,
    max_age: Duration,
    away: Option<Instant>,
    told_away: bool,
    unanswered: u32,
    /// Keys that want a lease.
    wanting: VecDeque<KeyId>,
    /// Questions that wait for the bucket.
    asking: VecDeque<(Arc<FleetRule>, KeyId, Ask)>,
    /// When the first call of a key has waited long enough. Each key is in it once.
    deadlines: BTreeSet<(Instant, KeyId)>,
    waiting: usize,
    swept: Instant,
    exchanges: FuturesUnordered<BoxFuture<'static, Exchanged>>,
}

impl Task {
    pub(super) fn new(
        service: &Service,
        messaging: &Messaging,
        clock: WallClock,
        metrics: &QuotaMetrics,
        notices: &Notices,
    ) -> Self {
        Self {
            service: service.clone(),
            messaging: messaging.clone(),
            clock,
            counts: metrics.fleet.clone(),
            notices: notices.clone(),
            keys: Keys::default(),
            shares: Shares::new(),
            ready: None,
            preparing: false,
            max_age: KEPT_LONGER,
            away: None,
            told_away: false,
            unanswered: 0,
            wanting: VecDeque::new(),
            asking: VecDeque::new(),
            deadlines: BTreeSet::new(),
            waiting: 0,
            swept: Instant::now(),
            exchanges: FuturesUnordered::new(),
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let wake = self.next_wake();
            tokio::select! {
                biased;
                () = self.service.dying() => break,
                Some(exchanged) = self.exchanges.next(), if !self.exchanges.is_empty() => self.after(exchanged),
                command = commands.recv(), if self.waiting < MAX_WAITING => match command {
                    Some(command) => self.command(command),
                    None => break,
                },
                () = until(wake) => self.wake(),
            }
        }
        // Calls that wait learn that the service stops, since their replies are dropped.
        commands.close();
        self.give_all_back().await;
    }

    fn next_wake(&self) -> Option<Instant> {
        let sweep = (!self.keys.is_empty()).then(|| self.swept + SWEEP);
        let deadline = self.deadlines.first().map(|(until, _)| *until);
        sweep.into_iter().chain(deadline).min()
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Rules(rules) => self.set_rules(&rules),
            Command::Ask(rule, key, Ask::Take { permits, caller, reply }) => {
                self.take(&rule, &key, permits, caller, reply);
            }
            Command::Ask(rule, key, ask) => {
                let id = KeyId { rule: rule.rule.name.as_str().into(), key: Arc::from(&*key) };
                self.waiting += 1;
                self.asking.push_back((rule, id, ask));
                self.pump();
            }
        }
    }

    fn set_rules(&mut self, rules: &[Arc<FleetRule>]) {
        let longest = rules.iter().map(|fleet| fleet.rule.fill_time() + KEPT_LONGER).max();
        if longest.is_some_and(|longest| longest > self.max_age) {
            self.max_age = longest.unwrap_or_default();
            // The bucket has to keep values for longer before anything is leased.
            self.ready = None;
        }
        self.keys.retain(rules);
        self.shares.set_rules(rules);
    }

    fn take(
        &mut self,
        rule: &Arc<FleetRule>,
        key: &str,
        permits: u32,
        caller: CallerSpan,
        reply: Reply<Grant>,
    ) {
        let (now, time) = (Instant::now(), nanos(self.clock.now()));
        let is_away = self.is_away(now);
        let Some((id, held)) = self.keys.entry(rule, key) else {
            return answer(reply, denied(0, AWAY));
        };
        if held.waiting.is_empty() {
            if held.spend(permits, now) {
                self.shares.count(&id.rule, &id.key, permits);
                return answer(reply, granted(rule, held, now, time));
            }
            if let Some(wait) = held.too_few(permits, &rule.rate, time, now) {
                let grant = caller.run(|| deny(rule, &id, held, wait, (now, time), &self.notices));
                return answer(reply, grant);
            }
            if is_away {
                return answer(reply, by_itself(&mut self.shares, &id, permits));
            }
        }
        held.waiting.push_back(Waiter { permits, until: now + PATIENCE, caller, reply });
        self.waiting += 1;
        if !std::mem::replace(&mut held.watched, true) {
            self.deadlines.insert((now + PATIENCE, id.clone()));
        }
        self.want(id);
    }

    /// Has a key lease permits when there is room, unless it is about to.
    fn want(&mut self, id: KeyId) {
        if let Some((_, held)) = self.keys.get(&id)
            && !std::mem::replace(&mut held.busy, true)
        {
            self.wanting.push_back(id);
        }
        self.pump();
    }

    /// Begins exchanges, as far as there is room.
    fn pump(&mut self) {
        let now = Instant::now();
        if self.is_away(now) {
            return self.answer_all_by_itself();
        }
        while self.exchanges.len() < MAX_EXCHANGES && !(self.wanting.is_empty() && self.asking.is_empty()) {
            let usable = self.ready.clone().filter(|(_, proof)| self.clock.proven(proof).is_ok());
            let Some((bucket, proof)) = usable else { return self.prepare() };
            if proof.is_old() {
                self.prepare();
            }
            let clock = self.clock.clone();
            let place = |rule: &FleetRule, id: &KeyId| SharedKey::new(bucket, clock, proof, rule, &id.key);
            if let Some((rule, id, ask)) = self.asking.pop_front() {
                self.waiting -= 1;
                self.exchanges.push(Box::pin(asked(place(&rule, &id), id, ask)));
                continue;
            }
            let Some(id) = self.wanting.pop_front() else { return };
            let Some((rule, held)) = self.keys.get(&id) else { continue };
            let unspent = held.expired(now);
            if let [chunk] = &*unspent
                && held.seen == Some(chunk.from)
            {
                let (place, from, permits) = (place(rule, &id), chunk.from, chunk.left);
                self.exchanges.push(Box::pin(returned(place, id, from, permits)));
                continue;
            }
            unspent.iter().for_each(|chunk| self.counts.lost(chunk.left));
            let Some((needed, wanted)) = held.demand(rule.rule.burst.get(), now) else {
                held.busy = false;
                continue;
            };
            let (seen, place) = (held.seen, place(rule, &id));
            self.exchanges.push(Box::pin(async move {
                let leased = place.lease(needed, wanted, seen).await;
                Exchanged::Leased(id, leased)
            }));
        }
    }

    fn prepare(&mut self) {
        if !std::mem::replace(&mut self.preparing, true) {
            let app = App::of(&self.service);
            let instance = format!("{}\n{}", app.identity().instance, self.service.id());
            let prepared = prepare(self.messaging.clone(), self.clock.clone(), self.max_age, instance);
            self.exchanges.push(Box::pin(async { Exchanged::Prepared(prepared.await) }));
        }
    }

    fn after(&mut self, exchanged: Exchanged) {
        match exchanged {
            Exchanged::Prepared(prepared) => self.after_prepare(prepared),
            Exchanged::Leased(id, leased) => self.after_lease(id, leased),
            Exchanged::Returned(id, permits, seen) => {
                if seen.is_some() {
                    self.counts.returned(permits);
                } else {
                    self.counts.lost(permits);
                }
                self.settle(id, |held| held.seen = seen);
            }
            Exchanged::Asked(id) => {
                if let Some((_, held)) = self.keys.get(&id) {
                    held.look_again();
                }
            }
        }
        self.pump();
    }

    fn after_prepare(&mut self, prepared: Result<(Shared, Proof), String>) {
        self.preparing = false;
        match prepared {
            Ok((bucket, proof)) if self.clock.proven(&proof).is_ok() => {
                self.ready = Some((bucket, proof));
                self.answered();
            }
            Ok((_, proof)) => {
                self.counts.skewed();
                let reason = format!(
                    "the clock of this instance may be {:?} apart from the one of the server",
                    proof.apart()
                );
                self.goes_away(&reason);
            }
            Err(reason) => {
                self.counts.away();
                self.goes_away(&reason);
            }
        }
    }

    fn after_lease(&mut self, id: KeyId, leased: Leased) {
        let (now, time) = (Instant::now(), nanos(self.clock.now()));
        match leased {
            Leased::Got { permits, asked, seen } => {
                self.answered();
                self.counts.leased(permits);
                if let Some((rule, held)) = self.keys.get(&id) {
                    held.got(permits, asked, seen, rule.rule.burst.get());
                    self.waiting -= serve(rule, &id, held, &mut self.shares, (now, time));
                }
            }
            Leased::TooFew { wait, seen, now: time } => {
                self.answered();
                self.counts.too_few();
                if let Some((rule, held)) = self.keys.get(&id) {
                    held.denied(wait, seen, now);
                    self.waiting -= serve(rule, &id, held, &mut self.shares, (now, time));
                    let waiting = std::mem::take(&mut held.waiting);
                    for waiter in waiting {
                        let Some(wait) = held.too_few(waiter.permits, &rule.rate, time, now) else {
                            held.waiting.push_back(waiter);
                            continue;
                        };
                        self.waiting -= 1;
                        let deny = || deny(rule, &id, held, wait, (now, time), &self.notices);
                        let grant = waiter.caller.run(deny);
                        answer(waiter.reply, grant);
                    }
                }
            }
            Leased::Contended => {
                self.answered();
                self.counts.contended();
                self.answer_waiting(&id, |_, _, _| denied(0, CONTENDED));
            }
            Leased::Skewed(reason) => {
                self.counts.skewed();
                self.answer_waiting(&id, by_itself);
                self.goes_away(&reason);
            }
            Leased::Away(reason) => {
                self.counts.away();
                self.unanswered += 1;
                self.answer_waiting(&id, by_itself);
                if self.unanswered >= UNANSWERED {
                    self.goes_away(&reason);
                }
                // What the key holds is not known any more.
                return self.settle(id, |held| held.seen = None);
            }
        }
        self.settle(id, |_| ());
    }

    /// Takes in the end of an exchange of a key. If calls still wait for it, it leases again.
    fn settle(&mut self, id: KeyId, take_in: impl FnOnce(&mut Held)) {
        let Some((_, held)) = self.keys.get(&id) else { return };
        held.busy = false;
        take_in(held);
        if !held.waiting.is_empty() {
            self.want(id);
        }
    }

    /// Answers all calls that wait for a key.
    fn answer_waiting(&mut self, id: &KeyId, grant: impl Fn(&mut Shares, &KeyId, u32) -> Grant) {
        let Some((_, held)) = self.keys.get(id) else { return };
        for Waiter { permits, reply, .. } in std::mem::take(&mut held.waiting) {
            self.waiting -= 1;
            answer(reply, grant(&mut self.shares, id, permits));
        }
    }

    /// Answers everything that waits for the servers.
    fn answer_all_by_itself(&mut self) {
        while let Some(id) = self.wanting.pop_front() {
            self.answer_waiting(&id, by_itself);
            if let Some((_, held)) = self.keys.get(&id) {
                held.busy = false;
            }
        }
        while let Some((rule, _, ask)) = self.asking.pop_front() {
            self.waiting -= 1;
            away(ask, &rule.rule.name, "the servers of messaging do not answer");
        }
    }

    fn is_away(&self, now: Instant) -> bool {
        self.away.is_some_and(|until| now < until)
    }

    fn answered(&mut self) {
        (self.unanswered, self.away) = (0, None);
        if std::mem::take(&mut self.told_away) {
            info!(self.service.log(), "permits are leased again"; "event" => FLEET_AWAY.hex());
        }
    }

    fn goes_away(&mut self, reason: &str) {
        self.away = Some(Instant::now() + AWAY);
        self.ready = None;
        if !std::mem::replace(&mut self.told_away, true) {
            warn!(self.service.log(), "no permits are leased, so rules of the fleet grant what whenAway says; check the servers of messaging and the clocks";
                "event" => FLEET_AWAY.hex(), "reason" => reason);
        }
        self.answer_all_by_itself();
    }

    fn wake(&mut self) {
        let now = Instant::now();
        while self.deadlines.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, id)) = self.deadlines.pop_first() else { break };
            let Some((_, held)) = self.keys.get(&id) else { continue };
            held.watched = false;
            while held.waiting.front().is_some_and(|waiter| waiter.until <= now) {
                let Some(Waiter { permits, reply, .. }) = held.waiting.pop_front() else { break };
                self.waiting -= 1;
                answer(reply, by_itself(&mut self.shares, &id, permits));
            }
            if let Some(first) = held.waiting.front() {
                held.watched = true;
                self.deadlines.insert((first.until, id));
            }
        }
        if !self.keys.is_empty() && now >= self.swept + SWEEP {
            self.sweep(now);
        }
    }

    fn sweep(&mut self, now: Instant) {
        self.swept = now;
        self.shares.clear(SWEPT_AT_ONCE);
        for (id, chunk) in self.keys.sweep(now, SWEPT_AT_ONCE) {
            let room = self.exchanges.len() < MAX_EXCHANGES;
            let ready = self.ready.clone().filter(|_| room);
            let clock = self.clock.clone();
            match (ready, self.keys.get(&id)) {
                (Some((bucket, proof)), Some((rule, held)))
                    if !held.busy && held.seen == Some(chunk.from) =>
                {
                    held.busy = true;
                    let place = SharedKey::new(bucket, clock, proof, rule, &id.key);
                    self.exchanges.push(Box::pin(returned(place, id, chunk.from, chunk.left)));
                }
                _ => self.counts.lost(chunk.left),
            }
        }
    }

    /// Gives back what is not spent, when the service stops.
    async fn give_all_back(mut self) {
        let Some((bucket, proof)) = self.ready.take() else { return };
        let returns = FuturesUnordered::new();
        for (rule, key, held) in self.keys.drain() {
            // Only the last lease of a key can be given back.
            let last = held.chunks.back().filter(|chunk| chunk.left > 0 && held.seen == Some(chunk.from));
            if let Some(chunk) = last.filter(|_| !held.busy && returns.len() < MAX_EXCHANGES) {
                let place = SharedKey::new(bucket.clone(), self.clock.clone(), proof, &rule, &key);
                returns.push(place.give_back(chunk.from, chunk.left));
            }
        }
        // What is not answered by then is lost.
        let _ = timeout(LAST_RETURNS, returns.collect::<Vec<_>>()).await;
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
