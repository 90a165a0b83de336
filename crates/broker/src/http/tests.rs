//! The endpoints, asked through a socket by plain bytes.

mod login;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::authentication::Guard;
use super::router::MAX_BODY_BYTES;
use super::server::{HEAD_TIMEOUT, Limits};
use super::*;
use crate::tasks::Drained;
use crate::telemetry::metrics::MetricsOptions;

const LIMITS: Limits = Limits { connections: 64, head_timeout: HEAD_TIMEOUT };
const SOON: Duration = Duration::from_secs(10);
struct Fixture {
    tasks: Tasks,
    readiness: Readiness,
    metrics: Metrics,
    address: SocketAddr,
}

impl Fixture {
    async fn start() -> Self {
        Self::start_within(LIMITS).await
    }

    async fn start_within(limits: Limits) -> Self {
        Self::start_with(limits, Routes::new).await
    }

    async fn start_with(limits: Limits, routes: impl FnOnce(Endpoints, &Tasks) -> Routes) -> Self {
        let tasks = Tasks::new();
        let readiness = Readiness::new(&["storage", "listeners"]);
        let metrics = Metrics::new(MetricsOptions {
            api_names: vec!["Produce"],
            error_name: |_| "NONE",
            max_series: 1000,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (access, scram_users, audit) = (HttpAccess::Open, ScramUsers::default(), Audit::default());
        let endpoints =
            Endpoints { metrics: metrics.clone(), readiness: readiness.clone(), access, scram_users, audit };
        server::serve(limits, &tasks, vec![listener], routes(endpoints, &tasks), None, Audit::default());
        Self { tasks, readiness, metrics, address }
    }

    async fn send(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut answer = Vec::new();
        // A server that refuses early may reset; whatever it said before counts.
        let _ = stream.write_all(bytes).await;
        let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("closes in time");
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        self.ask_as(method, path, "").await
    }

    /// With that header line more.
    async fn ask_as(&self, method: &str, path: &str, header: &str) -> (u16, String, String) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{header}Connection: close\r\n\r\n");
        let answer = self.send(request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer: {answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }
}

#[tokio::test]
async fn readyz_follows_every_check_and_names_them() {
    let http = Fixture::start().await;
    let (status, _, body) = http.ask("GET", "/readyz").await;
    assert_eq!(
        (status, body.as_str()),
        (503, "[-] storage failed: not started\n[-] listeners failed: not started\nnot ready\n")
    );
    http.readiness.pass("storage");
    http.readiness.warn("exposed", "PLAINTEXT has no logins");
    assert_eq!(http.ask("GET", "/readyz").await.0, 503);
    http.readiness.pass("listeners");
    assert_eq!(http.ask("GET", "/readyz").await.2, "ready\n");
    assert_eq!(
        http.ask("GET", "/readyz?a=b&verbose").await.2,
        "[+] storage ok\n[+] listeners ok\n[!] exposed: PLAINTEXT has no logins\nready\n"
    );
    http.readiness.fail("shutdown", "stopping");
    let (status, _, body) = http.ask("GET", "/readyz?verbose=1").await;
    assert_eq!((status, body.contains("[-] shutdown failed: stopping")), (503, true));
    assert_eq!(http.ask("GET", "/livez").await.0, 200, "alive all the while");
    assert_eq!(http.ask("GET", "/healthz").await.0, 200);
}

#[tokio::test]
async fn metrics_are_served_as_prometheus_text() {
    let http = Fixture::start().await;
    http.metrics.topic("orders").bytes_in.add(42);
    let (status, head, body) = http.ask("GET", "/metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("kafka_server_brokertopicmetrics_bytesin_total{topic=\"orders\"} 42\n"), "{body}");
    let (status, head, body) = http.ask("HEAD", "/metrics").await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("content-length: "), "{head}");
}

/// As Prometheus asks: 6 MB of text for 8 000 partitions went uncompressed.
#[tokio::test]
async fn metrics_are_compressed_for_a_scraper_that_offers_gzip() {
    let http = Fixture::start().await;
    for number in 0..100 {
        http.metrics.topic(&format!("orders-{number}")).bytes_in.add(42);
    }
    let plain = http.ask("GET", "/metrics").await.2;
    let mut stream = TcpStream::connect(http.address).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    assert!(
        head.contains("content-encoding: gzip\r\n") && head.contains("vary: accept-encoding\r\n"),
        "{head}"
    );
    assert!((answer.len() - end) * 5 < plain.len(), "{} of {}", answer.len(), plain.len());
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&answer[end..]);
    std::io::Read::read_to_string(&mut decoder, &mut text).unwrap();
    let series = |text: &str| text.lines().filter(|line| line.starts_with("kafka_server_broker")).count();
    assert_eq!(series(&text), series(&plain));
}

#[tokio::test]
async fn panicking_source_costs_one_answer_not_the_server() {
    let http = Fixture::start().await;
    http.metrics.set_source(Arc::new(|| panic!("source")));
    assert_eq!(http.ask("GET", "/metrics").await.0, 500);
    assert_eq!(http.ask("GET", "/livez").await.0, 200);
    assert_eq!(http.tasks.panics(), 1);
}

#[tokio::test]
async fn refuses_other_methods_whatever_the_path_and_names_those_it_takes() {
    let http = Fixture::start().await;
    for (method, path) in
        [("POST", "/metrics"), ("DELETE", "/"), ("OPTIONS", "*"), ("BREW", "/readyz"), ("PUT", "/nope")]
    {
        let (status, head, body) = http.ask(method, path).await;
        assert_eq!((status, body.as_str()), (405, "only GET and HEAD\n"), "{method} {path}");
        assert!(head.contains("\r\nallow: get, head\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{head}");
        assert!(
            head.contains("\r\ncache-control: no-store\r\n") && head.contains("\r\ncontent-length: 18\r\n"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let http = Fixture::start().await;
    for path in
        ["/nope", "/metrics/", "//metrics", "/%6detrics", "/METRICS", "/{page}", "/livez/../metrics", "*"]
    {
        let (status, head, body) = http.ask("GET", path).await;
        assert_eq!((status, body.as_str()), (404, "no such page; try /metrics, /livez, /readyz\n"), "{path}");
        assert!(head.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{head}");
        assert!(head.contains("\r\ncache-control: no-store\r\n"), "{head}");
    }
    let (status, head, body) = http.ask("HEAD", "/nope").await;
    assert_eq!((status, body.as_str()), (404, ""));
    assert!(head.contains("\r\ncontent-length: 44"), "{head}");
    assert_eq!(http.ask("GET", "http://x/livez").await.2, "ok\n", "as through a proxy");
    assert_eq!(http.ask("GET", "/").await.2, "Ottla: /metrics /livez /readyz?verbose\n");
}

/// As a later part does that takes bodies.
fn echo(endpoints: Endpoints, tasks: &Tasks) -> Routes {
    let guard = Guard::new(&endpoints, tasks);
    Routes::merge(Router::new().route("/echo", post(|body: Bytes| async move { body })), guard)
}

#[tokio::test]
async fn large_body_is_refused_where_a_route_reads_it() {
    let http = Fixture::start_with(LIMITS, echo).await;
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let sized = |length: usize| format!("{head}Content-Length: {length}\r\n\r\n{}", "a".repeat(length));
    let chunk = |length: usize| {
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{}", "a".repeat(length))
    };
    for request in [sized(MAX_BODY_BYTES), chunk(MAX_BODY_BYTES) + "\r\n0\r\n\r\n"] {
        let answer = http.send(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.len() > MAX_BODY_BYTES, "{}", answer.len());
    }
    // The chunk is the last thing sent: a reset for unread bytes could take the answer with it.
    for request in [sized(MAX_BODY_BYTES + 1), chunk(MAX_BODY_BYTES + 1)] {
        let answer = http.send(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{}", &answer[..answer.len().min(200)]);
    }
    let (status, head, body) = http.ask("GET", "/echo").await;
    assert_eq!((status, body.as_str()), (405, "only POST\n"));
    assert!(head.contains("\r\nallow: post\r\n"), "{head}");
}

/// The claimed body never comes: an answer that waited for it would take as long as the connection lives.
#[tokio::test]
async fn refusal_does_not_wait_for_a_body() {
    let http = Fixture::start().await;
    let answer =
        http.send(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1099511627776\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test]
async fn hostile_bytes_are_refused_and_harmless() {
    let http = Fixture::start().await;
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(500));
    let kafka = b"\x00\x00\x00\x1a\x00\x12\x00\x03\x00\x00\x00\x01\x00\x04test\x00\x00\x00\x00\x00";
    let cases: [&[u8]; 5] = [&[0xff; 64], b"GET\r\n\r\n", kafka, long.as_bytes(), many.as_bytes()];
    for bytes in cases {
        let answer = http.send(bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:?}");
    }
    assert_eq!(http.ask("GET", "/livez").await.0, 200);
    assert_eq!(http.tasks.panics(), 0);
}

#[tokio::test]
async fn silent_connections_are_closed_and_free_their_place() {
    let http =
        Fixture::start_within(Limits { connections: 2, head_timeout: Duration::from_millis(50) }).await;
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(TcpStream::connect(http.address).await.unwrap());
    }
    silent[0].write_all(b"GET /livez HT").await.unwrap();
    for stream in &mut silent {
        let closed = tokio::time::timeout(SOON, stream.read(&mut [0; 256])).await.expect("closed in time");
        assert_eq!(closed.unwrap_or(0), 0);
    }
    assert_eq!(http.ask("GET", "/livez").await.0, 200);
}

/// 50 requests whose heads were never finished kept everyone else from the listener, `/livez` included.
#[tokio::test]
async fn half_open_requests_give_way_to_others() {
    let http = Fixture::start_within(Limits { connections: 4, head_timeout: 2 * SOON }).await;
    let mut half_open = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(http.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        half_open.push(stream);
    }
    for _ in 0..10 {
        assert_eq!(http.ask("GET", "/livez").await.0, 200);
    }
    let closed = tokio::time::timeout(SOON, half_open[0].read(&mut [0; 256])).await.expect("the oldest went");
    assert_eq!(closed.unwrap_or(0), 0);
}

/// One such client made every stop a forced one, with exit code 3.
#[tokio::test]
async fn half_open_request_does_not_hold_a_stop_up() {
    let http = Fixture::start().await;
    let mut stream = TcpStream::connect(http.address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    // Answered after the other was accepted.
    assert_eq!(http.ask("GET", "/livez").await.0, 200);
    assert_eq!(http.tasks.drain(Duration::from_secs(4)).await, Drained::Clean);
}

#[tokio::test]
async fn stops_with_an_idle_connection_open() {
    let http = Fixture::start().await;
    let mut idle = TcpStream::connect(http.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 256]).await.unwrap() > 0);
    assert_eq!(http.tasks.drain(SOON).await, Drained::Clean);
    assert!(TcpStream::connect(http.address).await.is_err());
}
