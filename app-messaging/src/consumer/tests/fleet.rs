//! What one instance knows of attempts in another.

use super::*;
use crate::transport::RawEntry;
use crate::wire::bucket_name;

impl Shop {
    /// Another instance: its own knowledge, and the shared transport.
    fn other(&self) -> Service {
        self.app.new_service(SHOP, "shop")
    }

    /// Starts a consumer that notes the time of each attempt, and fails.
    fn fails(&self, service: &Service, retry: Retry) -> Seen {
        let seen = Seen::new();
        let notes = seen.clone();
        let consumer = self.messaging.consumer("c").of::<Order>().retry(retry);
        consumer
            .start(service, move |message| {
                notes.note(&message);
                async move { Err(failed("no stock")) }
            })
            .unwrap();
        seen
    }

    /// The entries of attempts.
    async fn entries(&self) -> Vec<RawEntry> {
        let transport = self.messaging.transport();
        let bucket = bucket_name(self.app.domain(), crate::ids::ATTEMPTS);
        let mut watch = transport.bucket_watch(&bucket, None).await.unwrap();
        let mut all = Vec::new();
        while let Ok(Ok(Some(entry))) = tokio::time::timeout(SECOND, watch.next()).await {
            all.push(entry);
        }
        all
    }

    /// An instance that gets a message and is gone, as after a crash.
    async fn crashes(&self, times: usize) {
        let stream = stream_name(self.app.domain(), ORDERS.id());
        for _ in 0..times {
            let transport = self.messaging.transport();
            let mut pull = transport.pull(&stream, &format!("{SHOP}_c"), 1, SECOND * 60).await.unwrap();
            assert!(pull.next().await.unwrap().is_some());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_count_over_instances() {
    let shop = Shop::open().await;
    shop.order("a").await;
    let retry = Retry::after(SECOND * 10).times(5);
    let mut attempts = 0;
    let mut service = shop.service.clone();
    for _ in 0..2 {
        let seen = shop.fails(&service, retry);
        sleep(SECOND * 16).await;
        service.kill("a deploy");
        service.wait().await.unwrap();
        attempts += seen.names().len();
        service = shop.other();
    }
    assert_eq!((attempts, shop.entries().await.len()), (4, 1));
    let seen = shop.fails(&service, retry);
    sleep(SECOND * 60).await;
    assert_eq!(seen.names().len(), 1, "the fifth of all instances was the last one");
    assert_eq!(shop.dead().await[0].0.attempts, 5);
    assert!(shop.entries().await.is_empty(), "it is forgotten with its message");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_takes_its_process_along_again_and_again_is_a_dead_letter() {
    let shop = Shop::open().await;
    // Makes the consumer.
    let seen = shop.fails(&shop.service, Retry::after(SECOND));
    sleep(SECOND).await;
    shop.service.kill("stops");
    shop.service.wait().await.unwrap();
    shop.orders(&["kills"]).await;
    shop.crashes(2).await;
    assert!(shop.entries().await.is_empty(), "so far it is one of many");
    drop(seen);
    // Two instances begin it alone. They end with it.
    let retry = Retry::after(SECOND).times(2);
    for _ in 0..2 {
        let service = shop.other();
        let consumer = shop.messaging.consumer("c").of::<Order>().retry(retry).stop_grace(SECOND);
        consumer.start(&service, |_| std::future::pending()).unwrap();
        sleep(SECOND * 40).await;
        let as_of_the_crash = shop.entries().await.pop().unwrap();
        service.kill("goes");
        service.wait().await.unwrap();
        // A process that ends with it says nothing of that.
        let bucket = bucket_name(shop.app.domain(), crate::ids::ATTEMPTS);
        let (key, expected) = (&as_of_the_crash.key, crate::transport::Expected::Any);
        let transport = shop.messaging.transport();
        transport.bucket_put(&bucket, key, as_of_the_crash.value, expected, SECOND).await.unwrap();
    }
    let last = shop.other();
    let seen = shop.fails(&last, retry);
    sleep(SECOND * 60).await;
    assert!(seen.names().is_empty(), "its attempts are over");
    let dead = shop.dead().await;
    assert_eq!((dead.len(), dead[0].0.attempts), (1, 2), "{dead:?}");
    assert!(dead[0].0.reason.contains("the process ended while it was handled alone"), "{dead:?}");
    assert_eq!(shop.left().await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_back_by_other_instances_is_not_suspicious() {
    let shop = Shop::open().await;
    shop.order("a").await;
    let mut service = shop.service.clone();
    for _ in 0..6 {
        let consumer = shop.messaging.consumer("c").of::<Order>().stop_grace(SECOND);
        consumer.start(&service, |_| std::future::pending()).unwrap();
        sleep(SECOND).await;
        service.kill("a deploy");
        service.wait().await.unwrap();
        service = shop.other();
    }
    let entry = shop.entries().await.pop().unwrap();
    let value = String::from_utf8_lossy(entry.value.as_deref().unwrap()).into_owned();
    assert!(value.starts_with("attempts=0 ends=5 alone=false "), "{value}");
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_a_stream_that_was_made_anew_counts_for_nothing() {
    let shop = Shop::open().await;
    shop.order("a").await;
    let seen = shop.fails(&shop.service, Retry::after(SECOND * 30).times(3));
    sleep(SECOND).await;
    let entry = shop.entries().await.pop().unwrap();
    let value = String::from_utf8_lossy(entry.value.as_deref().unwrap()).into_owned();
    let (before, _) = value.split_once("stored=").unwrap();
    let other = format!("{before}stored=7").replace("attempts=1", "attempts=2");
    let bucket = bucket_name(shop.app.domain(), crate::ids::ATTEMPTS);
    let expected = crate::transport::Expected::Any;
    shop.messaging
        .transport()
        .bucket_put(&bucket, &entry.key, Some(other.into()), expected, SECOND)
        .await
        .unwrap();
    sleep(SECOND * 300).await;
    assert_eq!(seen.names().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_known_here_is_no_crash_though_its_note_was_lost() {
    let shop = Shop::open().await;
    shop.order("a").await;
    let seen = shop.fails(&shop.service, Retry::after(SECOND * 30).times(3));
    sleep(SECOND).await;
    let entry = shop.entries().await.pop().unwrap();
    let value = String::from_utf8_lossy(entry.value.as_deref().unwrap()).into_owned();
    assert!(value.starts_with("attempts=1 ends=1 alone=false "), "{value}");
    // As it was when the message began alone.
    let began = value.replace("attempts=1 ends=1 alone=false", "attempts=0 ends=0 alone=true");
    let bucket = bucket_name(shop.app.domain(), crate::ids::ATTEMPTS);
    let (transport, expected) = (shop.messaging.transport(), crate::transport::Expected::Any);
    transport.bucket_put(&bucket, &entry.key, Some(began.into()), expected, SECOND).await.unwrap();
    sleep(SECOND * 300).await;
    assert_eq!(seen.names().len(), 3);
    assert_eq!(shop.dead().await[0].0.reason, "no stock");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_delivered_twice_is_worked_on_once_at_a_time() {
    let shop = Shop::with(Faults::seeded(3).deliver_twice(0.8)).await;
    let (now, most) = (Arc::new(Mutex::new(BTreeMap::<String, usize>::new())), Arc::new(AtomicUsize::new(0)));
    let (running, peak) = (Arc::clone(&now), Arc::clone(&most));
    let consumer = shop.messaging.consumer("c").of::<Order>();
    consumer
        .start(&shop.service, move |message| {
            let name = message.read(|order| Ok(order.get_name()?.to_string()?)).unwrap();
            let running = Arc::clone(&running);
            let mut all = running.lock();
            let count = all.entry(name.clone()).or_default();
            *count += 1;
            peak.fetch_max(*count, Ordering::SeqCst);
            drop(all);
            async move {
                sleep(SECOND).await;
                *running.lock().get_mut(&name).unwrap() -= 1;
                Ok(Done)
            }
        })
        .unwrap();
    shop.orders(&["a", "b", "c"]).await;
    sleep(SECOND * 60).await;
    assert_eq!((now.lock().len(), most.load(Ordering::SeqCst)), (3, 1));
    assert_eq!(shop.left().await, (0, 0));
}
