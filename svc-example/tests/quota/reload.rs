//! New configs while the service runs.

use std::time::Duration;

use app_core::{prelude::*, testing::TestApp};
use app_metrics::testing::TestMetrics as _;
use svc_example::{GRANTS, Grant, KEYS, QUOTA, Quota, Rule};

use crate::{RuleSpec, content, put, with_rules};

/// Replaces the config and waits until its rules are in effect.
async fn reload(app: &TestApp, rules: &[RuleSpec<'_>]) {
    let quota = app.get::<Quota>();
    let before: Vec<Rule> = quota.limits().rules().to_vec();
    put(app.config_dir(), &content(rules));
    while quota.limits().rules() == before {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether the metrics have series of a rule, and the number of granted calls.
fn shown(app: &TestApp, rule: &str) -> (bool, f64) {
    let series = format!("rule=\"{rule}\"");
    (app.scrape().contains(&series), app.metric(QUOTA, GRANTS, [rule, "granted"]))
}

#[tokio::test(start_paused = true)]
async fn new_rules_take_effect_and_the_buckets_of_those_that_stay_are_not_refilled() {
    let app = with_rules(&[("mails", 1, 100, 10), ("logins", 1, 5, 10)]).start().await;
    let quota = app.get::<Quota>();
    assert_eq!(quota.acquire("mails", "a", 90).await.unwrap().remaining, 10);
    assert_eq!(quota.acquire("mails", "b", 20).await.unwrap().remaining, 80);
    assert_eq!(quota.acquire("logins", "a", 5).await.unwrap().remaining, 0);
    reload(&app, &[("searches", 1, 7, 10), ("mails", 1, 50, 10)]).await;

    let low = quota.acquire("mails", "a", 50).await.unwrap();
    assert!(!low.granted && (10..20).contains(&low.remaining), "what the seconds added is there: {low:?}");
    assert_eq!(quota.acquire("mails", "b", 50).await.unwrap(), granted(0), "clipped to the new burst");
    assert_eq!(quota.acquire("searches", "a", 7).await.unwrap(), granted(0));
    let gone = quota.acquire("logins", "a", 1).await.unwrap_err();
    assert!(gone.is(&errors::ILLEGAL_ARGUMENT), "{gone:#}");
    let too_much = quota.acquire("mails", "a", 51).await.unwrap_err();
    assert!(too_much.to_string().contains("burst of rule \"mails\", which is 50"), "{too_much}");
    app.stop().await.expect_clean();
}

fn granted(remaining: u32) -> Grant {
    Grant { granted: true, remaining, retry_after: Duration::ZERO }
}

#[tokio::test(start_paused = true)]
async fn the_metrics_show_the_rules_in_effect_and_go_on_counting_those_that_stay() {
    let app = with_rules(&[("mails", 1, 100, 10), ("logins", 1, 5, 10)]).start().await;
    let quota = app.get::<Quota>();
    quota.acquire("mails", "a", 50).await.unwrap();
    quota.acquire("logins", "a", 1).await.unwrap();
    assert_eq!((shown(&app, "mails"), shown(&app, "logins")), ((true, 1.0), (true, 1.0)));
    reload(&app, &[("mails", 1, 60, 10), ("searches", 1, 7, 10)]).await;
    // The series of removed rules go a moment after the log record.
    app.captured().wait_for(|record| record["message"] == "rules in effect" && record["rules"] == 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((shown(&app, "mails"), shown(&app, "logins")), ((true, 1.0), (false, 0.0)));
    assert_eq!(shown(&app, "searches"), (true, 0.0));
    quota.acquire("mails", "a", 1).await.unwrap();
    assert_eq!(shown(&app, "mails"), (true, 2.0));
    assert_eq!(app.metric(QUOTA, KEYS, []), 1.0);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_config_that_is_refused_changes_nothing() {
    let app = with_rules(&[("mails", 1, 100, 10)]).start().await;
    let quota = app.get::<Quota>();
    quota.acquire("mails", "a", 60).await.unwrap();
    let refused = |record: &serde_json::Value| record["level"] == "error";
    put(app.config_dir(), &content(&[("mails", 0, 0, 0)]));
    let record = app.captured().wait_for(refused).await;
    assert!(record["message"].as_str().unwrap().contains("rules[0].permits: must be at least 1"), "{record}");
    assert!(!quota.acquire("mails", "a", 60).await.unwrap().granted);
    assert_eq!(quota.limits().rules().len(), 1);
    reload(&app, &[("mails", 1, 30, 10)]).await;
    assert!(quota.acquire("mails", "a", 30).await.unwrap().granted);
    app.stop().await.expect_clean();
}

/// On several threads, so that calls and reloads overlap.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_beside_a_reload_is_answered_under_the_old_rules_or_the_new_ones() {
    let app = with_rules(&[("odd", 1, 3, 1_000), ("mails", 1, 1_000_000, 1_000)]).start().await;
    let quota = app.get::<Quota>();
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let quota = Quota::clone(&quota);
            tokio::spawn(async move { call_until_the_rule_changes(&quota, &caller.to_string()).await })
        })
        .collect();
    // The same rule at changing positions, beside rules that no caller uses.
    for round in 0_u32..50 {
        let beside = format!("beside{round}");
        let mut rules = [("mails", 1, 1_000_000 + round % 2, 1_000), (beside.as_str(), 1, 3, 10)];
        rules.rotate_left(round as usize % 2);
        put(app.config_dir(), &content(&rules));
        app.reload();
        let reloaded = |quota: &Quota| quota.limits().rules().iter().any(|rule| rule.name == beside);
        while !reloaded(&quota) {
            assert!(quota.acquire("mails", "main", 1).await.unwrap().granted);
        }
    }
    put(app.config_dir(), &content(&[("last", 1, 3, 10)]));
    app.reload();
    for caller in callers {
        let granted = caller.await.unwrap();
        assert!(granted > 0);
    }
    app.stop().await.expect_clean();
}

/// Takes one permit after another from a large bucket. Returns how many calls were granted before the rule was removed.
async fn call_until_the_rule_changes(quota: &Quota, key: &str) -> u32 {
    let mut granted = 0;
    loop {
        match quota.acquire("mails", key, 1).await {
            Ok(grant) => {
                granted += 1;
                let left = 1_000_000 - granted;
                assert!(grant.granted, "{grant:?}");
                // A few seconds add a few permits. A lost bucket would be full again.
                assert!(grant.remaining < left + 200, "{grant:?}, {left} would be left");
            }
            Err(gone) => {
                assert!(gone.is(&errors::ILLEGAL_ARGUMENT), "{gone:#}");
                return granted;
            }
        }
    }
}
