//! Buckets that were lost and made anew, and streams with fewer copies than their cluster has servers.

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
async fn what_has_one_copy_in_a_cluster_of_three_gets_three() {
    for program in NatsProgram::all() {
        let cluster = program.start_cluster();
        let stand = stand(&config_of(&cluster.servers[0].url())).await;
        stand.connects().await;
        // As they are made while a server is away.
        let single = |name: &str, subject: &str| {
            let subjects = vec![subject.to_owned()];
            StreamConfig { name: name.to_owned(), subjects, replicas: 1, ..stream("s") }
        };
        for (name, subject) in [("s", "s.>"), ("KV_b", "$KV.b.>")] {
            until_ok("stream", async || stand.nats.put_stream(single(name, subject), false).await).await;
        }
        let all = [CopiesOf::Stream("s"), CopiesOf::Bucket("b")];
        for of in all {
            let why = stand.nats.raise_copies(of, false).await.unwrap().unwrap();
            assert!(why.contains("has 1 of 3 copies in its cluster"), "{why}");
        }
        let raised = async |of| match stand.nats.raise_copies(of, true).await? {
            None => Ok(()),
            Some(why) => Err(TransportError::Refused(why)),
        };
        for of in all {
            until_ok("copies", async || raised(of).await).await;
        }
        for name in ["s", "KV_b"] {
            assert_eq!(stand.nats.stream_info(name).await.unwrap().config.replicas, 3, "{name}");
        }
        stand.ends().await;
    }
}
