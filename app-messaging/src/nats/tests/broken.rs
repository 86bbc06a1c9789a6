//! What answers is no server, or one that has lost its mind: an error in words, never a hang or a panic.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Answers every connection with these bytes. It listens as long as the returned task is not dropped.
async fn answers(bytes: &'static [u8], stays: bool) -> (String, tokio::task::JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let mut open = Vec::new();
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { break };
            let _ = stream.write_all(bytes).await;
            let mut heard = [0; 4096];
            if bytes.starts_with(b"INFO") {
                // The greeting of the client.
                let _ = stream.read(&mut heard).await;
                let _ = stream.write_all(b"PONG\r\n").await;
            }
            if stays {
                open.push(stream);
            }
        }
    });
    (url, tasks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_in_place_of_a_server_is_a_reason_and_the_service_lives() {
    for (bytes, stays) in [
        (&b""[..], false),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", false),
        (b"INFO\r\n", false),
        (b"INFO {\r\n", true),
        (b"INFO {\"max_payload\": -1}\r\n", true),
        (b"-ERR\r\n", true),
        (b"-ERR 'Authorization Violation'\r\n", true),
        (b"MSG a 1 99999999999999999999\r\n", true),
        (b"MSG a 1 18446744073709551615\r\n", true),
        (b"HMSG a 1 9 3\r\n", true),
        (b"\xff\xfe\r\n", true),
        (b"\0\0\0\0\0\0\0\0", false),
    ] {
        let (url, _tasks) = answers(bytes, stays).await;
        let config = MessagingConfig { connect_timeout: Duration::from_millis(500), ..config_of(&url) };
        let stand = stand(&config).await;
        let shown = String::from_utf8_lossy(bytes).into_owned();
        assert!(!stand.is_connected(), "{shown:?}");
        let trouble = stand.trouble();
        assert!(trouble.starts_with("no NATS server can be used: 127.0.0.1:"), "{shown:?}: {trouble}");
        assert!(!trouble.contains(['\r', '\n', '\0']), "{shown:?}: {trouble:?}");
        assert!(stand.service.alive(), "{shown:?}");
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_at_its_inbox_is_not_used() {
    let info =
        b"INFO {\"server_id\":\"x\",\"version\":\"2.9.10\",\"max_payload\":1048576,\"headers\":true}\r\n";
    let (url, _tasks) = answers(info, true).await;
    let config = MessagingConfig { connect_timeout: Duration::from_millis(500), ..config_of(&url) };
    let stand = stand(&config).await;
    assert!(!stand.is_connected());
    assert!(stand.trouble().contains("nothing arrived at its inbox"), "{}", stand.trouble());
    stand.ends().await;
}

/// A server between a client and a real server, which can say what it likes to the client.
async fn between(
    server: &NatsServer,
) -> (String, tokio::sync::mpsc::Sender<&'static [u8]>, tokio::task::JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let (says, mut said) = tokio::sync::mpsc::channel::<&'static [u8]>(8);
    let address = server.address();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        loop {
            let Ok((client, _)) = listener.accept().await else { break };
            let Ok(server) = tokio::net::TcpStream::connect(address).await else { break };
            let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                (client.into_split(), server.into_split());
            let up = tokio::io::copy(&mut from_client, &mut to_server);
            let down = async {
                let mut buffer = vec![0; 64 << 10];
                loop {
                    tokio::select! {
                        read = from_server.read(&mut buffer) => match read {
                            Ok(0) | Err(_) => break,
                            Ok(read) => if to_client.write_all(&buffer[..read]).await.is_err() { break },
                        },
                        Some(bytes) = said.recv() => {
                            let _ = to_client.write_all(bytes).await;
                        }
                    }
                }
            };
            tokio::select! {
                _ = up => {}
                () = down => {}
            }
        }
    });
    (url, says, tasks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_talks_nonsense_later_is_left_and_connected_anew() {
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start();
    for bytes in [
        &b"BLAH\r\n"[..],
        b"-ERR\r\n",
        b"MSG _INBOX.x 1 18446744073709551615\r\n",
        b"HMSG a 1 20 20\r\nNATS/1.0\r\n\xff\xff: \xff\r\n\r\n\r\n",
        b"INFO nothing\r\n",
    ] {
        let (url, says, _tasks) = between(&server).await;
        let stand = stand(&config_of(&url)).await;
        stand.connects().await;
        let mut subscription = stand.nats.subscribe("a".to_owned(), None, 8).await.unwrap();
        says.send(bytes).await.unwrap();
        let shown = String::from_utf8_lossy(bytes).into_owned();
        until(&format!("loss after {shown:?}"), || stand.log().contains("the connection to NATS is lost"))
            .await;
        stand.connects().await;
        stand.nats.publish(message("a", "1")).await.unwrap();
        tokio::time::timeout(PATIENCE, subscription.messages.recv()).await.unwrap().unwrap();
        assert!(stand.service.alive(), "{shown:?}");
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_makes_no_sense_is_an_error_of_that_call_alone() {
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start();
    let stand = stand(&config_of(&server.url())).await;
    let mut asked = stand.nats.subscribe("nonsense".to_owned(), None, 8).await.unwrap();
    let answers = async {
        let one = asked.messages.recv().await.unwrap();
        stand.nats.publish(message(one.reply.as_deref().unwrap(), "no acknowledgement")).await.unwrap();
    };
    let (stored, ()) = tokio::join!(stand.nats.store(message("nonsense", "1"), SOON), answers);
    let failed = stored.unwrap_err().to_string();
    assert!(failed.contains("what answered on nonsense is no stream"), "{failed}");
    assert!(stand.is_connected());
    stand.ends().await;
}
