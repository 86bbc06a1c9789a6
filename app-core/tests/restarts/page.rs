//! `docs/RESTARTS.md` says what the program says.

use super::*;

const PAGE: &str = include_str!("../../../docs/RESTARTS.md");

const QUOTA: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
const API: ServiceId = ServiceId::new(0xa91);

fn services(policy: Restart) -> [ServiceDescriptor; 2] {
    let fails = ServiceDescriptor::of(QUOTA, "quota", |service: Service| async move {
        service.spawn("fails", async {
            sleep(secs(1)).await;
            Err::<(), _>(disk_full())
        })
    });
    [fails.restart(policy), runs(API, "api").after([QUOTA])]
}

/// The answers of readiness over this many seconds, and then the messages of the log with their events.
async fn told(policy: Restart, seconds: u64) -> Vec<String> {
    let app = TestApp::builder().services(services(policy)).start().await;
    let mut told = Vec::new();
    for _ in 0..10 * seconds {
        sleep(Duration::from_millis(100)).await;
        told.extend(app.readiness().reasons);
    }
    if app.alive() {
        app.restart(QUOTA, "new certificates").await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    let events = app.captured().records().into_iter().filter_map(|record| {
        let wait = record["delay_seconds"].as_f64().map(|delay| format!("{}ms", (delay * 1e3) as u64));
        let message = record["message"].as_str()?.replace(&wait.unwrap_or("never".to_owned()), "213ms");
        Some(format!("{message} {}", record["event"].as_str()?))
    });
    told.extend(events);
    told
}

/// The rows of the page that have something in code in their column, and what that is.
fn said(column: usize, rows: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let table = PAGE.lines().filter(|line| line.starts_with('|') && rows(line));
    let code = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    table.map(|row| row.split('|').skip(column).take(3).flat_map(code).collect()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_line_that_the_page_quotes_is_told_by_an_app() {
    let often = on_failure().backoff(Duration::from_millis(100), Duration::from_millis(100));
    let mut all = told(often, 20).await;
    all.extend(told(often, 4).await);
    all.extend(told(Restart::never(), 2).await);

    let readiness = said(1, |row| row.starts_with("| `service "));
    assert_eq!(readiness.len(), 4);
    for line in &readiness {
        assert!(all.contains(&line[0]), "no readiness says {:?}", line[0]);
    }
    let log = said(2, |row| ["| error |", "| warn |", "| info |"].iter().any(|level| row.starts_with(level)));
    assert_eq!(log.len(), 6);
    for line in &log {
        let (message, event) = (line.first().unwrap(), line.last().unwrap());
        assert!(all.contains(&format!("{message} {event}")), "no record says {message:?} with {event}");
    }
}
