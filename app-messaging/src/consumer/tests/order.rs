//! Order: by key, over all, and a message that runs alone.

use super::*;

#[tokio::test(start_paused = true)]
async fn messages_of_one_key_keep_their_order_through_retries() {
    let shop = Shop::open().await;
    let seen = Seen::new();
    let notes = seen.clone();
    let consumer = shop.messaging.consumer("c").of::<Order>().by_key().ack_wait(SECOND);
    consumer
        .start(&shop.service, move |message| {
            let (name, times) = notes.note(&message);
            async move {
                sleep(Duration::from_millis(100)).await;
                // The first message of this key fails twice. Its retries take longer than the ack wait.
                if name == "a" && times < 3 { Err(failed("not yet")) } else { Ok(Done) }
            }
        })
        .unwrap();
    shop.orders(&["a", "a", "b", "a", "b"]).await;
    sleep(Duration::from_millis(900)).await;
    let early = seen.names();
    assert_eq!(early.iter().filter(|name| *name == "b").count(), 2, "another key does not wait: {early:?}");
    sleep(SECOND * 20).await;
    assert_eq!(seen.names().iter().filter(|name| *name == "a").count(), 5);
    assert_eq!(shop.left().await, (0, 0));
    assert!(shop.dead().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_ordered_consumer_waits_for_the_retry_of_a_message() {
    let shop = Shop::open().await;
    let seen = Seen::new();
    let notes = seen.clone();
    let consumer = shop
        .messaging
        .consumer("c")
        .of::<Order>()
        .ordered()
        .max_in_flight(8)
        .max_ack_pending(9)
        .retry(Retry::after(SECOND * 5).times(3));
    consumer
        .start(&shop.service, move |message| {
            let (name, times) = notes.note(&message);
            async move { if name == "b" && times == 1 { Err(failed("not yet")) } else { Ok(Done) } }
        })
        .unwrap();
    shop.orders(&["a", "b", "c"]).await;
    sleep(SECOND * 20).await;
    assert_eq!(seen.names(), ["a", "b", "b", "c"]);
    assert_eq!(seen.seconds(), [0, 0, 5, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_came_twice_without_an_end_runs_alone() {
    let shop = Shop::open().await;
    shop.order("suspect").await;
    // Two instances that crashed with it.
    let (transport, stream) = (shop.messaging.transport(), stream_name(shop.app.domain(), ORDERS.id()));
    let durable = format!("{SHOP}_c");
    let config = ConsumerConfig {
        name: durable.clone(),
        filter: Some(crate::wire::filter(shop.app.domain(), SHOP, 0x62bc_1d4f_a5e8_3079.into(), None)),
        ack_wait: SECOND,
        max_ack_pending: 100,
        deliver: DeliverPolicy::All,
        release: 0,
    };
    transport.ensure_consumer(&stream, config).await.unwrap();
    for _ in 0..2 {
        let mut pull = transport.pull(&stream, &durable, 1, SECOND * 5).await.unwrap();
        assert!(pull.next().await.unwrap().is_some());
    }
    for number in 0..10 {
        shop.order(&number.to_string()).await;
    }
    let now = Arc::new(AtomicUsize::new(0));
    let beside = Arc::new(Mutex::new(BTreeMap::new()));
    let (running, noted) = (Arc::clone(&now), Arc::clone(&beside));
    let consumer = shop.messaging.consumer("c").of::<Order>().max_in_flight(4).ack_wait(SECOND * 10);
    consumer
        .start(&shop.service, move |message| {
            let name = message.read(|order| Ok(order.get_name()?.to_string()?)).unwrap();
            let (running, noted) = (Arc::clone(&running), Arc::clone(&noted));
            async move {
                running.fetch_add(1, Ordering::SeqCst);
                let mut most = 0;
                for _ in 0..10 {
                    sleep(Duration::from_millis(100)).await;
                    most = most.max(running.load(Ordering::SeqCst));
                }
                noted.lock().insert(name, most);
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(Done)
            }
        })
        .unwrap();
    sleep(SECOND * 30).await;
    let beside = beside.lock().clone();
    assert_eq!(beside.len(), 11);
    assert_eq!(beside["suspect"], 1, "{beside:?}");
    assert!(beside.values().any(|most| *most == 4), "{beside:?}");
    assert_eq!(shop.left().await, (0, 0));
}
