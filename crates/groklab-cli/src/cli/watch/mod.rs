//! `groklab watch`: the report of a results directory as a page that follows the runs while they train.
//!
//! Listens on the loopback address alone, answers GET and HEAD, reads the results and writes nothing.

mod request;
mod state;

use super::{
    PoolArgs,
    report::Contents,
    say,
    view::{Seen, ViewArgs},
};
use crate::{
    report::address_part,
    store::{ReadError, run_directories},
    studies::grokking::{Digests, Pooling},
};
use clap::Args;
use miette::{Context, IntoDiagnostic};
use request::{Refusal, Request};
use state::State;
use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Connections at a time.
const CONNECTIONS: usize = 32;
/// Bytes of a file that is shown at most.
const MOST: u64 = 64 << 20;
/// The state is looked up at most so often, whoever asks.
const FRESH: Duration = Duration::from_secs(1);
/// Between two versions of the page at least, and in times of what it takes to make one.
const PAUSE: Duration = Duration::from_secs(4);

/// Arguments of `groklab watch`.
#[derive(Args)]
pub struct WatchArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// An experiment (results/NAME), a directory of experiments, or one run
    dir: PathBuf,
    /// Port on the loopback address, 127.0.0.1 [default: one that is free]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    #[command(flatten)]
    pool: PoolArgs,
}

/// Serves the page until a signal ends the program.
pub fn run(args: &WatchArgs) -> miette::Result<()> {
    if !args.dir.is_dir() {
        return Err(ReadError::NoDirectory { dir: args.dir.clone() }.into());
    }
    let listen = || -> std::io::Result<_> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    };
    let (listener, port) =
        listen().into_diagnostic().wrap_err_with(|| format!("cannot listen on 127.0.0.1:{}", args.port))?;
    say(&format!("http://127.0.0.1:{port}/ follows {}; Ctrl-C ends it", args.dir.display()));
    let site = Arc::new(Site {
        dir: args.dir.clone(),
        view: args.view,
        pooling: args.pool.pooling(),
        port,
        page: Mutex::default(),
        state: Mutex::default(),
    });
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().flatten() {
        let (site, open) = (site.clone(), open.clone());
        if open.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        thread::spawn(move || {
            site.serve(stream);
            open.fetch_sub(1, Ordering::AcqRel);
        });
    }
    Ok(())
}

struct Site {
    dir: PathBuf,
    view: ViewArgs,
    pooling: Pooling,
    port: u16,
    page: Mutex<Option<Page>>,
    state: Mutex<Option<(Instant, State)>>,
}

/// The report as it was last made.
struct Page {
    version: String,
    body: Arc<Vec<u8>>,
    /// How long it took.
    took: Duration,
}

/// What is sent back.
struct Answer {
    status: u16,
    kind: &'static str,
    body: Arc<Vec<u8>>,
}

impl Answer {
    fn ok(kind: &'static str, body: Vec<u8>) -> Self {
        Self { status: 200, kind, body: Arc::new(body) }
    }

    fn refused(Refusal(status, words): Refusal) -> Self {
        Self { status, kind: "text/plain", body: Arc::new(format!("{words}\n").into_bytes()) }
    }
}

const NOTHING: Refusal = Refusal(404, "there is nothing here");

impl Site {
    /// Answers one request and closes the connection. A reader that is gone is no failure.
    fn serve(&self, mut stream: TcpStream) {
        let asked = request::read(&mut stream).and_then(|head| request::parse(&head, self.port));
        let is_head = asked.as_ref().is_ok_and(|request| request.is_head);
        let answer = match asked {
            Ok(request) => self.answer(&request),
            Err(refusal) => Answer::refused(refusal),
        };
        let _ = stream.set_write_timeout(Some(Duration::from_secs(30)));
        let _ = send(&mut stream, &answer, is_head);
    }

    fn answer(&self, request: &Request) -> Answer {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let answer = match path[..] {
            [""] => self.page(),
            ["state"] => self.asked_state(),
            ["runs", experiment, run, file] => {
                return self
                    .file(experiment, run, file)
                    .map_or_else(Answer::refused, |bytes| Answer::ok("text/plain", bytes));
            }
            _ => return Answer::refused(NOTHING),
        };
        answer.unwrap_or_else(|report| {
            let words = format!("{report:#}\n");
            Answer { status: 500, kind: "text/plain", body: Arc::new(words.into_bytes()) }
        })
    }

    /// The state, at most a second old.
    fn state(&self) -> miette::Result<State> {
        let mut last = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, state)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(state.clone());
        }
        let state = State::of(&self.dir).map_err(super::report)?;
        *last = Some((Instant::now(), state.clone()));
        Ok(state)
    }

    fn asked_state(&self) -> miette::Result<Answer> {
        let state = self.state()?;
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let took = page.as_ref().map_or(Duration::ZERO, |page| page.took);
        let mut json = serde_json::to_value(&state).into_diagnostic()?;
        json["pause"] = (PAUSE.max(10 * took).as_millis() as u64).into();
        Ok(Answer::ok("application/json", serde_json::to_vec(&json).into_diagnostic()?))
    }

    /// The report as it is now.
    fn page(&self) -> miette::Result<Answer> {
        let version = self.state()?.version;
        let mut last = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let body = match last.as_ref().filter(|page| page.version == version) {
            Some(page) => page.body.clone(),
            None => {
                let begun = Instant::now();
                let body = Arc::new(self.report(&version)?);
                *last = Some(Page { version, body: body.clone(), took: begun.elapsed() });
                body
            }
        };
        Ok(Answer { status: 200, kind: "text/html", body })
    }

    fn report(&self, version: &str) -> miette::Result<Vec<u8>> {
        let seen = match self.view.ahead(&self.dir) {
            Ok(seen) => seen,
            // planned, or begun a moment ago
            Err(ReadError::NoRuns { .. } | ReadError::NothingReadable { .. }) => {
                Seen { digests: Digests::default(), studies: Vec::new() }
            }
            Err(error) => return Err(error.into()),
        };
        let contents = Contents { seen: &seen, pooling: self.pooling, probed: &[] };
        contents.page(&address, Some(version)).map_err(super::report)
    }

    /// A table or a small text of a run's directory.
    fn file(&self, experiment: &str, run: &str, file: &str) -> Result<Vec<u8>, Refusal> {
        let is_named = |path: &Path, name: &str| path.file_name().is_some_and(|found| found == name);
        let is_text = [".csv", ".toml", ".json"].iter().any(|end| file.ends_with(end));
        let is_plain =
            !file.starts_with('.') && file.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !is_text || !is_plain {
            return Err(NOTHING);
        }
        // by comparison with what is there: no part of an address is ever put into a path
        let dirs = run_directories(&self.dir).map_err(|_| NOTHING)?;
        let is_asked = |dir: &&PathBuf| {
            is_named(dir, run) && dir.parent().is_some_and(|above| is_named(above, experiment))
        };
        let dir = dirs.iter().find(is_asked).ok_or(NOTHING)?;
        let entries = fs::read_dir(dir).map_err(|_| NOTHING)?.flatten();
        let entry = entries.into_iter().find(|entry| entry.file_name() == file).ok_or(NOTHING)?;
        // a link could lead anywhere, a pipe would block
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            return Err(NOTHING);
        }
        let mut bytes = Vec::new();
        let opened = fs::File::open(entry.path()).map_err(|_| NOTHING)?;
        opened.take(MOST).read_to_end(&mut bytes).map_err(|_| NOTHING)?;
        Ok(bytes)
    }
}

/// Where the page finds the files of a run.
fn address(dir: &Path) -> Option<String> {
    let name = |path: &Path| Some(address_part(path.file_name()?.to_str()?));
    Some(format!("/runs/{}/{}/", name(dir.parent()?)?, name(dir)?))
}

fn send(stream: &mut TcpStream, answer: &Answer, is_head: bool) -> std::io::Result<()> {
    let reason = match answer.status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    };
    let (status, kind, length) = (answer.status, answer.kind, answer.body.len());
    // the page may ask this server and nobody else; no other page may show it or read it
    write!(
        stream,
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\n\
         Allow: GET, HEAD\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n"
    )?;
    if !is_head {
        stream.write_all(&answer.body)?;
    }
    stream.flush()?;
    // what the other side still sends would else reset the connection before it has read the answer
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    std::io::copy(&mut Read::by_ref(stream).take(1 << 20), &mut std::io::sink()).map(drop)
}
