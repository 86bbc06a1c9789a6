//! Buckets that were lost and made anew, and streams that were made while a server of their cluster was away.

use serde_json::Value;

use super::*;
use crate::transport::{BucketConfig, CopiesOf, Expected};

fn bucket(name: &str) -> BucketConfig {
    BucketConfig {
        name: name.to_owned(),
        history: 1,
        max_value_bytes: 100,
        max_age: Duration::ZERO,
        max_bytes: 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_when_another_bucket_has_the_name() {
    for program in NatsProgram::all() {
        let server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        until_ok("bucket", async || stand.nats.ensure_bucket(bucket("b")).await).await;
        let put = async |value: &'static str| {
            let value = Some(Bytes::from_static(value.as_bytes()));
            stand.nats.bucket_put("b", "k", value, Expected::Any, SOON).await.unwrap()
        };
        let mut watch = stand.nats.bucket_watch("b", None).await.unwrap();
        for value in ["1", "2", "3"] {
            put(value).await;
            let entry = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap();
            assert_eq!(entry.value.unwrap(), value);
        }
        let link = stand.nats.link().unwrap();
        let deleted = api::try_call(&link, "STREAM.DELETE.KV_b", &Value::Null, SOON).await;
        deleted.unwrap().unwrap();
        stand.nats.ensure_bucket(bucket("b")).await.unwrap();
        assert_eq!(put("4").await, 1, "its revisions begin again");
        let ended = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap();
        assert_eq!(ended, None);
        let mut watch = stand.nats.bucket_watch("b", None).await.unwrap();
        let entry = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(entry.value.unwrap(), "4");
        drop(link);
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_while_a_server_was_away_gets_its_copies_when_it_is_back() {
    for program in NatsProgram::all() {
        let mut cluster = program.start_cluster();
        cluster.servers[2].stop();
        let stand = stand(&config_of(&cluster.servers[0].url())).await;
        stand.connects().await;
        // A server learns after a moment that another one is gone. Before, it plans with it.
        let made = async || {
            stand.nats.put_stream(stream("s"), false).await?;
            let copies = stand.nats.stream_info("s").await?.config.replicas;
            if copies == 1 {
                return Ok(());
            }
            let link = stand.nats.link()?;
            let _ = api::try_call(&link, "STREAM.DELETE.s", &Value::Null, SOON).await;
            Err(TransportError::NoAnswer)
        };
        until_ok("stream with one copy", made).await;
        until_ok("bucket", async || stand.nats.ensure_bucket(bucket("b")).await).await;
        assert!(stand.log().contains("a bucket has too few copies"), "{}", stand.log());
        let all = [CopiesOf::Stream("s"), CopiesOf::Bucket("b")];
        for of in all {
            let why = stand.nats.raise_copies(of, true).await.unwrap().unwrap();
            assert!(why.contains("has 1 of 3 copies in its cluster"), "{why}");
        }
        cluster.servers[2].restart();
        for of in all {
            let raised = async || match stand.nats.raise_copies(of, true).await? {
                None => Ok(()),
                Some(why) => Err(TransportError::Refused(why)),
            };
            until_ok("copies", raised).await;
        }
        assert_eq!(stand.nats.stream_info("s").await.unwrap().config.replicas, 3);
        assert_eq!(stand.nats.stream_info("KV_b").await.unwrap().config.replicas, 3);
        stand.ends().await;
    }
}
