//! Dead letters and consumers as operators work with them.

use serde_json::{Value, json};

use super::*;
use crate::wire::replay_stream;

impl Shop {
    async fn call(&self, name: &str, arguments: Value) -> Result<Value, String> {
        self.app.operation("messaging", name, arguments).await.map_err(|error| error.to_string())
    }

    async fn asks(&self, name: &str, arguments: Value) -> Value {
        self.call(name, arguments).await.unwrap()
    }

    /// Runs a job to its end.
    async fn job(&self, name: &str, arguments: Value) -> Value {
        let id = self.asks(name, arguments).await;
        for _ in 0..600 {
            let status = self.app.operation("app", "job", json!({ "id": id["job"] })).await.unwrap();
            if status["state"] != "running" {
                assert_eq!(status["state"], "done", "{status}");
                return status["result"].clone();
            }
            sleep(SECOND).await;
        }
        panic!("the job does not end");
    }

    /// Consumes orders: those named `bad` fail while this says so.
    fn consumes(&self, bad: &Arc<AtomicUsize>) -> Seen {
        let seen = Seen::new();
        let (notes, bad) = (seen.clone(), Arc::clone(bad));
        let consumer = self.messaging.consumer("c").of::<Order>().retry(Retry::after(SECOND).times(1));
        consumer
            .start(&self.service, move |message| {
                let (name, _) = notes.note(&message);
                let fails = name.starts_with("bad") && bad.load(Ordering::SeqCst) == 1;
                async move { if fails { Err(failed("no stock")) } else { Ok(Done) } }
            })
            .unwrap();
        seen
    }
}

fn numbers(page: &Value) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|item| item["number"].as_u64().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_listed_by_pages_and_shown_by_their_type() {
    let shop = Shop::open().await;
    let bad = Arc::new(AtomicUsize::new(1));
    shop.consumes(&bad);
    for number in 0..5 {
        shop.messaging
            .sender::<Order>()
            .send_with_id(&format!("order-{number}"), |order| {
                order.set_name(format!("bad-{number}"));
                order.set_max_keys(7);
            })
            .await
            .unwrap();
    }
    sleep(SECOND * 5).await;
    let page = shop.asks("dead-letters", json!({ "stream": "orders", "limit": 2 })).await;
    assert_eq!((numbers(&page), &page["next"], &page["total"]), (vec![1, 2], &json!(2), &json!(5)));
    let item = &page["items"][0];
    assert_eq!(
        (&item["reason"], &item["message"], &item["attempts"], &item["sequence"], &item["round"]),
        (&json!("no stock"), &json!("order"), &json!(1), &json!(1), &json!(0)),
        "{item}"
    );
    let page =
        shop.asks("dead-letters", json!({ "stream": "95ef4072d81b63ac", "after": 2, "limit": 3 })).await;
    assert_eq!((numbers(&page), &page["next"]), (vec![3, 4, 5], &Value::Null));
    let of_others = shop.asks("dead-letters", json!({ "stream": "orders", "consumer": "other" })).await;
    assert_eq!((numbers(&of_others), &of_others["next"]), (vec![], &Value::Null));
    let shown = shop.asks("dead-letter", json!({ "stream": "orders", "number": 3 })).await;
    assert_eq!(
        (&shown["content"]["name"], &shown["content"]["maxKeys"]),
        (&json!("bad-2"), &json!(7)),
        "{shown}"
    );
    assert_eq!((&shown["headers"]["Op-Dead-Id"], &shown["hidden"]), (&json!("order-2"), &Value::Null));
    for (name, arguments, told) in [
        ("dead-letters", json!({}), "arguments.stream: is missing; give one of"),
        (
            "dead-letters",
            json!({ "stream": "none" }),
            "arguments.stream: \"none\" is no stream of this application; give one of",
        ),
        ("dead-letters", json!({ "stream": "orders", "limit": 0 }), "arguments.limit: is 0; give 1 to 200"),
        (
            "dead-letter",
            json!({ "stream": "orders", "number": 9 }),
            "there never was a letter 9 of stream orders; the last one is 5",
        ),
    ] {
        let refused = shop.call(name, arguments).await.unwrap_err();
        assert!(refused.contains(told), "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_can_not_be_decoded_is_shown_without_its_content() {
    let shop = Shop::open().await;
    shop.consumes(&Arc::new(AtomicUsize::new(0)));
    let subject = subject(shop.app.domain(), SHOP, 0x62bc_1d4f_a5e8_3079.into(), None);
    let raw = Outgoing { subject, reply: None, headers: Headers::new(), payload: "no message".into() };
    shop.messaging.transport().store(raw, SECOND).await.unwrap();
    sleep(SECOND).await;
    let shown = shop.asks("dead-letter", json!({ "stream": "orders", "number": 1 })).await;
    assert_eq!(shown["content"], Value::Null);
    assert!(shown["hidden"].as_str().unwrap().starts_with("payload: "), "{shown}");
    assert!(shown["letter"]["reason"].as_str().unwrap().starts_with("malformed: "), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_replayed_letter_goes_and_one_that_fails_again_is_a_new_letter() {
    let shop = Shop::open().await;
    let bad = Arc::new(AtomicUsize::new(1));
    let seen = shop.consumes(&bad);
    shop.messaging.sender::<Order>().send_with_id("order-7", |order| order.set_name("bad")).await.unwrap();
    sleep(SECOND).await;
    for round in 1..=2_u64 {
        let replayed = shop.asks("replay-dead-letter", json!({ "stream": "orders", "number": round })).await;
        assert_eq!(replayed, json!({ "number": round, "replayed": true }));
        sleep(SECOND * 2).await;
        let dead = shop.dead().await;
        let (letter, raw) = &dead[0];
        assert_eq!((dead.len(), letter.round, letter.sequence, raw.sequence), (1, round, 1, round + 1));
        assert_eq!((letter.id.as_deref(), letter.attempts), (Some("order-7"), 1));
        let id = format!("OP_d0_95ef4072d81b63ac.{SHOP}_c.1.{round}");
        assert_eq!(raw.message.headers.get("Nats-Msg-Id"), Some(&*id));
        // Repeated, it does nothing.
        let again = shop.asks("replay-dead-letter", json!({ "stream": "orders", "number": round })).await;
        assert_eq!(again, json!({ "number": round, "replayed": false }));
    }
    bad.store(0, Ordering::SeqCst);
    shop.asks("replay-dead-letter", json!({ "stream": "orders", "number": 3 })).await;
    sleep(SECOND * 2).await;
    assert_eq!((seen.names().len(), shop.dead().await.len()), (4, 0));
    let left = shop.messaging.transport().stream_state(&replay_stream(shop.app.domain())).await.unwrap();
    assert_eq!(left.messages, 0, "nothing is left behind");
    let gone = shop.call("dead-letter", json!({ "stream": "orders", "number": 3 })).await.unwrap_err();
    assert!(gone.contains("there is no letter 3 of stream orders any more"), "{gone}");
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_was_left_out_is_replayed_from_its_stream() {
    let shop = Shop::with(Faults::default().take_at_most(1_900)).await;
    let bad = Arc::new(AtomicUsize::new(1));
    let seen = shop.consumes(&bad);
    let large: String =
        "bad".chars().chain((0..1_500).map(|number| char::from(b'a' + (number * 7 % 26) as u8))).collect();
    shop.order(&large).await;
    sleep(SECOND).await;
    let shown = shop.asks("dead-letter", json!({ "stream": "orders", "number": 1 })).await;
    assert!(
        shown["hidden"]
            .as_str()
            .unwrap()
            .contains("did not fit beside the headers; the message has sequence 1")
    );
    bad.store(0, Ordering::SeqCst);
    shop.asks("replay-dead-letter", json!({ "stream": "orders", "number": 1 })).await;
    sleep(SECOND).await;
    assert_eq!(seen.names(), [large.clone(), large]);
}

#[tokio::test(start_paused = true)]
async fn many_letters_are_replayed_or_dropped_by_jobs() {
    let shop = Shop::open().await;
    let bad = Arc::new(AtomicUsize::new(1));
    let seen = shop.consumes(&bad);
    for number in 0..12 {
        shop.order(&format!("bad-{number}")).await;
    }
    sleep(SECOND * 5).await;
    bad.store(0, Ordering::SeqCst);
    let before = seen.names().len();
    let done = shop.job("replay-dead-letters", json!({ "stream": "orders", "last": 5 })).await;
    assert_eq!(done, json!({ "done": 5, "failed": 0, "problems": [] }));
    sleep(SECOND * 5).await;
    assert_eq!((seen.names().len() - before, shop.dead().await.len()), (5, 7));
    let done = shop.job("drop-dead-letters", json!({ "stream": "orders", "consumer": "other" })).await;
    assert_eq!(done["done"], 0);
    let dropped = shop.asks("drop-dead-letter", json!({ "stream": "orders", "number": 6 })).await;
    assert_eq!(dropped, json!({ "number": 6, "dropped": true }));
    let dropped = shop.asks("drop-dead-letter", json!({ "stream": "orders", "number": 6 })).await;
    assert_eq!(dropped, json!({ "number": 6, "dropped": false }));
    let done = shop.job("drop-dead-letters", json!({ "stream": "orders" })).await;
    assert_eq!((&done["done"], shop.dead().await.len()), (&json!(6), 0));
    let log = shop.app.captured().text();
    assert!(log.contains("dead letters are replayed") && log.contains("dead letters are dropped"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_replayed_from_a_sequence_or_a_time() {
    let shop = Shop::open().await;
    let seen = shop.consumes(&Arc::new(AtomicUsize::new(0)));
    shop.orders(&["a", "b"]).await;
    shop.messaging.sender::<Return>().send(|back| back.set_name("r")).await.unwrap();
    sleep(SECOND * 60).await;
    let time = humantime::format_rfc3339_seconds(shop.messaging.transport().wall_clock()).to_string();
    sleep(SECOND * 60).await;
    shop.orders(&["c", "d"]).await;
    sleep(SECOND).await;
    assert_eq!(seen.names().len(), 4);
    let done = shop
        .job(
            "replay-stream",
            json!({ "stream": "orders", "consumer": "c", "from_sequence": 2, "to_sequence": 4 }),
        )
        .await;
    assert_eq!(done["done"], 2, "the other type is not of this consumer");
    sleep(SECOND * 5).await;
    let mut again = seen.names().split_off(4);
    again.sort();
    assert_eq!(again, ["b", "c"]);
    let consumer = format!("{SHOP}_c");
    let done = shop
        .job("replay-stream", json!({ "stream": "orders", "consumer": consumer, "from_time": time }))
        .await;
    assert_eq!(done["done"], 2);
    sleep(SECOND * 5).await;
    let mut again = seen.names().split_off(6);
    again.sort();
    assert_eq!(again, ["c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_pauses_and_goes_on_as_an_operator_says() {
    let shop = Shop::open().await;
    let seen = shop.consumes(&Arc::new(AtomicUsize::new(0)));
    sleep(SECOND).await;
    let decided = shop.asks("pause-consumer", json!({ "consumer": "c" })).await;
    assert_eq!(decided, json!({ "consumer": format!("{SHOP}_c"), "paused": true }));
    sleep(SECOND).await;
    shop.orders(&["a", "b"]).await;
    sleep(SECOND * 60).await;
    assert!(seen.names().is_empty());
    let notes = app_health::notes(&shop.app);
    assert!(notes.len() == 1 && notes[0].contains("_c is paused: test paused it: a test"), "{notes:?}");
    assert!(shop.messaging.troubles().is_empty(), "what an operator wants is no trouble");
    let shown = shop.asks("consumers", json!({ "stream": "orders" })).await;
    let consumer = &shown["consumers"][0];
    assert_eq!(
        (&consumer["pending"], &consumer["paused"]),
        (&json!(2), &json!("test paused it: a test")),
        "{shown}"
    );
    // An instance that starts now pauses too.
    shop.service.kill("restarts");
    shop.service.wait().await.unwrap();
    let (next, bad) = (shop.app.new_service(SHOP, "shop"), Arc::new(AtomicUsize::new(0)));
    let shop = Shop { service: next, ..shop };
    let seen = shop.consumes(&bad);
    sleep(SECOND * 5).await;
    assert!(seen.names().is_empty());
    for _ in 0..2 {
        let decided = shop.asks("resume-consumer", json!({ "consumer": "c" })).await;
        assert_eq!(decided["paused"], false);
    }
    sleep(SECOND).await;
    assert_eq!(seen.names().len(), 2);
    assert!(app_health::notes(&shop.app).is_empty());
    let refused = shop.call("pause-consumer", json!({ "consumer": "d" })).await.unwrap_err();
    assert!(refused.contains("arguments.consumer: \"d\" is no consumer; give one of"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn consumers_are_listed_also_those_that_no_code_knows() {
    let shop = Shop::open().await;
    let partitioned = shop.messaging.consumer("p").of::<Order>().partitioned();
    partitioned.start(&shop.service, |_| async { Ok(RetryAfter(SECOND * 300)) }).unwrap();
    let aside = shop.messaging.consumer("c").of::<Order>().of::<Return>();
    aside.start(&shop.service, |_| async { Ok(RetryAfter(SECOND * 300)) }).unwrap();
    let unknown = ConsumerConfig {
        name: "old".to_owned(),
        filter: None,
        ack_wait: SECOND,
        max_ack_pending: 10,
        deliver: DeliverPolicy::All,
        release: 0,
    };
    let stream = stream_name(shop.app.domain(), ORDERS.id());
    shop.messaging.transport().ensure_consumer(&stream, unknown).await.unwrap();
    shop.orders(&["a", "b", "a"]).await;
    sleep(SECOND * 5).await;
    let shown = shop.asks("consumers", json!({ "stream": "orders" })).await;
    let all: BTreeMap<_, _> = shown["consumers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["consumer"].as_str().unwrap(), one))
        .collect();
    assert_eq!(all.len(), 3, "{shown}");
    let old = all["old"];
    assert_eq!((&old["runs_here"], &old["pending"]), (&json!(false), &json!(3)));
    let p = all[&*format!("{SHOP}_p")];
    assert_eq!(
        (&p["partitions"], &p["messages"], &p["ack_pending"], &p["pending"]),
        (&json!(16), &json!(["order"]), &json!(2), &json!(1))
    );
    let c = all[&*format!("{SHOP}_c")];
    assert_eq!(
        (&c["partitions"], &c["ack_pending"], &c["retries"]),
        (&json!(1), &json!(0), &json!(3)),
        "{c}"
    );
    let stream = &shown["streams"][0];
    assert_eq!(
        (&stream["stream"], &stream["messages"], &stream["dead_letters"]),
        (&json!("orders"), &json!(3), &json!(0))
    );
}
