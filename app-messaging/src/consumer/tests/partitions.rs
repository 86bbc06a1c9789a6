//! Order by key over the fleet, and stale holders.

use super::*;

/// By key, whether a message runs, and the sequences that were seen.
type Seen = BTreeMap<String, (bool, Vec<u64>)>;

/// Notes the begin and the end of each message, by key. Panics when two of a key overlap.
#[derive(Clone, Default)]
struct Strict(Arc<Mutex<Seen>>);

impl Strict {
    fn begins(&self, key: &str, sequence: u64) {
        let mut all = self.0.lock();
        let (runs, seen) = all.entry(key.to_owned()).or_default();
        assert!(!std::mem::replace(runs, true), "two of key {key} at a time");
        if seen.last() != Some(&sequence) {
            seen.push(sequence);
        }
    }

    fn ends(&self, key: &str) {
        self.0.lock().get_mut(key).unwrap().0 = false;
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_keep_the_order_of_each_key_through_retries() {
    let shop = Shop::open().await;
    let strict = Strict::default();
    let notes = strict.clone();
    let consumer = shop.messaging.consumer("c").of::<Order>().partitioned().retry(Retry::after(SECOND * 90));
    let tried: Arc<Mutex<BTreeMap<u64, usize>>> = Arc::default();
    consumer
        .start(&shop.service, move |message| {
            let key = message.read(|order| Ok(order.get_name()?.to_string()?)).unwrap();
            let sequence = message.stream_sequence().unwrap();
            notes.begins(&key, sequence);
            let mut tried = tried.lock();
            let times = tried.entry(sequence).or_default();
            *times += 1;
            let fails = sequence % 5 == 0 && *times == 1;
            let notes = notes.clone();
            async move {
                sleep(Duration::from_millis(50)).await;
                notes.ends(&key);
                if fails { Err(failed("not yet")) } else { Ok(Done) }
            }
        })
        .unwrap();
    for number in 0..60 {
        shop.order(&format!("key-{}", number % 12)).await;
    }
    sleep(SECOND * 3600).await;
    let all = strict.0.lock().clone();
    assert_eq!(all.len(), 12);
    for (key, (_, seen)) in all.iter() {
        assert!(seen.len() == 5 && seen.is_sorted(), "{key}: {seen:?}");
    }
    let consumers =
        shop.messaging.transport().consumers(&stream_name(shop.app.domain(), ORDERS.id())).await.unwrap();
    assert_eq!(consumers.len(), 16);
    for (partition, info) in consumers.iter().enumerate() {
        assert_eq!(info.config.name, format!("{SHOP}_c_{partition:x}"));
        assert!(info.config.filter.as_ref().unwrap().ends_with(&format!(".{partition:x}.*")));
        assert_eq!((info.config.max_ack_pending, info.state.pending, info.state.ack_pending), (1, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_type_without_a_key_has_no_partitions() {
    let shop = Shop::open().await;
    let consumer = shop.messaging.consumer("c").of::<Order>().of::<Return>().partitioned();
    let told = consumer.start(&shop.service, |_| async { Ok(Done) }).unwrap_err().to_string();
    assert!(
        told.contains("message return (73cd2e50b6f9418a) has no key; declare the type with `key`"),
        "{told}"
    );
    let consumer = shop.messaging.consumer("c").of::<Order>().partitioned().ordered();
    let told = consumer.start(&shop.service, |_| async { Ok(Done) }).unwrap_err().to_string();
    assert!(told.contains("it is ordered and partitioned; choose one"), "{told}");
    shop.messaging
        .consumer("c")
        .of::<Order>()
        .partitioned()
        .start(&shop.service, |_| async { Ok(Done) })
        .unwrap();
    let taken = shop.messaging.consumer("c_3").of::<Order>();
    let told = taken.start(&shop.service, |_| async { Ok(Done) }).unwrap_err().to_string();
    assert!(told.contains("_c_3 in the server; give one of them another name"), "{told}");
}

/// Cuts the connection off for longer than the ack wait while a handler runs. Returns when it ended, or was cancelled.
async fn holder(cut: bool) -> (usize, Vec<u64>) {
    struct Ends(Arc<Mutex<Vec<u64>>>, Instant);
    impl std::ops::Drop for Ends {
        fn drop(&mut self) {
            self.0.lock().push(self.1.elapsed().as_millis() as u64);
        }
    }
    let shop = Shop::open().await;
    let (began, ends): (Arc<AtomicUsize>, Arc<Mutex<Vec<u64>>>) = Default::default();
    let (counts, notes) = (Arc::clone(&began), Arc::clone(&ends));
    let consumer = shop.messaging.consumer("c").of::<Order>().ordered().ack_wait(SECOND * 8);
    consumer
        .start(&shop.service, move |_| {
            let first = counts.fetch_add(1, Ordering::SeqCst) == 0;
            let ends = Ends(Arc::clone(&notes), Instant::now());
            async move {
                let ends = ends;
                sleep(if first { SECOND * 30 } else { SECOND }).await;
                drop(ends);
                Ok(Done)
            }
        })
        .unwrap();
    shop.order("a").await;
    sleep(SECOND).await;
    if cut {
        shop.messaging.transport().cut_off(SECOND * 60);
    }
    sleep(SECOND * 29).await;
    let seen = (began.load(Ordering::SeqCst), ends.lock().clone());
    sleep(SECOND * 120).await;
    assert_eq!(shop.left().await, (0, 0), "in the end it is handled");
    seen
}

#[tokio::test(start_paused = true)]
async fn a_stale_holder_is_cancelled_before_another_gets_the_message() {
    let (began, ends) = holder(true).await;
    assert_eq!((began, ends.len()), (1, 1));
    assert!((7_000..8_000).contains(&ends[0]), "inside of the ack wait of 8 s: {ends:?}");
    let (began, ends) = holder(false).await;
    assert_eq!((began, ends.len()), (1, 0), "with signs of life it goes on");
}
