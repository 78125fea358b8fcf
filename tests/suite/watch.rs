//! `groklab watch` from outside: a page that follows a run on its way, and a server that is hard to misuse.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// A process that is ended with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(dir: &Path, args: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_groklab"));
    command.args(args).current_dir(dir).stdout(Stdio::piped()).stderr(Stdio::null());
    Process(command.spawn().unwrap())
}

/// A server for `results`, and its port.
fn watch(dir: &Path) -> (Process, u16) {
    let mut process = start(dir, &["watch", "results"]);
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.split_once('/')).unwrap().0;
    (process, port.parse().unwrap())
}

/// What comes back for these bytes.
fn raw(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    super::text(&answer)
}

fn get(port: u16, path: &str) -> (u16, String) {
    let answer = raw(port, format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {answer}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn state(port: u16) -> serde_json::Value {
    serde_json::from_str(&get(port, "/state").1).unwrap()
}

#[test]
fn the_page_follows_a_run_that_is_on_its_way() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("results")).unwrap();
    let (_server, port) = watch(dir.path());
    // nothing is there yet: the page waits
    assert!(get(port, "/").1.contains("No evaluation yet"));
    assert_eq!((&state(port)["runs"], state(port)["live"].as_array().unwrap().len()), (&0.into(), 0));

    let long =
        super::two_runs().replace("max_epochs\" = 3", "max_epochs\" = 1000000").replace("[0, 1]", "[0]");
    fs::write(dir.path().join("small.toml"), long).unwrap();
    let sweep = start(dir.path(), &["sweep", "small.toml"]);
    let begun = Instant::now();
    let at = |state: &serde_json::Value| state["live"][0]["at"].as_u64().unwrap_or(0);
    let past = |epoch: u64| loop {
        let state = state(port);
        if at(&state) > epoch {
            break state;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{state}");
        sleep(Duration::from_millis(100));
    };
    // further than epoch 2 nothing was saved: the first save after it comes after a minute, or at a milestone
    let first = past(10);
    let live = &first["live"][0];
    assert_eq!((&live["experiment"], &live["round"]), (&"small".into(), &"epoch".into()));
    assert_eq!(live["most"], 1_000_000);
    let names: Vec<_> = live["followed"].as_array().unwrap().iter().map(|f| f["name"].clone()).collect();
    assert_eq!(names, ["acc", "LAR"]);
    assert_eq!(live["followed"][1]["curve"].as_str().unwrap().chars().count(), 8);
    let id = live["run"].as_str().unwrap().to_owned();
    let evaluations = |page: &str| {
        let (_, rest) = page.split_once("\"epochs\":").unwrap();
        let epochs: Vec<[u64; 3]> =
            serde_json::Deserializer::from_str(rest).into_iter().next().unwrap().unwrap();
        epochs.iter().map(|[_, _, count]| count).sum::<u64>()
    };
    let (status, page) = get(port, "/");
    assert_eq!(status, 200);
    assert!(page.contains(&id) && page.contains("connect-src 'self'") && page.contains("data-version=\""));
    let before = evaluations(&page);
    assert!(before >= 5, "{before}");
    let second = past(at(&first) + 40);
    assert_ne!(first["version"], second["version"]);
    assert!(evaluations(&get(port, "/").1) > before, "the page does not follow");
    // the files of the run are a link away, and what was vouched for so far is all that `report` shows
    let (status, config) = get(port, &format!("/runs/small/{id}/config.toml"));
    assert!(status == 200 && config.contains("d_model = 16"), "{config}");

    drop(sweep);
    let state = (0..50).map(|_| {
        sleep(Duration::from_millis(100));
        state(port)
    });
    assert!(state.into_iter().any(|state| state["live"].as_array().unwrap().is_empty()));
}

#[test]
fn hostile_requests_are_refused_and_the_server_goes_on() {
    let dir = super::sweep_small();
    let run = fs::read_dir(dir.path().join("results/small")).unwrap().map(|e| e.unwrap().path());
    let run = run.filter(|path| path.is_dir()).min().unwrap();
    let id = run.file_name().unwrap().to_str().unwrap();
    fs::write(dir.path().join("results/small/secret.toml"), "secret").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", run.join("passwd.csv")).unwrap();
    let (_server, port) = watch(dir.path());
    let host = format!("Host: 127.0.0.1:{port}\r\n\r\n");
    assert_eq!(
        get(port, &format!("/runs/small/{id}/metrics.csv")).1.as_bytes(),
        fs::read(run.join("metrics.csv")).unwrap()
    );
    for path in [
        "/..",
        "/runs",
        "/runs/small/x/metrics.csv",
        &format!("/runs/small/{id}/passwd.csv"),
        &format!("/runs/small/{id}/final.safetensors"),
        &format!("/runs/small/{id}/.lock"),
        &format!("/runs/small/{id}/../secret.toml"),
        &format!("/runs/small/{id}/..%2fsecret.toml"),
        "/runs/small/./secret.toml",
        "/runs/small//secret.toml",
        "/runs/results/small/plan.csv",
        "/runs/..%2f..%2f..%2f..%2fetc/passwd/x.csv",
        "/%00",
    ] {
        let (status, body) = get(port, path);
        assert_eq!(status, 404, "{path}: {body}");
        assert!(!body.contains("secret") && !body.contains("root:"), "{path}: {body}");
    }
    let long = format!("GET /{} HTTP/1.1\r\n{host}", "x".repeat(20_000));
    for (bytes, status) in [
        (format!("POST / HTTP/1.1\r\n{host}").into_bytes(), 405),
        (format!("GET / HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n").into_bytes(), 421),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), 400),
        (long.into_bytes(), 431),
    ] {
        let answer = raw(port, &bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    let head = raw(port, format!("HEAD / HTTP/1.1\r\n{host}").as_bytes());
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n") && head.contains("nosniff"),
        "{head}"
    );
    // connections that say nothing are let go: one that asks is answered after a while
    let idle: Vec<_> = (0..40).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let begun = Instant::now();
    let answered = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.write_all(format!("GET /state HTTP/1.1\r\n{host}").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    };
    while answered().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(30), "idle connections keep it busy");
        sleep(Duration::from_millis(200));
    }
    drop(idle);
    assert_eq!(get(port, "/").0, 200);
}

/// /proc/net/tcp and tcp6: local address and port in hexadecimal, state 0A listens.
#[cfg(target_os = "linux")]
#[test]
fn nothing_listens_on_other_addresses() {
    let dir = super::sweep_small();
    let (_server, port) = watch(dir.path());
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let listening = tables.iter().flat_map(|table| table.lines()).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, found) = fields.get(1)?.split_once(':')?;
        let is_it = u16::from_str_radix(found, 16) == Ok(port) && fields.get(3) == Some(&"0A");
        is_it.then(|| address.to_owned())
    });
    assert_eq!(listening.collect::<Vec<_>>(), ["0100007F"]);
}

#[test]
fn a_directory_that_is_not_there_is_refused() {
    super::refused(&["watch", "nowhere"], 3, "nowhere");
}
