//! What a browser asks for, read from a connection that may be anything: short, plain, of this address, or refused.
//!
//! Only what RFC 9112 requires of GET and HEAD without a body is understood. The name that is asked for must be that of the
//! loopback address, so that a page of the web whose name leads here (DNS rebinding) reads nothing.

use std::{
    io::Read,
    net::TcpStream,
    time::{Duration, Instant},
};

/// Bytes of a request line and its fields at most.
const MOST: usize = 8 << 10;
/// Time for all of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whether only the head of the answer is asked for.
    pub is_head: bool,
    /// The path, its parts decoded.
    pub path: Vec<String>,
}

/// Why a request is refused: status and words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub u16, pub &'static str);

const MALFORMED: Refusal = Refusal(400, "not a request that this program understands");

/// Reads the head of a request.
pub fn read(stream: &mut TcpStream) -> Result<Vec<u8>, Refusal> {
    const LATE: Refusal = Refusal(408, "the request took too long");
    let begun = Instant::now();
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if head.len() >= MOST {
            return Err(Refusal(431, "the request is too long"));
        }
        // a byte now and then must not hold a connection for long
        let left = PATIENCE.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()).ok_or(LATE)?;
        stream.set_read_timeout(Some(left)).map_err(|_| MALFORMED)?;
        match stream.read(&mut part) {
            Ok(0) => return Err(MALFORMED),
            Ok(count) => head.extend_from_slice(&part[..count]),
            Err(_) => return Err(LATE),
        }
    }
    Ok(head)
}

/// What `head` asks of the server on `port`.
pub fn parse(head: &[u8], port: u16) -> Result<Request, Refusal> {
    let end = head.windows(4).position(|four| four == b"\r\n\r\n").ok_or(MALFORMED)?;
    let is_plain = |byte: &u8| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~');
    let text = std::str::from_utf8(&head[..end]).ok().filter(|text| text.bytes().all(|b| is_plain(&b)));
    let mut lines = text.ok_or(MALFORMED)?.split("\r\n");
    let first: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, version] = first[..] else { return Err(MALFORMED) };
    if !["HTTP/1.1", "HTTP/1.0"].contains(&version) {
        return Err(if version.starts_with("HTTP/") {
            Refusal(505, "HTTP/1.1 is spoken here")
        } else {
            MALFORMED
        });
    }
    let mut host = None;
    for line in lines {
        // neither a folded line nor space before the colon: RFC 9112, 5.1 and 5.2
        let (name, value) = line.split_once(':').ok_or(MALFORMED)?;
        if name.is_empty()
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            || line.contains(['\r', '\n'])
        {
            return Err(MALFORMED);
        }
        if name.eq_ignore_ascii_case("host") && host.replace(value.trim()).is_some() {
            return Err(MALFORMED);
        }
    }
    let is_ours = |host: &str| {
        [format!("127.0.0.1:{port}"), format!("localhost:{port}")].contains(&host.to_ascii_lowercase())
    };
    match host {
        None => return Err(MALFORMED),
        Some(host) if !is_ours(host) => {
            return Err(Refusal(421, "this is served on the loopback address only"));
        }
        Some(_) => {}
    }
    if !["GET", "HEAD"].contains(&method) {
        return Err(Refusal(405, "only GET and HEAD are answered"));
    }
    let path = target.strip_prefix('/').ok_or(MALFORMED)?;
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let path = path.split('/').map(decoded).collect::<Option<Vec<_>>>().ok_or(MALFORMED)?;
    Ok(Request { is_head: method == "HEAD", path })
}

/// A part of a path without its percent signs; none if they are none, or what is left is no text.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.get(..2).filter(|two| two.iter().all(u8::is_ascii_hexdigit))?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(first: &str, fields: &str) -> Result<Request, u16> {
        parse(format!("{first}\r\n{fields}\r\n").as_bytes(), 8017).map_err(|Refusal(status, _)| status)
    }

    #[test]
    fn a_browsers_request_is_understood() {
        let fields = "Host: 127.0.0.1:8017\r\nUser-Agent: Mozilla/5.0 (X11)\r\nAccept: */*\r\n";
        let path = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let is = |first: &str, is_head: bool, parts: &[&str]| {
            assert_eq!(asked(first, fields), Ok(Request { is_head, path: path(parts) }), "{first}");
        };
        is("GET / HTTP/1.1", false, &[""]);
        is("HEAD /state?x=1 HTTP/1.0", true, &["state"]);
        is("GET /runs/a%20b/x%C2%B3/metrics.csv HTTP/1.1", false, &["runs", "a b", "x³", "metrics.csv"]);
        assert!(asked("GET / HTTP/1.1", "HOST: LocalHost:8017\r\n").is_ok());
    }

    #[test]
    fn what_is_hostile_is_refused() {
        let host = "Host: 127.0.0.1:8017\r\n";
        for (first, fields, status) in [
            ("GET /", host, 400),
            ("GET / HTTP/1.1 x", host, 400),
            ("", host, 400),
            ("GET  / HTTP/1.1", host, 400),
            ("GET / HTTP/2", host, 505),
            ("GET / http/1.1", host, 400),
            ("POST / HTTP/1.1", host, 405),
            ("get / HTTP/1.1", host, 405),
            ("CONNECT example.com:443 HTTP/1.1", host, 405),
            ("GET http://example.com/ HTTP/1.1", host, 400),
            ("GET ../etc/passwd HTTP/1.1", host, 400),
            ("GET /%zz HTTP/1.1", host, 400),
            ("GET /%f HTTP/1.1", host, 400),
            ("GET /%ff HTTP/1.1", host, 400),
            ("GET /é HTTP/1.1", host, 400),
            ("GET /\u{0} HTTP/1.1", host, 400),
            ("GET / HTTP/1.1", "", 400),
            ("GET / HTTP/1.1", "Host: 127.0.0.1:8017\r\nHost: 127.0.0.1:8017\r\n", 400),
            ("GET / HTTP/1.1", "Host : 127.0.0.1:8017\r\n", 400),
            ("GET / HTTP/1.1", "Host: 127.0.0.1:8017\r\n folded: x\r\n", 400),
            ("GET / HTTP/1.1", "Host: 127.0.0.1:8017\r\nx: a\nb: c\r\n", 400),
            ("GET / HTTP/1.1", "Host: evil.example:8017\r\n", 421),
            ("GET / HTTP/1.1", "Host: 127.0.0.1\r\n", 421),
            ("GET / HTTP/1.1", "Host: 127.0.0.1:8018\r\n", 421),
            ("GET / HTTP/1.1", "Host: 127.0.0.1:8017.evil.example\r\n", 421),
        ] {
            assert_eq!(asked(first, fields), Err(status), "{first:?} {fields:?}");
        }
    }
}
