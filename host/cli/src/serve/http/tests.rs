mod access;
mod connections;
mod policies;

use std::collections::BTreeSet;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use rstest::rstest;
use serde_json::{Value, json};
use thermocline::Digest;
use thermocline::host::{HeatmapStatus, HostStatus, LastJob, PolicyStatus, ShardStatus};
use thermocline::jobs::{CommandError, Trigger};
use thermocline::keys;
use thermocline::layer::{Generation, TenantShardId};
use thermocline::metrics::{Family, Kind, Sample, Value as Measured};
use thermocline::pageserver::{AttachMode, PageserverError};
use thermocline::remote::{LocalDir, PutIf, RemoteError};
use thermocline::upload::{Attempt, GenerateError, Outcome, OutcomeKind, Skip, UploadError};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::*;
use crate::serve::auth::tests::{NOW_S, TENANT};
use crate::serve::policy_service::PolicyService;

const SHARD: &str = "0a330000000000000000000000000003-0102";

/// A host that answers every upload in one way.
#[derive(Debug)]
struct Double {
    answer: fn(TenantShardId) -> Result<Outcome, CommandError>,
    status: HostStatus,
    shards: Vec<ShardStatus>,
    /// An upload adds one,
    arrived: Semaphore,
    /// and takes one.
    gate: Semaphore,
    policies: policies::Fake,
}

impl Default for Double {
    fn default() -> Self {
        Double {
            answer: |_| Ok(Outcome::Uploaded),
            status: host_status(),
            shards: vec![shard_status(SHARD)],
            arrived: Semaphore::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            policies: policies::Fake::default(),
        }
    }
}

#[async_trait]
impl Service for Double {
    async fn upload_now(&self, shard: TenantShardId) -> Result<Arc<Attempt>, CommandError> {
        self.arrived.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        let outcome = (self.answer)(shard)?;
        let elapsed = Duration::from_micros(1500);
        Ok(Arc::new(Attempt { shard, outcome, generated: None, seen: None, tries: 1, conflicts: 0, elapsed }))
    }

    fn status(&self) -> HostStatus {
        self.status.clone()
    }

    fn shard(&self, shard: TenantShardId) -> Option<ShardStatus> {
        self.shards.iter().find(|status| status.shard == shard).cloned()
    }

    fn shards(&self) -> Vec<ShardStatus> {
        self.shards.clone()
    }

    fn metrics(&self, series: usize) -> Vec<Family> {
        let samples = self.shards.iter().take(series).map(|status| {
            let labels = vec![("tenant_id", status.shard.tenant.to_string())];
            Sample { labels, value: Measured::Number(7.0) }
        });
        vec![Family {
            name: "thermocline_heatmap_age_seconds",
            help: "Age.",
            kind: Kind::Gauge,
            samples: samples.collect(),
        }]
    }

    fn policies(&self) -> &dyn PolicyService {
        &self.policies
    }
}

fn bytes() -> axum::body::Bytes {
    axum::body::Bytes::from_static(b"{\"generation\":1}")
}

fn resident_set() -> PolicyStatus {
    PolicyStatus { name: "resident-set".into(), version: "1.0.0".into(), digest: Digest::of(b"") }
}

fn host_status() -> HostStatus {
    HostStatus {
        uptime: Duration::from_secs(90),
        policy: resident_set(),
        overrides: Vec::new(),
        shadow: None,
        shards: 1,
        scheduled: 1,
        due: 0,
        running: 0,
        concurrency: 8,
        stalest: Some(Duration::from_secs(40)),
        without_heatmap: 0,
        shutting_down: false,
        pageserver_error: None,
    }
}

fn shard_status(shard: &str) -> ShardStatus {
    ShardStatus {
        shard: shard.parse().unwrap(),
        generation: Generation::new(3),
        attach_mode: AttachMode::Single,
        active: true,
        upload_period: Duration::from_secs(60),
        policy: resident_set(),
        heatmap: Some(HeatmapStatus {
            generation: 3,
            written_unix_s: NOW_S - 500,
            confirmed_unix_s: NOW_S - 40,
            size_bytes: 1000,
            hot_layers: 3,
            cold_layers: 1,
            hot_bytes: 42,
            digest: Digest::of(b""),
        }),
        last: Some(LastJob {
            ended_unix_s: NOW_S - 40,
            trigger: Trigger::Schedule,
            outcome: OutcomeKind::Failed,
            reason: Some("no disk".into()),
            elapsed: Duration::from_millis(3),
            policy_error: None,
        }),
        running: false,
        next_due: Some(Duration::from_millis(20_500)),
        overdue: Duration::ZERO,
        failures: 2,
    }
}

/// Stands still.
#[derive(Debug)]
struct Still;

#[async_trait]
impl Clock for Still {
    fn unix_s(&self) -> i64 {
        NOW_S
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {}
}

fn live() -> Live {
    Live { key: None, tenant_series: 10, request_timeout: Duration::from_mins(1), max_body_bytes: 10 }
}

fn api_of(double: Double, live: Live) -> (tempfile::TempDir, Arc<Api>) {
    let bucket = tempfile::tempdir().unwrap();
    let remote = Arc::new(LocalDir::new(bucket.path()).unwrap());
    (bucket, Api::new(Arc::new(double), remote, Arc::new(Still), live))
}

async fn answer(api: &Arc<Api>, method: Method, uri: &str) -> Response {
    let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
    api.router().oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().into()).unwrap()
}

async fn body(response: Response) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_str(&text(response).await).unwrap()
}

async fn get(double: Double, uri: &str) -> (StatusCode, Value) {
    let (_bucket, api) = api_of(double, live());
    let response = answer(&api, Method::GET, uri).await;
    (response.status(), body(response).await)
}

type Upload = fn(TenantShardId) -> Result<Outcome, CommandError>;

#[rstest]
#[case::uploaded(|_| Ok(Outcome::Uploaded), 200, "uploaded")]
#[case::unchanged(|_| Ok(Outcome::Unchanged), 200, "unchanged")]
#[case::gone(|_| Ok(Outcome::Skipped(Skip::Gone)), 404, "skipped")]
#[case::gone_meanwhile(|id| Ok(failed_to_read(PageserverError::NotAttached(id))), 404, "failed")]
#[case::inactive(|_| Ok(Outcome::Skipped(Skip::Inactive)), 503, "skipped")]
#[case::not_ready(|_| Ok(Outcome::Skipped(Skip::NotReady("loads".into()))), 503, "failed")]
#[case::not_ready_meanwhile(|shard| Ok(failed_to_read(PageserverError::NotReady { shard, why: "loads".into() })), 503, "failed")]
#[case::shutting_down(|_| Err(CommandError::ShuttingDown), 503, "failed")]
#[case::busy(|_| Err(CommandError::Busy { limit: 3 }), 503, "failed")]
#[case::cut_off(|_| Ok(Outcome::Failed(UploadError::Cancelled)), 503, "failed")]
#[case::stale(|_| Ok(Outcome::Failed(UploadError::Stale { generation: 3, bucket_generation: 4 })), 409, "failed")]
#[case::damaged(|shard| Ok(failed_to_read(PageserverError::Damaged { shard, why: "no index".into() })), 500, "failed")]
#[case::no_bucket(|_| Ok(Outcome::Failed(UploadError::Remote { error: RemoteError::Busy { object: "s3://b/k".into(), why: "503".into() }, attempts: 6 })), 500, "failed")]
#[case::no_generation(|_| Ok(Outcome::Skipped(Skip::NoGeneration)), 500, "skipped")]
#[tokio::test]
async fn an_upload_says_what_happened(#[case] answer_with: Upload, #[case] status: u16, #[case] outcome: &str) {
    let (_bucket, api) = api_of(Double { answer: answer_with, ..Double::default() }, live());
    let response = answer(&api, Method::POST, &format!("/v1/tenant/{SHARD}/heatmap_upload")).await;
    assert_eq!(response.status(), status);
    assert_eq!(response.headers().contains_key("retry-after"), status == 503);
    let body = body(response).await;
    assert_eq!((&body["shard"], &body["outcome"]), (&json!(SHARD), &json!(outcome)), "{body}");
    assert_eq!(body["reason"].is_null(), status == 200, "{body}");
    match status {
        200 => assert!(body.get("msg").is_none(), "{body}"),
        _ => assert!(body["msg"].as_str().unwrap().contains(body["reason"].as_str().unwrap()), "{body}"),
    }
}

fn failed_to_read(error: PageserverError) -> Outcome {
    Outcome::Failed(UploadError::Generate(GenerateError::Pageserver(error)))
}

#[tokio::test]
async fn an_upload_is_told_as_the_command_tells_it() {
    let (_bucket, api) = api_of(Double::default(), live());
    let response = answer(&api, Method::POST, &format!("/v1/tenant/{SHARD}/heatmap_upload")).await;
    let expected = json!({
        "shard": SHARD, "outcome": "uploaded", "reason": null, "layers": null, "cold_layers": null, "hot_bytes": null,
        "bytes": null, "elapsed_ms": 1.5, "policy": null, "policy_error": null,
    });
    assert_eq!(body(response).await, expected);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_end_its_upload() {
    let gate = Semaphore::new(0);
    let double = Arc::new(Double { gate, ..Double::default() });
    let bucket = tempfile::tempdir().unwrap();
    let remote = Arc::new(LocalDir::new(bucket.path()).unwrap());
    let api = Api::new(Arc::clone(&double) as _, remote, Arc::new(Still), live());
    let uri = format!("/v1/tenant/{SHARD}/heatmap_upload");
    let hung_up = tokio::time::timeout(Duration::from_millis(20), answer(&api, Method::POST, &uri)).await;
    assert!(hung_up.is_err());
    double.gate.add_permits(1);
    while double.gate.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
}

#[rstest]
#[case::upload(Method::POST, "/v1/tenant/xyz/heatmap_upload")]
#[case::upload_of_a_short_id(Method::POST, "/v1/tenant/0a33/heatmap_upload")]
#[case::tenant(Method::GET, "/v1/tenant/0a33")]
#[case::escaped(Method::GET, "/v1/tenant/%ff")]
#[case::heatmap(Method::GET, "/v1/tenant/..%2f..%2fetc/heatmap")]
#[case::no_limit(Method::GET, "/v1/tenant?limit=0")]
#[case::more_than_a_page(Method::GET, "/v1/tenant?limit=10001")]
#[case::limit_that_is_text(Method::GET, "/v1/tenant?limit=all")]
#[case::after_that_is_no_id(Method::GET, "/v1/tenant?after=x")]
#[case::unknown_parameter(Method::GET, "/v1/tenant?offset=3")]
#[tokio::test]
async fn what_is_no_id_or_page_is_400(#[case] method: Method, #[case] uri: &str) {
    let (_bucket, api) = api_of(Double::default(), live());
    let response = answer(&api, method, uri).await;
    assert_eq!(response.status(), 400);
    assert!(!body(response).await["msg"].as_str().unwrap().is_empty());
}

#[rstest]
#[case::no_route(Method::GET, "/v2/tenant", 404)]
#[case::root(Method::GET, "/", 404)]
#[case::not_attached(Method::GET, "/v1/tenant/0b440000000000000000000000000004", 404)]
#[case::no_heatmap(Method::GET, "/v1/tenant/0b440000000000000000000000000004/heatmap", 404)]
#[case::method(Method::DELETE, "/v1/status", 405)]
#[case::method_of_a_command(Method::GET, "/v1/tenant/0b440000000000000000000000000004/heatmap_upload", 405)]
#[tokio::test]
async fn other_errors_are_json_too(#[case] method: Method, #[case] uri: &str, #[case] status: u16) {
    let (_bucket, api) = api_of(Double::default(), live());
    let response = answer(&api, method, uri).await;
    assert_eq!(response.status(), status);
    assert!(!body(response).await["msg"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_shard_tells_how_fresh_it_is() {
    let (status, body) = get(Double::default(), &format!("/v1/tenant/{SHARD}")).await;
    assert_eq!(status, 200);
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
}

#[tokio::test]
async fn the_host_tells_how_it_goes() {
    let (status, mut body) = get(Double::default(), "/v1/status").await;
    assert_eq!((status, &body["version"]), (StatusCode::OK, &json!(env!("CARGO_PKG_VERSION"))));
    body["version"] = json!("VERSION");
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
}

#[tokio::test]
async fn pages_list_every_shard_once_and_in_order() {
    let ids: Vec<String> = (0..5).map(|n| format!("0a33000000000000000000000000000{n}")).collect();
    let shards = || ids.iter().rev().map(|id| shard_status(id)).collect();
    let (mut seen, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let double = Double { shards: shards(), ..Double::default() };
        let (status, page) = get(double, &format!("/v1/tenant?limit=2{after}")).await;
        assert_eq!(status, 200);
        pages += 1;
        seen.extend(page["tenants"].as_array().unwrap().iter().map(|row| row["shard"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!((seen, pages), (ids, 3));
}

#[rstest]
#[case::exactly_full(2, false)]
#[case::one_more(3, true)]
#[tokio::test]
async fn a_full_page_has_a_next_one_only_if_there_is_more(#[case] shards: u8, #[case] more: bool) {
    let shards = (0..shards).map(|n| shard_status(&format!("0a33000000000000000000000000000{n}"))).collect();
    let (_, page) = get(Double { shards, ..Double::default() }, "/v1/tenant?limit=2").await;
    assert_eq!(page["next"].is_string(), more);
}

#[tokio::test]
async fn a_heatmap_is_handed_out_as_it_is_in_the_bucket() {
    let (_bucket, api) = api_of(Double::default(), live());
    let key = keys::heatmap(SHARD.parse().unwrap());
    api.remote.put(&key, bytes(), PutIf::Absent).await.unwrap();
    let response = answer(&api, Method::GET, &format!("/v1/tenant/{SHARD}/heatmap")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(text(response).await.as_bytes(), bytes());
}

#[tokio::test]
async fn a_bucket_that_fails_is_502() {
    let bucket = tempfile::tempdir().unwrap();
    let limits = thermocline::remote::Limits { object_bytes: 3, ..Default::default() };
    let remote = LocalDir::new(bucket.path()).unwrap().with_limits(limits);
    let object = bucket.path().join(keys::heatmap(SHARD.parse().unwrap()));
    std::fs::create_dir_all(object.parent().unwrap()).unwrap();
    std::fs::write(object, "too large").unwrap();
    let api = Api::new(Arc::new(Double::default()), Arc::new(remote), Arc::new(Still), live());
    let response = answer(&api, Method::GET, &format!("/v1/tenant/{SHARD}/heatmap")).await;
    assert_eq!(response.status(), 502);
    assert!(body(response).await["msg"].as_str().unwrap().contains(SHARD));
}

#[rstest]
#[case::well(|_: &mut HostStatus| (), 200)]
#[case::shutting_down(|status: &mut HostStatus| status.shutting_down = true, 503)]
#[case::no_pageserver(|status: &mut HostStatus| status.pageserver_error = Some("no disk".into()), 503)]
#[tokio::test]
async fn health(#[case] change: fn(&mut HostStatus), #[case] expected: u16) {
    let mut double = Double::default();
    change(&mut double.status);
    let (_bucket, api) = api_of(double, live());
    let response = answer(&api, Method::GET, "/healthz").await;
    assert_eq!(response.status(), expected);
    assert_eq!(text(response).await == "ok\n", expected == 200);
}

#[tokio::test]
async fn metrics_have_the_hosts_and_those_of_http() {
    let (_bucket, api) = api_of(Double::default(), live());
    for uri in ["/v1/status", "/v1/status", "/nothing/1", "/nothing/2"] {
        answer(&api, Method::GET, uri).await;
    }
    answer(&api, Method::from_bytes(b"BREW").unwrap(), "/v1/status").await;
    let response = answer(&api, Method::GET, "/metrics").await;
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = text(response).await;
    for line in [
        format!("thermocline_heatmap_age_seconds{{tenant_id=\"{TENANT}\"}} 7"),
        format!("thermocline_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
        "thermocline_http_requests_total{method=\"GET\",route=\"/v1/status\",status=\"200\"} 2".into(),
        "thermocline_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 2".into(),
        "thermocline_http_requests_total{method=\"other\",route=\"/v1/status\",status=\"405\"} 1".into(),
        "thermocline_http_request_duration_seconds_count{method=\"GET\",route=\"/v1/status\"} 2".into(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }

    api.set_live(Live { tenant_series: 0, ..live() });
    let response = answer(&api, Method::GET, "/metrics").await;
    assert!(!self::text(response).await.contains("thermocline_heatmap_age_seconds{"));
}

#[tokio::test]
async fn every_route_is_in_the_document_with_its_statuses() {
    let (status, document) = get(Double::default(), "/openapi.json").await;
    assert_eq!(status, 200);
    let mut lines = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let statuses: Vec<&String> = operation["responses"].as_object().unwrap().keys().collect();
            let open = if operation.get("security").is_some() { "token" } else { "open" };
            lines.push(format!("{} {path} {open} {statuses:?}", method.to_uppercase()));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));

    // What is routed by name in the sources is in the document.
    let handlers = include_str!("mod.rs").split("routes!(").skip(1).filter_map(|rest| rest.split(')').next());
    let routed: BTreeSet<&str> = handlers.filter_map(|handler| Some(handler.split_once("::")?.1)).collect();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let documented: BTreeSet<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(routed, documented);
    assert!(!include_str!("mod.rs").contains(".route("), "a route that is not documented");
}
