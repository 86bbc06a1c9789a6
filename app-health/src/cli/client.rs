//! The part of HTTP that asking a probe needs, with a timeout and a limit of the length.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use serde_json::Value;

/// No report is longer. A byte of JSON may take eighty bytes of memory.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// Asks for `path`. Returns the status and the document of the answer.
///
/// # Errors
/// If no answer arrives within `timeout`, or the answer is not HTTP with JSON.
pub(super) fn get(address: SocketAddr, path: &str, timeout: Duration) -> io::Result<(u16, Value)> {
    let deadline = Instant::now().checked_add(timeout);
    let left = || match deadline {
        None => Ok(timeout),
        Some(deadline) => Some(deadline.saturating_duration_since(Instant::now()))
            .filter(|left| !left.is_zero())
            .ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "timed out")),
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    // HTTP 1.0: the answer comes in one piece and ends with the connection.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut buffer) {
            Ok(0) => return parse(&answer),
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The system's own text, "try again", would mislead.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => drop(left()?),
            Err(error) => return Err(error),
        }
        if answer.len() > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is longer than 2 MiB"));
        }
    }
}

fn parse(answer: &[u8]) -> io::Result<(u16, Value)> {
    let parsed = || {
        let answer = std::str::from_utf8(answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let mut words = head.strip_prefix("HTTP/1.")?.split(' ');
        let status = words.nth(1)?.lines().next()?.parse().ok()?;
        Some((status, serde_json::from_str(body).ok()?))
    };
    parsed().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not from a probe"))
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// The result of a question whose server sends `answer`.
    fn answered(answer: &'static [u8], timeout: Duration) -> io::Result<(u16, Value)> {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /x HTTP/1.0\r\n"));
            stream.write_all(answer).unwrap();
            // Without an answer, wait until the client closes the connection.
            if answer.is_empty() {
                drop(stream.read(&mut request))
            }
        });
        let result = get(address, "/x", timeout);
        server.join().unwrap();
        result
    }

    #[test]
    fn an_answer_is_its_status_and_its_document() {
        let (status, document) =
            answered(b"HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\n{\"a\": 1}", PATIENCE).unwrap();
        assert_eq!((status, document["a"].as_u64()), (503, Some(1)));
    }

    #[test]
    fn what_is_no_answer_of_a_probe_is_an_error() {
        for answer in
            [&b"HTTP/1.1 200 OK\r\n\r\nfine"[..], b"HTTP/1.1 OK\r\n\r\n{}", b"SSH-2.0\r\n\r\n{}", b"\xff"]
        {
            assert_eq!(answered(answer, PATIENCE).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn a_server_that_says_nothing_is_waited_for_no_longer_than_was_said() {
        let error = answered(b"", Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    }
}
