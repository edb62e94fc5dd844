//! Bounds on what a caller may cost, over real connections.

use std::num::NonZeroUsize;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::*;

struct Served {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
    double: Arc<Double>,
    _bucket: tempfile::TempDir,
}

const LIMITS: Limits = Limits {
    connections: NonZeroUsize::MIN.saturating_add(7),
    header_timeout: Duration::from_mins(1),
    write_timeout: Duration::from_secs(1),
    drain: Duration::from_mins(1),
};

async fn served(double: Double, live: Live, limits: Limits) -> Served {
    let bucket = tempfile::tempdir().unwrap();
    let remote = Arc::new(LocalDir::new(bucket.path()).unwrap());
    let double = Arc::new(double);
    let api = Api::new(Arc::clone(&double) as _, remote, Arc::new(Still), live);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let ended = tokio::spawn(serve(listener, api.router(), limits, Arc::new(Still), stop.clone()));
    Served { address, stop, ended, double, _bucket: bucket }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// All that comes until the other side closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // What was sent and not read makes the other side reset: what came before it counts.
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

/// One answer on a connection that stays open.
async fn one(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.ends_with("ok\n") {
        let mut some = [0; 256];
        let read = stream.read(&mut some).await.unwrap();
        assert_ne!(read, 0, "closed: {text}");
        text.push_str(std::str::from_utf8(&some[..read]).unwrap());
    }
    text
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

fn post(length: &str, body: &str) -> String {
    format!("POST /v1/tenant/{SHARD}/heatmap_upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}\r\n\r\n{body}")
}

#[rstest]
#[case::nothing("")]
#[case::half_a_head("GET /healthz HTTP/1.1\r\nHost:")]
#[tokio::test]
async fn who_sends_no_head_is_closed(#[case] begin: &str) {
    let limits = Limits { header_timeout: Duration::from_millis(50), ..LIMITS };
    let served = served(Double::default(), live(), limits).await;
    let mut stream = served.connect().await;
    stream.write_all(begin.as_bytes()).await.unwrap();
    let answered = rest(stream).await;
    assert!(!answered.contains("200 OK"), "{answered}");
}

#[tokio::test]
async fn a_connection_that_idles_is_closed() {
    let limits = Limits { header_timeout: Duration::from_millis(50), ..LIMITS };
    let served = served(Double::default(), live(), limits).await;
    let mut stream = served.connect().await;
    stream.write_all(HEALTH).await.unwrap();
    assert!(one(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
    rest(stream).await;
}

#[rstest]
#[case::at_the_limit("Content-Length: 10", "0123456789", "200")]
#[case::over_it("Content-Length: 11", "0123456789a", "413")]
#[case::announced("Content-Length: 99999999999", "", "413")]
#[case::in_chunks_at_the_limit("Transfer-Encoding: chunked", "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n", "200")]
#[case::in_chunks_over_it("Transfer-Encoding: chunked", "5\r\n01234\r\n6\r\n56789a\r\n0\r\n\r\n", "413")]
#[case::broken_off("Transfer-Encoding: chunked", "x\r\n", "400")]
#[tokio::test]
async fn the_limit_on_bodies_is_obeyed_and_violated(#[case] length: &str, #[case] body: &str, #[case] status: &str) {
    let served = served(Double::default(), live(), LIMITS).await;
    let mut stream = served.connect().await;
    stream.write_all(post(length, body).as_bytes()).await.unwrap();
    let answered = rest(stream).await;
    assert!(answered.starts_with(&format!("HTTP/1.1 {status}")), "{answered}");
    assert_eq!(answered.contains("http.max_body_bytes"), status == "413", "{answered}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let live = Live { request_timeout: Duration::from_millis(50), ..live() };
    let served = served(Double::default(), live, LIMITS).await;
    let mut stream = served.connect().await;
    stream.write_all(post("Content-Length: 5", "012").as_bytes()).await.unwrap();
    let answered = rest(stream).await;
    assert!(answered.starts_with("HTTP/1.1 408") && answered.contains("http.request_timeout"), "{answered}");
}

#[tokio::test]
async fn an_upload_may_take_longer_than_other_requests() {
    let live = Live { request_timeout: Duration::from_millis(10), ..live() };
    let served = served(Double { gate: Semaphore::new(0), ..Double::default() }, live, LIMITS).await;
    let mut stream = served.connect().await;
    stream.write_all(post("Content-Length: 0", "").as_bytes()).await.unwrap();
    // Ten times what other requests may take.
    let early = tokio::time::timeout(Duration::from_millis(100), stream.readable()).await;
    assert!(early.is_err());
    served.double.gate.add_permits(1);
    assert!(rest(stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_head_has_a_largest_size() {
    for (bytes, taken) in [(8 << 10, true), (32 << 10, false)] {
        let served = served(Double::default(), live(), LIMITS).await;
        let mut stream = served.connect().await;
        let padding = "x".repeat(bytes);
        let head = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {padding}\r\n\r\n");
        let _ = stream.write_all(head.as_bytes()).await;
        let answered = rest(stream).await;
        assert_eq!(answered.starts_with("HTTP/1.1 200"), taken, "{bytes}: {answered}");
    }
}

#[tokio::test]
async fn the_limit_on_connections_is_obeyed_and_violated() {
    let limits = Limits { connections: NonZeroUsize::new(2).unwrap(), ..LIMITS };
    let served = served(Double::default(), live(), limits).await;
    let mut within = [served.connect().await, served.connect().await];
    for stream in &mut within {
        stream.write_all(HEALTH).await.unwrap();
        one(stream).await;
    }
    let mut over = served.connect().await;
    over.write_all(HEALTH).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(100), over.readable()).await;
    assert!(waits.is_err(), "it is not served before another has gone");
    drop(within);
    assert!(one(&mut over).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn stopping_closes_what_idles_and_waits_for_what_runs() {
    let served = served(Double { gate: Semaphore::new(0), ..Double::default() }, live(), LIMITS).await;
    let (mut idle, mut runs) = (served.connect().await, served.connect().await);
    idle.write_all(HEALTH).await.unwrap();
    one(&mut idle).await;
    runs.write_all(post("Content-Length: 0", "").as_bytes()).await.unwrap();
    served.double.arrived.acquire().await.unwrap().forget();
    served.stop.cancel();
    rest(idle).await;
    assert!(TcpStream::connect(served.address).await.is_err(), "it takes no more connections");
    assert!(!served.ended.is_finished());
    served.double.gate.add_permits(1);
    assert!(rest(runs).await.starts_with("HTTP/1.1 200"));
    served.ended.await.unwrap();
}

#[tokio::test]
async fn what_runs_longer_than_the_drain_is_cut_off() {
    let limits = Limits { drain: Duration::from_millis(50), ..LIMITS };
    let served = served(Double { gate: Semaphore::new(0), ..Double::default() }, live(), limits).await;
    let mut runs = served.connect().await;
    runs.write_all(post("Content-Length: 0", "").as_bytes()).await.unwrap();
    served.double.arrived.acquire().await.unwrap().forget();
    served.stop.cancel();
    served.ended.await.unwrap();
    assert_eq!(rest(runs).await, "");
}
