//! Calls over mutual TLS, compared with tonic: the same call, keys and cipher suite, with client and server in their own processes.
//!
//! The processes run this program, too. An environment variable has their role. They end with the process that started them.

mod bare;
mod control;
mod grpc;
mod idle;
mod load;
mod material;
mod platform;
mod process;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::CipherSuite;
use rustls::crypto::{CryptoProvider, ring};
use serde::{Deserialize, Serialize};

pub(crate) use self::control::play;
use self::control::{Command, Part, Role, Said};
use self::load::{Load, Shape};
use self::material::Material;
use self::process::Participant;
use crate::report::{Figure, Row};
use crate::rounds::Failure;
use crate::rows::Rows;

/// The cipher suite that both sides of app-rpc choose by default. All candidates have to use it.
const CIPHER_SUITE: CipherSuite = CipherSuite::TLS13_AES_256_GCM_SHA384;

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(1000);
/// Many short rounds, because the difference is small.
const UNSAMPLED_ROUNDS: usize = 61;
const UNSAMPLED_ROUND: Duration = Duration::from_millis(250);
/// Time that a round may take beyond its length.
const SLACK: Duration = Duration::from_secs(15);
const IDLE: usize = 8_000;
const IDLE_ROUNDS: usize = 1;

/// The loads, with the target of each in times of tonic's throughput.
const SHAPES: [(Shape, f64); 3] = [
    (Shape { connections: 1, in_flight: 1 }, 1.5),
    (Shape { connections: 1, in_flight: 64 }, 1.2),
    (Shape { connections: 8, in_flight: 8 }, 1.5),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Who {
    /// Ours, with `RpcClient::request`.
    Platform,
    Tonic,
    /// Ours, with `RpcClient::call`.
    Calls,
    Bare,
    /// Ours, with tracing on and no trace sampled.
    Unsampled,
}

impl Who {
    /// The candidates of the comparison with peers.
    const ALL: [Self; 4] = [Self::Platform, Self::Tonic, Self::Calls, Self::Bare];

    const fn name(self) -> &'static str {
        match self {
            Self::Platform => "app-rpc",
            Self::Tonic => "tonic 0.14",
            Self::Calls => "app-rpc, call",
            Self::Bare => "capnp-rpc alone",
            Self::Unsampled => "app-rpc, tracing on, unsampled",
        }
    }
}

/// A server and its client.
struct Processes {
    who: Who,
    server: Participant,
    client: Participant,
}

/// The result of a round, and the processor time of both sides for each call.
struct Measured {
    load: Load,
    processor_micros: f64,
}

impl Processes {
    fn start(who: Who, material: &Path) -> Result<Self, Failure> {
        let role = |part| Role { part, who, material: material.to_owned() };
        let mut server = Participant::start(&role(Part::Server))?;
        let Said::Port(port) = server.hear(Duration::from_secs(20))? else {
            return Err("a server without a port".into());
        };
        let client = Participant::start(&role(Part::Client(port)))?;
        Ok(Self { who, server, client })
    }

    fn processor_time(&mut self) -> Result<Duration, Failure> {
        Ok(self.server.processor_time()? + self.client.processor_time()?)
    }

    fn round(&mut self, shape: Shape, time: Duration) -> Result<Measured, Failure> {
        let before = self.processor_time()?;
        let said = self.client.ask(&Command::Run(shape, time), time + SLACK)?;
        let Said::Load(load) = said else { return Err(format!("{said:?} instead of a load").into()) };
        let took = self.processor_time()?.saturating_sub(before);
        let processor_micros = took.as_secs_f64() * 1e6 / load.calls as f64;
        Ok(Measured { load, processor_micros })
    }
}

/// Measures the rows of this comparison.
pub(crate) fn rows(rows: &mut Rows) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    Material::make(dir.path())?;
    let mut pairs =
        Who::ALL.map(|who| Processes::start(who, dir.path())).into_iter().collect::<Result<Vec<_>, _>>()?;
    for (shape, times) in SHAPES {
        let Shape { connections, in_flight } = shape;
        let what = format!("RPC over mutual TLS, {connections} x {in_flight} in flight");
        rows.begin(&what);
        let measured = in_turn(&mut pairs, shape, ROUNDS, ROUND)?;
        let figures = |figure: fn(&Measured) -> f64| figures(&pairs, &measured, figure);
        let tonic = &[Who::Tonic.name()];
        let calls = figures(|round| round.load.calls as f64 / round.load.seconds);
        rows.add(Row::new(&what, "calls/s", calls).higher_is_better().target_of(times, tonic));
        let p50 = figures(|round| round.load.p50_micros);
        rows.add(Row::new(format!("{what}: half of the calls within"), "us", p50));
        let p99 = figures(|round| round.load.p99_micros);
        rows.add(Row::new(format!("{what}: 99 % of the calls within"), "us", p99).target_of(1.0, tonic));
        let processor = figures(|round| round.processor_micros);
        rows.add(Row::new(format!("{what}: processor time of client and server a call"), "us", processor));
    }
    drop(pairs);
    idle(rows, dir.path())
}

/// Measures what tracing costs a call when no trace is sampled.
pub(crate) fn unsampled_rows(rows: &mut Rows) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    Material::make(dir.path())?;
    let mut pairs = [Who::Unsampled, Who::Platform]
        .map(|who| Processes::start(who, dir.path()))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let shape = Shape { connections: 1, in_flight: 64 };
    let what = "RPC over mutual TLS, 1 x 64 in flight, tracing on and unsampled";
    rows.begin(what);
    let measured = in_turn(&mut pairs, shape, UNSAMPLED_ROUNDS, UNSAMPLED_ROUND)?;
    let without = &[Who::Platform.name()];
    let calls = figures(&pairs, &measured, |round| round.load.calls as f64 / round.load.seconds);
    rows.add(Row::new(what, "calls/s", calls).higher_is_better().target_of(0.97, without));
    let processor = figures(&pairs, &measured, |round| round.processor_micros);
    rows.add(Row::new(format!("{what}: processor time of client and server a call"), "us", processor));
    Ok(())
}

/// Rounds of all candidates in turn, after one that connects and warms up.
fn in_turn(
    pairs: &mut [Processes],
    shape: Shape,
    rounds: usize,
    time: Duration,
) -> Result<Vec<Vec<Measured>>, Failure> {
    for pair in &mut *pairs {
        pair.round(shape, time / 2)?;
    }
    let mut measured: Vec<Vec<Measured>> = pairs.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for place in 0..pairs.len() {
            let at = (round + place) % pairs.len();
            measured[at].push(pairs[at].round(shape, time)?);
        }
    }
    Ok(measured)
}

fn figures(pairs: &[Processes], measured: &[Vec<Measured>], figure: fn(&Measured) -> f64) -> Vec<Figure> {
    let of = |(pair, rounds): (&Processes, &Vec<Measured>)| Figure {
        rounds: rounds.iter().map(|round| Some(figure(round))).collect(),
        ..Figure::new(pair.who.name())
    };
    pairs.iter().zip(measured).map(of).collect()
}

fn idle(rows: &mut Rows, material: &Path) -> Result<(), Failure> {
    rows.begin(&format!("{IDLE} idle RPC connections"));
    idle::raise_open_files(IDLE)?;
    let who = [Who::Platform, Who::Tonic];
    let mut figures = who.map(|who| Figure::new(who.name()));
    for _ in 0..IDLE_ROUNDS {
        for (who, figure) in who.into_iter().zip(&mut figures) {
            figure.rounds.push(Some(idle::measure(who, material, IDLE)? / 1024.0));
        }
    }
    let row = Row::new(format!("{IDLE} idle RPC connections: server's memory each"), "KiB", figures.into());
    rows.add(row.target_of(1.0, &[Who::Tonic.name()]));
    Ok(())
}

/// Limits the default provider of rustls to this cipher suite.
fn one_cipher_suite() -> Result<(), Failure> {
    let mut provider: CryptoProvider = ring::default_provider();
    provider.cipher_suites.retain(|suite| suite.suite() == CIPHER_SUITE);
    CryptoProvider::install_default(provider)
        .map_err(|_: Arc<CryptoProvider>| "rustls has a provider already".into())
}
