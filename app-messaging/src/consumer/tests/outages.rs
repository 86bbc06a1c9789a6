//! What is lost on the way or in the servers: acknowledgements, answers, streams and buckets. And handlers that hang.

use app_metrics::testing::TestMetrics as _;

use super::*;
use crate::SendFailure;
use crate::ids::{ACK_PENDING, ATTEMPTS, PAUSED_CONSUMERS, PENDING};
use crate::wire::bucket_name;

impl Shop {
    fn stream(&self) -> String {
        stream_name(self.app.domain(), ORDERS.id())
    }

    /// Makes the consumer `c`, and lets two instances crash with the next message.
    async fn suspects(&self, name: &str, ack_wait: Duration) {
        let (transport, durable) = (self.messaging.transport(), format!("{SHOP}_c"));
        let config = ConsumerConfig {
            name: durable.clone(),
            filter: Some(crate::wire::filter(self.app.domain(), SHOP, 0x62bc_1d4f_a5e8_3079.into(), None)),
            ack_wait,
            max_ack_pending: 100,
            deliver: DeliverPolicy::All,
            release: 0,
        };
        transport.ensure_consumer(&self.stream(), config).await.unwrap();
        self.order(name).await;
        for _ in 0..2 {
            let mut pull = transport.pull(&self.stream(), &durable, 1, ack_wait * 2).await.unwrap();
            assert!(pull.next().await.unwrap().is_some());
        }
        sleep(ack_wait).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handled_message_that_ran_alone_is_no_crash_though_its_acknowledgement_was_lost() {
    let shop = Shop::open().await;
    shop.suspects("a", SECOND * 30).await;
    let seen = Seen::new();
    let (notes, transport) = (seen.clone(), Arc::clone(shop.messaging.transport()));
    let consumer = shop.messaging.consumer("c").of::<Order>().retry(Retry::after(SECOND).times(1));
    consumer
        .start(&shop.service, move |message| {
            let (_, times) = notes.note(&message);
            if times == 1 {
                // The connection is gone when the handler ends.
                transport.cut_off(SECOND * 5);
            }
            async { Ok(Done) }
        })
        .unwrap();
    sleep(SECOND * 60).await;
    assert_eq!(seen.names(), ["a", "a"]);
    let dead: Vec<_> = shop.dead().await.into_iter().map(|(letter, _)| letter.reason).collect();
    assert!(dead.is_empty(), "{dead:?}");
    assert_eq!(shop.left().await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_behind_a_message_that_runs_alone_goes_to_no_other_instance() {
    for by_key in [false, true] {
        let shop = Shop::with(Faults::default().fetch_ahead()).await;
        shop.suspects("suspect", SECOND * 2).await;
        shop.orders(&["a", "b", "c"]).await;
        let seen = Seen::new();
        let notes = seen.clone();
        let consumer = shop.messaging.consumer("c").of::<Order>().max_in_flight(4).ack_wait(SECOND * 2);
        let consumer = if by_key { consumer.by_key() } else { consumer };
        consumer
            .start(&shop.service, move |message| {
                let (name, _) = notes.note(&message);
                async move {
                    if name == "suspect" {
                        sleep(SECOND * 10).await;
                    }
                    Ok(Done)
                }
            })
            .unwrap();
        sleep(SECOND).await;
        assert_eq!(seen.names(), ["suspect"], "it runs alone");
        let transport = shop.messaging.transport();
        let mut other = transport.pull(&shop.stream(), &format!("{SHOP}_c"), 10, SECOND * 12).await.unwrap();
        let taken = other.next().await.unwrap();
        assert!(taken.is_none(), "{taken:?}");
        assert_eq!(seen.names().len(), 4, "{:?}", seen.names());
        assert_eq!(shop.left().await, (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_nak_without_an_answer_is_not_sent_again_to_a_message_that_another_instance_may_have() {
    let shop = Shop::open().await;
    let transport = Arc::clone(shop.messaging.transport());
    let loses = Arc::clone(&transport);
    let consumer = shop.messaging.consumer("c").of::<Order>().ordered().retry(Retry::after(SECOND));
    consumer
        .start(&shop.service, move |_| {
            loses.lose_answers(SECOND * 10);
            async { Err(failed("not yet")) }
        })
        .unwrap();
    shop.order("a").await;
    sleep(SECOND / 2).await;
    let mut other = transport.pull(&shop.stream(), &format!("{SHOP}_c"), 2, SECOND * 25).await.unwrap();
    let first = other.next().await.unwrap().unwrap();
    assert_eq!(first.deliveries, 2, "after the delay");
    let beside = tokio::time::timeout(SECOND * 20, other.next()).await;
    assert!(beside.is_err(), "while it works on it: {:?}", beside.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_lost_stream_of_dead_letters_is_made_again_and_gets_the_letter() {
    let shop = Shop::open().await;
    let consumer = shop.messaging.consumer("c").of::<Order>();
    consumer.start(&shop.service, |_| async { Ok(DeadLetter("bad".to_owned())) }).unwrap();
    sleep(SECOND).await;
    shop.messaging.transport().lose_stream(&dead_stream(shop.app.domain(), ORDERS.id()));
    shop.orders(&["a", "b"]).await;
    sleep(SECOND * 30).await;
    assert_eq!(shop.dead().await.len(), 2);
    assert_eq!(shop.left().await, (0, 0));
    assert!(app_health::notes(&shop.app).is_empty(), "{:?}", app_health::notes(&shop.app));
}

#[tokio::test(start_paused = true)]
async fn lost_buckets_are_made_again() {
    let shop = Shop::open().await;
    let retry = Retry::after(SECOND * 5).times(20);
    let consumer = shop.messaging.consumer("c").of::<Order>().retry(retry);
    consumer.start(&shop.service, |_| async { Err(failed("not yet")) }).unwrap();
    sleep(SECOND).await;
    let transport = shop.messaging.transport();
    let buckets = [ATTEMPTS, PAUSED_CONSUMERS].map(|bucket| bucket_name(shop.app.domain(), bucket));
    buckets.iter().for_each(|bucket| transport.lose_stream(bucket));
    shop.order("a").await;
    sleep(SECOND * 60).await;
    for bucket in &buckets {
        let found = transport.bucket_get(bucket, "00").await;
        assert!(found.is_ok(), "{bucket}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_of_a_stream_that_was_lost_count_for_no_message_of_the_new_one() {
    let shop = Shop::open().await;
    let seen = Seen::new();
    let notes = seen.clone();
    let retry = Retry::after(SECOND * 30).times(3);
    let consumer = shop.messaging.consumer("c").of::<Order>().retry(retry);
    consumer
        .start(&shop.service, move |message| {
            notes.note(&message);
            async { Err(failed("no stock")) }
        })
        .unwrap();
    shop.order("a").await;
    sleep(SECOND * 31).await;
    assert_eq!(seen.names(), ["a", "a"]);
    shop.messaging.transport().lose_stream(&shop.stream());
    let sender = shop.messaging.sender::<Order>();
    let lost = sender.send(|order| order.set_name("b")).await.unwrap_err();
    assert_eq!(lost.failure(), SendFailure::NoStream);
    assert!(lost.to_string().contains("does not exist"), "{lost}");
    sleep(SECOND * 5).await;
    let receipt = sender.send(|order| order.set_name("b")).await.unwrap();
    assert_eq!(receipt.sequence, 1, "as the message before");
    sleep(SECOND * 120).await;
    assert_eq!(seen.names(), ["a", "a", "b", "b", "b"]);
    assert_eq!(shop.dead().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_shown_while_every_handler_hangs() {
    for shape in ["any", "ordered", "parts"] {
        let shop = Shop::open().await;
        let consumer = shop.messaging.consumer("c").of::<Order>();
        let consumer = match shape {
            "any" => consumer.max_in_flight(1),
            "ordered" => consumer.ordered(),
            _ => consumer.partitioned(),
        };
        consumer.start(&shop.service, |_| std::future::pending()).unwrap();
        shop.order("a").await;
        sleep(SECOND).await;
        shop.orders(&["a", "a", "a"]).await;
        sleep(SECOND * 20).await;
        let name = format!("{SHOP}_c");
        let shown = |metric| shop.app.metric(MESSAGING_SERVICE_ID, metric, [name.as_str()]);
        assert_eq!((shown(PENDING), shown(ACK_PENDING)), (3.0, 1.0), "{shape}");
    }
}
