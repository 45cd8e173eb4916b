//! A browser, as far as WordPress needs one: forms and files sent, cookies kept, pages read whole.
//! It follows no redirect by itself: where a form leads to is part of its answer.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{Read, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use trial::Place;

/// How long a page may take: longer than a gateway holds a statement.
const PATIENCE: Duration = Duration::from_mins(1);

/// What came back.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// Where it leads to.
    pub(crate) location: String,
    pub(crate) body: String,
}

/// What is sent.
#[derive(Debug)]
pub(crate) enum Sent<'a> {
    Nothing,
    Form(&'a [(&'a str, &'a str)]),
    /// A file's name and bytes, with the nonce that the script interface asks for.
    Image(&'a str, &'a [u8], &'a str),
    /// JSON, with such a nonce.
    Json(&'a str, &'a str),
}

/// One visitor, whatever server he is led to.
#[derive(Debug, Default)]
pub(crate) struct Browser {
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Browser {
    /// Asks for a page, in the network of this place.
    pub(crate) fn ask(
        &self,
        (place, address): (&Place, SocketAddr),
        path: &str,
        sent: &Sent<'_>,
    ) -> Result<Page> {
        let request = self.request(address, path, sent);
        // Why a thread of its own: entering a network is for good.
        let exchange = || {
            place.enter()?;
            exchange(address, &request)
        };
        let answer = thread::scope(|scope| scope.spawn(exchange).join())
            .map_err(|_| anyhow!("asking for {path} broke down"))?;
        let answer = answer.with_context(|| format!("ask for {path}"))?;
        self.read(&answer)
            .with_context(|| format!("what came for {path}"))
    }

    fn request(&self, address: SocketAddr, path: &str, sent: &Sent<'_>) -> Vec<u8> {
        let (headers, body) = match sent {
            Sent::Nothing => (String::new(), Vec::new()),
            Sent::Form(fields) => (
                "Content-Type: application/x-www-form-urlencoded\r\n".to_owned(),
                form(fields).into_bytes(),
            ),
            Sent::Image(name, bytes, nonce) => (
                format!(
                    "Content-Type: image/png\r\nX-WP-Nonce: {nonce}\r\n\
                     Content-Disposition: attachment; filename=\"{name}\"\r\n"
                ),
                bytes.to_vec(),
            ),
            Sent::Json(text, nonce) => (
                format!("Content-Type: application/json\r\nX-WP-Nonce: {nonce}\r\n"),
                text.as_bytes().to_vec(),
            ),
        };
        let method = match sent {
            Sent::Nothing => "GET",
            _ => "POST",
        };
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let cookies: Vec<String> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nCookie: {}\r\n{headers}Content-Length: {}\r\n\r\n",
            cookies.join("; "),
            body.len()
        );
        [head.into_bytes(), body].concat()
    }

    fn read(&self, answer: &[u8]) -> Result<Page> {
        let text = String::from_utf8_lossy(answer);
        let (head, body) = text.split_once("\r\n\r\n").context("no end of its head")?;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.context("no status")?.parse()?;
        let mut location = String::new();
        for line in lines {
            let Some((name, value)) = line.split_once(": ") else {
                continue;
            };
            if name.eq_ignore_ascii_case("location") {
                value.clone_into(&mut location);
            }
            if name.eq_ignore_ascii_case("set-cookie")
                && let Some((name, value)) =
                    value.split(';').next().and_then(|it| it.split_once('='))
            {
                let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(Page {
            status,
            location,
            body: body.to_owned(),
        })
    }
}

fn exchange(address: SocketAddr, request: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(!answer.is_empty(), "the web server said nothing");
    Ok(answer)
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() {
                text.push(char::from(byte));
            } else {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}
