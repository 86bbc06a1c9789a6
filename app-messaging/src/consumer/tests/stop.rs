//! The stop: nothing waits for its ack wait, and nothing is lost.

use super::*;

/// Starts a consumer whose handlers take this long, and notes what it handled to the end.
fn slow(shop: &Shop, service: &Service, takes: Duration, grace: Duration) -> Seen {
    let seen = Seen::new();
    let notes = seen.clone();
    let consumer = shop.messaging.consumer("c").of::<Order>().max_in_flight(4).stop_grace(grace);
    consumer
        .start(service, move |message| {
            let notes = notes.clone();
            async move {
                sleep(takes).await;
                notes.note(&message);
                Ok(Done)
            }
        })
        .unwrap();
    seen
}

#[tokio::test(start_paused = true)]
async fn running_handlers_finish_and_nothing_else_begins() {
    let shop = Shop::open().await;
    let seen = slow(&shop, &shop.service, SECOND * 2, SECOND * 5);
    for number in 0..20 {
        shop.order(&number.to_string()).await;
    }
    sleep(SECOND).await;
    shop.service.kill("stops");
    shop.service.wait().await.unwrap();
    assert_eq!(seen.names().len(), 4);
    assert_eq!(shop.left().await, (16, 0), "none is left without an acknowledgement");
    // The next instance goes on at once.
    let next = shop.app.new_service(SHOP, "shop");
    let seen = slow(&shop, &next, Duration::ZERO, SECOND);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(seen.names().len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_overruns_the_stop_is_cancelled_and_its_message_handed_back() {
    let shop = Shop::open().await;
    let seen = slow(&shop, &shop.service, SECOND * 60, SECOND * 2);
    shop.orders(&["a", "b"]).await;
    sleep(SECOND).await;
    let killed = Instant::now();
    shop.service.kill("stops");
    shop.service.wait().await.unwrap();
    assert!(killed.elapsed() < SECOND * 3, "{:?}", killed.elapsed());
    assert!(seen.names().is_empty());
    let next = shop.app.new_service(SHOP, "shop");
    let seen = slow(&shop, &next, Duration::ZERO, SECOND);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(seen.names().len(), 2, "none waits for its ack wait of 30 s");
}

#[tokio::test(start_paused = true)]
async fn ten_deploys_in_a_row_make_no_dead_letter_of_a_message_that_nobody_failed() {
    let shop = Shop::open().await;
    shop.orders(&["a", "b", "c"]).await;
    shop.service.kill("the first");
    for _ in 0..10 {
        let service = shop.app.new_service(SHOP, "shop");
        slow(&shop, &service, SECOND * 60, SECOND);
        sleep(SECOND).await;
        service.kill("deploy");
        service.wait().await.unwrap();
    }
    let last = shop.app.new_service(SHOP, "shop");
    let seen = slow(&shop, &last, Duration::ZERO, SECOND);
    sleep(SECOND * 5).await;
    assert_eq!(seen.names().len(), 3);
    assert!(shop.dead().await.is_empty());
    assert_eq!(shop.left().await, (0, 0));
}
