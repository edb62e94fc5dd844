//! S3 against a server that answers whatever a test makes it answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rstest::rstest;
use thermocline::Digest;
use thermocline::remote::{ETag, Got, Limits, PutIf, Remote, RemoteError, S3, S3Credentials, S3Options, S3Timeouts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const SECRET: &str = "wJalrXUtnFEMI";

/// What happens after a request was read.
#[derive(Clone, Copy)]
enum Then {
    /// The connection ends.
    Close,
    /// It stays open, and nothing more comes.
    Stall,
}

struct Server {
    port: u16,
    requests: mpsc::UnboundedReceiver<String>,
    count: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answer: String, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = mpsc::unbounded_channel();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, sender, counter) = (answer.clone(), sender.clone(), Arc::clone(&counter));
                tokio::spawn(async move {
                    let request = read_request(&mut stream).await;
                    counter.fetch_add(1, Ordering::SeqCst);
                    let _ = sender.send(request);
                    let _ = stream.write_all(answer.as_bytes()).await;
                    if let Then::Stall = then {
                        tokio::time::sleep(Duration::from_secs(600)).await;
                    }
                });
            }
        });
        Server { port, requests, count }
    }

    async fn remote(&self) -> S3 {
        remote(self.port, S3Timeouts::default(), Limits::default()).await
    }
}

async fn remote(port: u16, timeouts: S3Timeouts, limits: Limits) -> S3 {
    let options = S3Options {
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        credentials: Some(S3Credentials {
            access_key_id: "AKIAEXAMPLE".into(),
            secret_access_key: SECRET.into(),
            session_token: None,
        }),
        region: Some("eu-central-1".into()),
        timeouts,
        limits,
        ..S3Options::default()
    };
    S3::new("bucket", "prefix", &options).await.unwrap()
}

/// Head and body, as text.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return text,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
}

fn answer(status: &str, code: Option<&str>) -> String {
    let body = code.map_or(String::new(), |code| {
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>said the store</Message></Error>")
    });
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn kind(error: &RemoteError) -> &'static str {
    match error {
        RemoteError::Conflict { .. } => "conflict",
        RemoteError::Busy { .. } => "busy",
        RemoteError::Unknown { .. } => "unknown",
        RemoteError::Refused { .. } => "refused",
        RemoteError::TooLarge { .. } => "too large",
        _ => "other",
    }
}

#[rstest]
#[case::conflict("412 Precondition Failed", Some("PreconditionFailed"), "conflict", "refused")]
#[case::at_once("409 Conflict", Some("ConditionalRequestConflict"), "busy", "busy")]
#[case::slow_down("503 Slow Down", Some("SlowDown"), "busy", "busy")]
#[case::internal("500 Internal Server Error", Some("InternalError"), "unknown", "busy")]
#[case::gateway("502 Bad Gateway", None, "unknown", "busy")]
#[case::denied("403 Forbidden", Some("AccessDenied"), "refused", "refused")]
#[case::no_bucket("404 Not Found", Some("NoSuchBucket"), "refused", "refused")]
#[case::no_store("404 Not Found", None, "refused", "refused")]
#[case::elsewhere("301 Moved Permanently", Some("PermanentRedirect"), "refused", "refused")]
#[tokio::test]
async fn an_answer_means_what_it_says_and_is_not_asked_for_twice(
    #[case] status: &str,
    #[case] code: Option<&str>,
    #[case] put: &str,
    #[case] read: &str,
) {
    let server = Server::start(answer(status, code), Then::Close).await;
    let remote = server.remote().await;
    let error = remote.put("t/object.json", "{}".into(), PutIf::Absent).await.unwrap_err();
    assert_eq!(kind(&error), put, "{error}");
    assert_eq!(server.count.load(Ordering::SeqCst), 1);
    let message = error.to_string();
    assert!(message.starts_with("s3://bucket/prefix/t/object.json: "), "{message}");
    assert!(!message.contains(SECRET) && !format!("{error:?} {remote:?}").contains(SECRET), "{message}");
    if let (Some(code), true) = (code, put != "conflict") {
        assert!(message.contains(code) && message.contains("said the store"), "{message}");
    }
    if read != "conflict" && status != "412 Precondition Failed" {
        let error = remote.get("t/object.json", None).await.unwrap_err();
        assert_eq!(kind(&error), read, "{error}");
        let error = remote.list("t/").await.unwrap_err();
        assert_eq!(kind(&error), read, "{error}");
    }
}

#[tokio::test]
async fn a_version_of_an_object_that_is_gone_conflicts() {
    let server = Server::start(answer("404 Not Found", Some("NoSuchKey")), Then::Close).await;
    let remote = server.remote().await;
    let error = remote.put("object", "{}".into(), PutIf::Matches(ETag("\"e\"".into()))).await.unwrap_err();
    assert_eq!(kind(&error), "conflict");
    assert_eq!(remote.get("object", None).await.unwrap(), Got::Missing);
    remote.delete("object").await.unwrap();
}

#[tokio::test]
async fn a_put_says_its_condition_its_checksum_and_what_it_is() {
    let ok = "HTTP/1.1 200 OK\r\netag: \"new\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let mut server = Server::start(ok.into(), Then::Close).await;
    let remote = server.remote().await;
    let etag = remote.put("t/heatmap-v1.json", "abc".into(), PutIf::Absent).await.unwrap();
    assert_eq!(etag, ETag("\"new\"".into()));
    let request = server.requests.recv().await.unwrap();
    assert!(request.starts_with("PUT /bucket/prefix/t/heatmap-v1.json?"), "{request}");
    for line in [
        "if-none-match: *",
        "content-type: application/json",
        "x-amz-checksum-sha256: ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line}: {request}");
    }
    assert!(request.contains("/eu-central-1/s3/aws4_request"), "{request}");
    assert!(request.ends_with("\r\n\r\nabc"), "{request}");

    // What the caller says is believed: it is the store that checks it.
    let digest = Digest::of(b"something else");
    remote.put_digested("t/blob", "abc".into(), digest, PutIf::Absent).await.unwrap();
    let request = server.requests.recv().await.unwrap();
    let told: Vec<_> = request.lines().filter(|line| line.starts_with("x-amz-checksum-")).collect();
    assert_eq!(told, ["x-amz-checksum-sha256: 9B8/piX/Eg3cp+9Fa/ZjcezqI8Ep9OTDI2cQHttRbPg="], "{request}");
    // And signed: the body is not hashed once more.
    assert!(request.contains(&format!("\r\nx-amz-content-sha256: {digest}\r\n")), "{request}");

    remote.put("t/blob", "abc".into(), PutIf::Matches(etag.clone())).await.unwrap();
    let request = server.requests.recv().await.unwrap();
    for line in ["if-match: \"new\"", "content-type: application/octet-stream"] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line}: {request}");
    }
    assert!(!request.contains("if-none-match"), "{request}");

    remote.get("t/blob", Some(&etag)).await.unwrap();
    let request = server.requests.recv().await.unwrap();
    assert!(request.contains("\r\nif-none-match: \"new\"\r\n"), "{request}");
}

#[rstest]
#[case::without_etag("200 OK", "", "unknown")]
#[case::not_s3("200 OK", "content-type: text/html\r\n", "unknown")]
#[tokio::test]
async fn a_put_without_an_etag_is_not_known_to_be_written(
    #[case] status: &str,
    #[case] headers: &str,
    #[case] expected: &str,
) {
    let answer = format!("HTTP/1.1 {status}\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n");
    let server = Server::start(answer, Then::Close).await;
    let error = server.remote().await.put("object", "x".into(), PutIf::Absent).await.unwrap_err();
    assert_eq!(kind(&error), expected, "{error}");
}

#[tokio::test]
async fn an_unchanged_object_is_not_read() {
    let server = Server::start("HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".into(), Then::Close).await;
    let got = server.remote().await.get("object", Some(&ETag("\"e\"".into()))).await.unwrap();
    assert_eq!(got, Got::Unchanged);
}

#[tokio::test]
async fn a_store_that_knows_no_condition_on_reads_does_no_harm() {
    let ok = "HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc";
    let server = Server::start(ok.into(), Then::Close).await;
    let remote = server.remote().await;
    assert_eq!(remote.get("object", Some(&ETag("\"e\"".into()))).await.unwrap(), Got::Unchanged);
    assert!(matches!(remote.get("object", Some(&ETag("\"old\"".into()))).await.unwrap(), Got::Object(_)));
}

/// Nothing listens there.
async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_busy_since_nothing_was_written() {
    let remote = remote(closed_port().await, S3Timeouts::default(), Limits::default()).await;
    let outcomes = [
        remote.put("object", "x".into(), PutIf::Absent).await.map(drop),
        remote.get("object", None).await.map(drop),
        remote.delete("object").await,
        remote.list("").await.map(drop),
    ];
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert_eq!(kind(&error), "busy", "{error}");
        assert!(error.to_string().contains("Connection refused"), "{error}");
    }
}

#[rstest]
#[case::nothing("")]
#[case::half_a_head("HTTP/1.1 200 OK\r\netag: ")]
#[tokio::test]
async fn an_answer_that_breaks_off_leaves_a_put_unknown(#[case] answer: &str) {
    let server = Server::start(answer.into(), Then::Close).await;
    let error = server.remote().await.put("object", "x".into(), PutIf::Absent).await.unwrap_err();
    assert_eq!(kind(&error), "unknown", "{error}");
    assert_eq!(server.count.load(Ordering::SeqCst), 1);
}

#[rstest]
#[case::attempt(S3Timeouts { attempt: Duration::from_millis(300), ..S3Timeouts::default() }, "")]
#[case::operation(S3Timeouts { operation: Duration::from_millis(300), ..S3Timeouts::default() }, "")]
#[case::body(
    S3Timeouts { attempt: Duration::from_millis(300), operation: Duration::from_millis(600), ..S3Timeouts::default() },
    "HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 10\r\n\r\nhalf"
)]
#[tokio::test]
async fn a_store_that_falls_silent_is_not_waited_for(#[case] timeouts: S3Timeouts, #[case] answer: &str) {
    let server = Server::start(answer.into(), Then::Stall).await;
    let remote = remote(server.port, timeouts, Limits::default()).await;
    let start = Instant::now();
    let error = remote.get("object", None).await.unwrap_err();
    assert_eq!(kind(&error), "unknown", "{error}");
    if answer.is_empty() {
        let error = remote.put("object", "x".into(), PutIf::Absent).await.unwrap_err();
        assert_eq!(kind(&error), "unknown", "{error}");
    }
    assert!((300..3000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_object_that_is_announced_too_large_is_not_read() {
    let ok = "HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 9999999999\r\n\r\n";
    let server = Server::start(ok.into(), Then::Stall).await;
    let error = server.remote().await.get("object", None).await.unwrap_err();
    let RemoteError::TooLarge { size_bytes: 9_999_999_999, .. } = error else { panic!("{error:?}") };
}

#[tokio::test]
async fn an_object_that_grows_too_large_on_the_way_is_not_read_to_its_end() {
    let chunk = format!("{:x}\r\n{}\r\n", 1000, "x".repeat(1000));
    let ok = format!("HTTP/1.1 200 OK\r\netag: \"e\"\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    for (then, end, limit, expected) in
        [(Then::Stall, String::new(), 999, "too large"), (Then::Close, "0\r\n\r\n".into(), 1000, "read")]
    {
        let server = Server::start(format!("{ok}{end}"), then).await;
        let limits = Limits { object_bytes: limit, ..Limits::default() };
        let outcome = remote(server.port, S3Timeouts::default(), limits).await.get("object", None).await;
        match outcome {
            Ok(Got::Object(object)) => assert_eq!((expected, object.body), ("read", Bytes::from("x".repeat(1000)))),
            Ok(other) => panic!("{other:?}"),
            Err(error) => assert_eq!(kind(&error), expected, "{error}"),
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_taken_for_an_object() {
    let ok = "HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 10\r\nconnection: close\r\n\r\nhalf";
    let server = Server::start(ok.into(), Then::Close).await;
    let error = server.remote().await.get("object", None).await.unwrap_err();
    assert_eq!(kind(&error), "unknown", "{error}");
}

#[tokio::test]
async fn a_body_that_is_not_what_was_written_is_never_taken_for_an_object() {
    let ok = "HTTP/1.1 200 OK\r\netag: \"e\"\r\nx-amz-checksum-sha256: ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\r\n\
              content-length: 3\r\nconnection: close\r\n\r\nabd";
    let server = Server::start(ok.into(), Then::Close).await;
    let error = server.remote().await.get("object", None).await.unwrap_err();
    assert_eq!(kind(&error), "unknown", "{error}");
}

#[tokio::test]
async fn a_key_too_long_with_its_prefix_is_refused_before_anything_is_sent() {
    let ok = "HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let server = Server::start(ok.into(), Then::Close).await;
    let remote = server.remote().await;
    let longest = "0123456/".repeat(127) + "z";
    assert_eq!("prefix/".len() + longest.len(), 1024);
    remote.put(&longest, "x".into(), PutIf::Absent).await.unwrap();
    let error = remote.put(&format!("{longest}z"), "x".into(), PutIf::Absent).await.unwrap_err();
    assert!(matches!(error, RemoteError::BadKey { .. }), "{error:?}");
    assert_eq!(server.count.load(Ordering::SeqCst), 1);
}
