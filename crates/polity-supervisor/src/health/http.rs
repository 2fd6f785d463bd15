//! The smallest HTTP/1.1 client that a health check needs: one GET, one status, nothing kept.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How much of an answer is read, head and body together.
pub(super) const ANSWER_LIMIT: usize = 64 * 1024;

/// How long the rest of an answer is waited for once its status is known. Closing before the
/// service has written it all resets the connection, and some services log that.
const REST_TIMEOUT: Duration = Duration::from_millis(50);

/// Sends `GET path` and says which status came back.
pub(super) async fn status(
    stream: &mut TcpStream,
    address: SocketAddr,
    path: &str,
) -> Result<u16, String> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: polity\r\naccept: */*\r\nconnection: close\r\n\r\n"
    );
    let sent = stream.write_all(request.as_bytes()).await;
    sent.map_err(|error| error.to_string())?;
    let mut answer = Vec::with_capacity(1024);
    loop {
        let skipped = informational(&answer)?;
        if let Some(status) = first_status(&answer[skipped..])? {
            let rest = read_rest(stream, ANSWER_LIMIT - answer.len());
            // The verdict stands, whether or not the rest came.
            let _ = timeout(REST_TIMEOUT, rest).await;
            return Ok(status);
        }
        if answer.len() == ANSWER_LIMIT {
            return Err(format!("no status within {ANSWER_LIMIT} bytes"));
        }
        let mut more = stream.take((ANSWER_LIMIT - answer.len()) as u64);
        match more.read_buf(&mut answer).await {
            Ok(0) => return Err("the connection was closed before an answer".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// How many leading bytes are whole 1xx heads, which come before the answer (RFC 9110, 15.2).
fn informational(answer: &[u8]) -> Result<usize, String> {
    let mut skipped = 0;
    while let Some(100..=199) = first_status(&answer[skipped..])? {
        let head = answer[skipped..].windows(4).position(|w| w == b"\r\n\r\n");
        match head {
            Some(end) => skipped += end + 4,
            // The head is not whole yet: nothing after it can be judged.
            None => return Ok(answer.len()),
        }
    }
    Ok(skipped)
}

/// The status of the head that `answer` starts with; none while its first line is not whole.
fn first_status(answer: &[u8]) -> Result<Option<u16>, String> {
    let Some(end) = answer.iter().position(|byte| *byte == b'\n') else {
        return Ok(None);
    };
    let line = String::from_utf8_lossy(&answer[..end]);
    let code = (line.strip_prefix("HTTP/1.1 ")).or_else(|| line.strip_prefix("HTTP/1.0 "));
    let status = code
        .and_then(|rest| rest.get(..3))
        .and_then(|digits| digits.parse().ok())
        .filter(|status| (100..600).contains(status));
    match status {
        Some(status) => Ok(Some(status)),
        None => Err(format!("{:?} is no status line", line.trim_end())),
    }
}

async fn read_rest(stream: &mut TcpStream, limit: usize) {
    let mut rest = stream.take(limit as u64);
    // Whatever it says, it is not looked at.
    let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: &str, expected: Result<Option<u16>, ()>) {
        let got = informational(answer.as_bytes())
            .and_then(|skipped| first_status(&answer.as_bytes()[skipped..]));
        assert_eq!(got.map_err(|_| ()), expected, "{answer:?}");
    }

    #[test]
    fn the_status_is_that_of_the_final_head() {
        check("", Ok(None));
        check("HTTP/1.1 20", Ok(None));
        check("HTTP/1.1 200 OK\r\n", Ok(Some(200)));
        check("HTTP/1.0 503\r\n", Ok(Some(503)));
        check("HTTP/1.1 103 Early Hints\r\nlink: x\r\n", Ok(None));
        let both = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 \r\n";
        check(both, Ok(Some(204)));
    }

    #[test]
    fn what_is_not_http_is_refused() {
        check("SSH-2.0-OpenSSH\r\n", Err(()));
        check("HTTP/1.1 OK\r\n", Err(()));
        check("HTTP/1.1 999 Odd\r\n", Err(()));
        check("HTTP/2 200\r\n", Err(()));
    }
}
