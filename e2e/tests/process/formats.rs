//! Prometheus reads both formats. The module `prometheus` tests OpenMetrics. Here a proxy makes it read the text format 0.0.4,
//! compressed.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use svc_example::{GRANTS, QUOTA};

use crate::{files::Configs, program::PATIENCE, scraper::Scraper};

#[test]
fn prometheus_reads_the_text_format_too() {
    let configs = Configs::any_port();
    let service = configs.service().start();
    let (relay, heads) = relay_asking_for_text(service.ready());
    let Some(prometheus) = Scraper::of(relay, &[]) else { return };

    prometheus.sample("up{job=\"quota\"}", "1");
    // In this format a counter has no suffix, and Prometheus stores it without one.
    let granted = format!("{}{{rule=\"default\",outcome=\"granted\"}}", GRANTS.prometheus_name(QUOTA));
    prometheus.sample(&granted, "0");
    let head = heads.recv_timeout(PATIENCE).unwrap();
    assert!(head.contains("content-type: text/plain; version=0.0.4;"), "{head}");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    prometheus.stop();
}

/// A proxy that asks the target for the text format, with the path that it was asked for. The channel gets the head of each answer. The proxy ends when the channel
/// is dropped.
pub(crate) fn relay_asking_for_text(target: SocketAddr) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, heads) = mpsc::channel();
    // Ends with the test, which drops the channel.
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(head) = client.and_then(|client| relay(client, target)) else { continue };
            if sender.send(head).is_err() {
                break;
            }
        }
    });
    (address, heads)
}

fn relay(mut client: TcpStream, target: SocketAddr) -> io::Result<String> {
    client.set_read_timeout(Some(PATIENCE))?;
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        request.extend(byte);
    }
    let mut service = TcpStream::connect_timeout(&target, PATIENCE)?;
    service.set_read_timeout(Some(PATIENCE))?;
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or("/metrics");
    let asked = format!(
        "GET {path} HTTP/1.1\r\nHost: quota\r\nConnection: close\r\n\
         Accept: text/plain;version=0.0.4\r\nAccept-Encoding: gzip\r\n\r\n"
    );
    service.write_all(asked.as_bytes())?;
    let mut answer = Vec::new();
    service.read_to_end(&mut answer)?;
    client.write_all(&answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    Ok(String::from_utf8_lossy(&answer[..end]).into_owned())
}
