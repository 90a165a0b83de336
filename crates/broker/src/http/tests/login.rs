//! Requests to a server with a login.

use super::*;

/// With a login by a token of a file.
async fn guarded(file: &std::path::Path, limits: Limits) -> Fixture {
    let access = HttpAccess::TokensOf(file.to_owned());
    let routes = |endpoints: Endpoints, tasks: &Tasks| Routes::new(Endpoints { access, ..endpoints }, tasks);
    Fixture::start_with(limits, routes).await
}

#[tokio::test]
async fn without_a_login_only_probes_are_answered() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
    let http = guarded(file.path(), LIMITS).await;
    for path in ["/livez", "/healthz"] {
        assert_eq!(http.ask("GET", path).await.2, "ok\n", "{path}");
    }
    let (status, _, body) = http.ask("GET", "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "not ready\n"), "no reason for strangers");
    for path in [
        "/",
        "/metrics",
        "/readyz?verbose",
        "/readyz?x&verbose=1",
        "/nope",
        "/readyz/",
        "//readyz",
        "/livez/../metrics",
    ] {
        let (status, head, body) = http.ask("GET", path).await;
        assert_eq!((status, body.as_str()), (401, "log in by Bearer\n"), "{path}");
        assert!(head.contains("www-authenticate: bearer realm=\"ottla\""), "{head}");
    }
    assert_eq!(http.ask("POST", "/metrics").await.0, 401, "nor does a method tell which pages there are");
}

#[tokio::test]
async fn with_a_login_all_is_answered() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
    let http = guarded(file.path(), LIMITS).await;
    let good = "Authorization: Bearer 0123456789abcdef\r\n";
    assert_eq!(http.ask_as("GET", "/metrics", good).await.0, 200);
    assert!(http.ask_as("GET", "/readyz?verbose", good).await.2.contains("[-] storage failed: not started"));
    assert_eq!(
        http.ask_as("GET", "/readyz", good).await.2,
        "not ready\n",
        "a probe's page is the same for all"
    );
    assert_eq!(http.ask_as("GET", "/nope", good).await.0, 404);
    for wrong in
        ["Authorization: Bearer 0123456789abcdeX\r\n", "Authorization: Basic x\r\n", "Authorization: x\r\n"]
    {
        let begun = crate::clock::now();
        assert_eq!(http.ask_as("GET", "/metrics", wrong).await.0, 401, "{wrong}");
        assert!(crate::clock::now().duration_since(begun) >= Duration::from_millis(200), "guessing is slow");
        assert_eq!(http.ask_as("GET", "/livez", wrong).await.0, 200);
    }
}

/// 64 clients without a login that asked for probes now and then kept Prometheus and the probes of others out.
#[tokio::test]
async fn connections_without_a_login_give_way_however_often_they_ask() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
    let http = guarded(file.path(), Limits { connections: 3, head_timeout: 2 * SOON }).await;
    let ask = async |path: &str, header: &str| {
        let mut stream = TcpStream::connect(http.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let read = tokio::time::timeout(SOON, stream.read(&mut [0; 4096])).await.expect("an answer");
        assert!(read.unwrap() > 0, "{path}");
        stream
    };
    // Kept open, all of them.
    let mut scraper = ask("/metrics", "Authorization: Bearer 0123456789abcdef\r\n").await;
    let _strangers = [ask("/livez", "").await, ask("/metrics", "").await];
    for _ in 0..5 {
        assert_eq!(http.ask("GET", "/livez").await.0, 200);
    }
    scraper.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let read = tokio::time::timeout(SOON, scraper.read(&mut [0; 4096])).await.expect("an answer");
    assert!(read.unwrap() > 0, "a client with a login stays");
}
