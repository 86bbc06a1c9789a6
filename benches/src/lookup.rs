//! Looking up a service by its id, among few and many services, while others are added and removed.

use std::{
    collections::HashMap,
    hint::black_box,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use app_core::{App, prelude::*};

use crate::{
    commands::{
        registered, runtime,
        servers::{KAMEO, Kameo, KameoCount, RACTOR, Ractor},
        service,
    },
    report::{Figure, Row},
    rounds::{Budget, Contender, Failure, in_turn, looped},
    rows::Rows,
};

const OURS: &str = "App::service";
const LOCKED: &str = "std RwLock<HashMap>";
/// Lookups in one round.
const LOOKUPS: u64 = 20_000;
/// Services that one caller looks up in turn. It does not use all of them.
const USED: usize = 16;
/// Pause between two changes of the registry. With the time that a thread needs to wake, this gives about 6,000 changes a second.
const CHANGES: Duration = Duration::from_micros(100);

pub(crate) fn rows(rows: &mut Rows) -> Result<(), Failure> {
    let mut medians = Vec::new();
    for services in [10, 1_000, 100_000] {
        let work = format!("lookup among {services}, others come and go");
        rows.begin(&work);
        let figures = among(services)?;
        medians.extend(figures.first().map(|ours| ours.rounds.clone()));
        rows.add(Row::new(work, "ns", figures).target_of(1.0, &[LOCKED]));
    }
    if let [few, .., many] = &medians[..] {
        let rounds = few.iter().zip(many).map(|(few, many)| Some((*many)? / (*few)?)).collect();
        let figure = Figure { rounds, ..Figure::new(OURS) };
        rows.add(Row::new("lookup among 100,000 to one among 10", "x", vec![figure]).target(1.25));
    }
    Ok(())
}

fn id(i: u64) -> ServiceId {
    // Spread over the whole range, as random ids are.
    ServiceId::new((i + 100).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn among(services: u64) -> Result<Vec<Figure>, Failure> {
    let runtime = runtime()?;
    let (app, _service) = service(&runtime)?;
    let _entered = runtime.enter();
    let all = (0..services).map(|i| registered(&app, id(i))).collect::<Result<Vec<_>, _>>()?;
    let locked: RwLock<HashMap<ServiceId, Arc<Service>>> =
        RwLock::new(all.iter().map(|service| (service.id(), Arc::new(service.clone()))).collect());
    let used: Vec<ServiceId> = (0..USED as u64).map(|i| id(i * services / USED as u64)).collect();
    let name = |id: ServiceId| format!("{}-{services}", id.hex());
    let names: Vec<String> = used.iter().map(|id| name(*id)).collect();
    let mut contenders = vec![
        Contender::new(OURS, || look_up(|next| app.service(used[next]).is_some())),
        Contender::new(LOCKED, || {
            look_up(|next| locked.read().is_ok_and(|map| black_box(map.get(&used[next]).cloned()).is_some()))
        }),
    ];
    // Only with few services: 100,000 actors would measure more than a registry.
    if services < 100_000 {
        for name in (0..services).map(|i| name(id(i))) {
            Kameo::start(1).0.register(name.clone()).map_err(|problem| problem.to_string())?;
            runtime.block_on(Ractor::start_as(Some(name)))?;
        }
        contenders.push(Contender::new(KAMEO, || {
            look_up(|next| {
                kameo::actor::ActorRef::<KameoCount>::lookup(names[next].as_str())
                    .is_ok_and(|found| found.is_some())
            })
        }));
        contenders.push(Contender::new(RACTOR, || {
            look_up(|next| ractor::registry::where_is(&names[next]).is_some())
        }));
    }
    let done = AtomicBool::new(false);
    Ok(thread::scope(|scope| {
        scope.spawn(|| come_and_go(&app, &locked, &done));
        let figures = in_turn(Budget::new(201, 10), contenders);
        done.store(true, Relaxed);
        figures
    }))
}

/// Nanoseconds for one lookup that succeeds.
fn look_up(mut found: impl FnMut(usize) -> bool) -> Result<f64, Failure> {
    let mut lost = 0;
    let took = looped(LOOKUPS, |time| {
        if !black_box(found(black_box(time as usize % USED))) {
            lost += 1;
        }
    });
    if lost > 0 { Err(format!("{lost} were not found").into()) } else { took }
}

fn come_and_go(app: &App, locked: &RwLock<HashMap<ServiceId, Arc<Service>>>, done: &AtomicBool) {
    let id = ServiceId::new(0xfeed);
    while !done.load(Relaxed) {
        if let Ok(service) = registered(app, id) {
            if let Ok(mut map) = locked.write() {
                map.insert(id, Arc::new(service.clone()));
            }
            thread::sleep(CHANGES);
            service.kill("enough");
        }
        if let Ok(mut map) = locked.write() {
            map.remove(&id);
        }
        thread::sleep(CHANGES);
    }
}
