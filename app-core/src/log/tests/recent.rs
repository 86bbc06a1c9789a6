//! The last records of a log, as a reader in the process sees them.

use slog::{info, warn};

use super::super::{Log, LogFormat, LogLevel};
use super::{DEADLINE, QUOTA, identity};

fn written(format: LogFormat) -> Log {
    Log::to_writer(&identity(), format, LogLevel::Debug, Box::new(std::io::sink())).unwrap()
}

#[test]
fn the_last_records_are_there_with_level_service_and_line() {
    for format in [LogFormat::Json, LogFormat::Term] {
        let log = written(format);
        info!(log.logger(), "of the app"; "n" => 1);
        warn!(log.service_logger(QUOTA, "quota"), "of quota");
        assert!(log.flush(DEADLINE));
        let page = log.recent(0, 10);
        let told: Vec<_> = page.records.iter().map(|r| (r.number, r.level, r.service)).collect();
        assert_eq!(told, [(1, LogLevel::Info, None), (2, LogLevel::Warn, Some(QUOTA))]);
        assert_eq!((page.missed, page.last), (0, 2));
        assert!(page.records[1].line.contains("of quota"), "{page:?}");
        assert!(!page.records[1].line.ends_with('\n'));
        assert_eq!(log.recent(1, 10).records, page.records[1..]);
    }
}

#[test]
fn memory_is_bounded_and_what_is_gone_is_counted() {
    let log = written(LogFormat::Json);
    let long = "x".repeat(10_000);
    for n in 0..1_000_u64 {
        info!(log.logger(), "{long}"; "n" => n);
        if n % 100 == 0 {
            assert!(log.flush(DEADLINE));
        }
    }
    assert!(log.flush(DEADLINE));
    let page = log.recent(0, usize::MAX);
    let bytes: usize = page.records.iter().map(|record| record.line.len()).sum();
    assert!((900_000..=1024 * 1024).contains(&bytes), "{bytes}");
    assert_eq!(page.missed + page.records.len() as u64, page.last);
    assert_eq!(page.last + log.dropped(), 1_000);
    let last = page.records.last().unwrap();
    assert!(last.number == page.last && last.line.contains("\"n\":999"));
}

#[test]
fn a_record_that_the_sink_refuses_is_there_all_the_same() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::to_writer(&identity(), LogFormat::Json, LogLevel::Info, Box::new(Full)).unwrap();
    info!(log.logger(), "the disk is full");
    assert!(log.flush(DEADLINE));
    assert_eq!(log.dropped(), 1);
    assert!(log.recent(0, 10).records[0].line.contains("the disk is full"));
}

#[tokio::test]
async fn a_reader_waits_for_the_next_record() {
    let (log, _) = Log::captured(&identity(), LogLevel::Info);
    info!(log.logger(), "one");
    log.recent_news(0).await;
    let waits = log.clone();
    let waits = tokio::spawn(async move { waits.recent_news(1).await });
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    info!(log.logger(), "two");
    tokio::time::timeout(DEADLINE, waits).await.unwrap().unwrap();
}
