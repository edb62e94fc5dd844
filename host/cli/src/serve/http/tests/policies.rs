//! Policies over HTTP.

use std::sync::Mutex;

use thermocline::policies::source::SourceError;
use thermocline::policies::store::StoreError;
use thermocline::policies::{
    Action, Agreement, BadReference, ChangeError, Entry, Note, PolicyRef, PolicyRole, PolicySummary, Scope,
    ShadowStatus, Share, Which,
};

use super::*;
use crate::serve::auth::PublicKey;
use crate::serve::auth::tests::{pair, pem, token};
use crate::serve::policy_service::Shown;
use thermocline::policies::source::Upload;

const HOT: &str = "hot";
const WASM: &[u8] = b"\0asm and more";

/// Policies that note what they are asked for, and answer every change in one way.
#[derive(Debug)]
pub(super) struct Fake {
    refuse: Option<fn() -> ChangeError>,
    asked: Mutex<Vec<String>>,
    installed: Mutex<Vec<PolicySummary>>,
    shadow: Option<ShadowStatus>,
    /// A change adds one,
    arrived: Semaphore,
    /// and takes one.
    gate: Semaphore,
}

impl Default for Fake {
    fn default() -> Self {
        Fake {
            refuse: None,
            asked: Mutex::default(),
            installed: Mutex::default(),
            shadow: None,
            arrived: Semaphore::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }
}

impl Fake {
    async fn change(&self, asked: String) -> Result<(), ChangeError> {
        self.asked.lock().unwrap().push(asked);
        self.arrived.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        self.refuse.map_or(Ok(()), |refuse| Err(refuse()))
    }

    async fn entry(&self, action: Action, asked: String) -> Result<Entry, ChangeError> {
        self.change(asked).await?;
        Ok(entry(7, action))
    }
}

/// Entries that the log hands out at once, whatever is asked for: as if each were large.
const AT_ONCE: usize = 4;

fn entry(seq: u64, action: Action) -> Entry {
    let text = json!({"seq": seq, "at": "2026-11-22T12:30:00Z", "action": action, "by": "alice", "result": "ok"});
    serde_json::from_str(&text.to_string()).unwrap()
}

fn hot() -> PolicySummary {
    PolicySummary {
        which: Which::Component(Digest::of(WASM)),
        digest: Digest::of(WASM),
        name: HOT.into(),
        version: "1.2.3".into(),
        contract: Some("0.2.0".into()),
        size_bytes: WASM.len() as u64,
        installed_at: Some("2026-11-22T12:30:00Z".into()),
        installed_by: Some("alice".into()),
        source: Some("hot.wasm".into()),
        roles: vec![
            (PolicyRole::Active, Some(r#"{"limit": 3}"#.into())),
            (PolicyRole::Override(SHARD.parse().unwrap()), Some("{}".into())),
            (PolicyRole::Shadow, Some("{}".into())),
            (PolicyRole::RolledBack("2026-11-22T12:31:00Z".into()), None),
        ],
    }
}

fn watched() -> ShadowStatus {
    ShadowStatus {
        which: Which::Component(Digest::of(WASM)),
        name: HOT.into(),
        version: "1.2.3".into(),
        config: "{}".into(),
        tenant: Some(TENANT.parse().unwrap()),
        share: 0.5,
        since: "2026-11-22T12:30:00Z".into(),
        agreement: Agreement {
            compared: 3,
            same_layers: 2,
            failures: [("trap", 1)].into(),
            elapsed: Duration::from_millis(1500),
            ..Agreement::default()
        },
    }
}

#[async_trait]
impl PolicyService for Fake {
    fn component_bytes(&self) -> usize {
        100
    }

    async fn install(
        &self,
        component: Upload,
        pin: Option<Digest>,
        config: Option<String>,
        note: Note,
    ) -> Result<PolicySummary, ChangeError> {
        let Upload { name, bytes } = component;
        self.change(format!("install {name} of {} pin {pin:?} config {config:?} {note:?}", bytes.len())).await?;
        self.installed.lock().unwrap().push(hot());
        Ok(hot())
    }

    async fn remove(&self, policy: PolicyRef, note: Note) -> Result<Entry, ChangeError> {
        self.entry(Action::Remove, format!("remove {policy} {note:?}")).await
    }

    async fn activate(
        &self,
        policy: PolicyRef,
        config: Option<String>,
        tenant: Option<Scope>,
        note: Note,
    ) -> Result<Entry, ChangeError> {
        self.entry(Action::Activate, format!("activate {policy} {config:?} {tenant:?} {note:?}")).await
    }

    async fn shadow(
        &self,
        policy: PolicyRef,
        config: Option<String>,
        share: Share,
        note: Note,
    ) -> Result<Entry, ChangeError> {
        self.entry(Action::Shadow, format!("shadow {policy} {config:?} {share:?} {note:?}")).await
    }

    async fn end_shadow(&self, note: Note) -> Result<Entry, ChangeError> {
        self.entry(Action::EndShadow, format!("end {note:?}")).await
    }

    async fn end_overrides(&self, note: Note) -> Result<Entry, ChangeError> {
        self.entry(Action::EndOverrides, format!("end overrides {note:?}")).await
    }

    async fn rollback(&self, tenant: Option<Scope>, note: Note) -> Result<Entry, ChangeError> {
        self.entry(Action::Rollback, format!("rollback {tenant:?} {note:?}")).await
    }

    fn list(&self) -> Vec<PolicySummary> {
        self.installed.lock().unwrap().clone()
    }

    async fn show(&self, policy: PolicyRef) -> Result<Shown, ChangeError> {
        if policy.to_string() != HOT {
            return Err(ChangeError::Unknown(policy.to_string()));
        }
        Ok(Shown {
            policy: hot(),
            summary: "Lists what is read.".into(),
            config_schema: r#"{"type": "object"}"#.into(),
            imports: vec!["thermocline:policy/tables@0.1.0".into()],
            exports: vec!["select".into()],
        })
    }

    fn shadow_status(&self) -> Option<ShadowStatus> {
        self.shadow.clone()
    }

    async fn log(&self, after: u64, limit: usize) -> Result<Vec<Entry>, ChangeError> {
        Ok((after + 1..=5).take(limit.min(AT_ONCE)).map(|seq| entry(seq, Action::Activate)).collect())
    }
}

struct Server {
    api: Arc<Api>,
    double: Arc<Double>,
    _bucket: tempfile::TempDir,
}

impl Server {
    fn new(fake: Fake, live: Live) -> Self {
        let bucket = tempfile::tempdir().unwrap();
        let remote = Arc::new(LocalDir::new(bucket.path()).unwrap());
        let double = Arc::new(Double { policies: fake, ..Double::default() });
        let api = Api::new(Arc::clone(&double) as _, remote, Arc::new(Still), live);
        Server { api, double, _bucket: bucket }
    }

    fn open(fake: Fake) -> Self {
        Server::new(fake, Live { max_body_bytes: 1000, ..live() })
    }

    async fn send(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.api.router().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        (response.status().as_u16(), super::body(response).await)
    }

    fn asked(&self) -> Vec<String> {
        self.double.policies.asked.lock().unwrap().clone()
    }
}

const SAYS_ALICE: (&str, &str) = ("x-thermocline-by", "alice@laptop");
const NOTE: &str = r#"Note { by: "alice@laptop (says a client)", why: Some("a try") }"#;

#[rstest]
#[case::activate(
    "POST",
    "/v1/policy/hot@1.2.3%2Bb/activate",
    r#"{"config": {"b": 1.50}, "tenant": "0a330000000000000000000000000003", "why": "a try"}"#,
    r#"activate hot@1.2.3+b Some("{\"b\": 1.50}") Some(Tenant(0a330000000000000000000000000003)) NOTE"#
)]
#[case::activate_for_all(
    "POST",
    "/v1/policy/built-in/activate",
    r#"{"why": "a try"}"#,
    "activate built-in None None NOTE"
)]
#[case::shadow(
    "POST",
    "/v1/policy/hot/shadow",
    r#"{"config": {}, "share": 0.25, "why": "a try"}"#,
    r#"shadow hot Some("{}") Share { tenant: None, share: 0.25 } NOTE"#
)]
#[case::shadow_of_all(
    "POST",
    "/v1/policy/hot/shadow",
    r#"{"why": "a try"}"#,
    "shadow hot None Share { tenant: None, share: 1.0 } NOTE"
)]
#[case::named_as_a_command(
    "POST",
    "/v1/policy/shadow/shadow",
    r#"{"why": "a try"}"#,
    "shadow shadow None Share { tenant: None, share: 1.0 } NOTE"
)]
#[case::end("DELETE", "/v1/policy_shadow?why=a+try", "", "end NOTE")]
#[case::end_overrides("DELETE", "/v1/policy_overrides?why=a+try", "", "end overrides NOTE")]
#[case::rollback("POST", "/v1/policy_rollback", r#"{"why": "a try"}"#, "rollback None NOTE")]
#[case::remove("DELETE", "/v1/policy/rollback?why=a%20try", "", "remove rollback NOTE")]
#[tokio::test]
async fn changes_reach_the_host(
    #[case] method: &str,
    #[case] uri: &str,
    #[case] body: &'static str,
    #[case] expected: &str,
) {
    let server = Server::open(Fake::default());
    let (status, answer) = server.send(method, uri, &[SAYS_ALICE], body).await;
    assert_eq!((status, &answer["seq"], &answer["result"]), (200, &json!(7), &json!("ok")), "{answer}");
    assert_eq!(server.asked(), [expected.replace("NOTE", NOTE)]);
}

#[tokio::test]
async fn a_body_may_be_left_out_where_nothing_must_be_said() {
    let server = Server::open(Fake::default());
    for uri in ["/v1/policy/hot/activate", "/v1/policy/hot/shadow", "/v1/policy_rollback"] {
        assert_eq!(server.send("POST", uri, &[], "").await.0, 200, "{uri}");
    }
}

#[tokio::test]
async fn a_component_is_installed_once() {
    let server = Server::open(Fake::default());
    let uri = format!("/v1/policy?pin=sha256:{}&source=hot.wasm&why=a+try", Digest::of(WASM));
    let config = ("x-thermocline-config", r#"{"limit": 3}"#);
    let (status, answer) = server.send("POST", &uri, &[SAYS_ALICE, config], WASM).await;
    assert_eq!((status, &answer["name"], &answer["version"]), (201, &json!(HOT), &json!("1.2.3")), "{answer}");
    let pin = Digest::of(WASM);
    let expected = format!(r#"install hot.wasm of 13 pin Some({pin}) config Some("{{\"limit\": 3}}") {NOTE}"#);
    assert_eq!(server.asked(), [expected]);
    assert_eq!(server.send("POST", "/v1/policy", &[], WASM).await.0, 200, "it is there already");
    assert_eq!(server.asked()[1], r#"install an upload of 13 pin None config None Note { by: "a client", why: None }"#);
}

#[rstest]
#[case::at_the_limit(100, 201)]
#[case::over_the_limit(101, 413)]
#[tokio::test]
async fn a_component_may_be_larger_than_other_bodies(#[case] bytes: usize, #[case] status: u16) {
    for announced in [true, false] {
        let server = Server::new(Fake::default(), Live { max_body_bytes: 10, ..live() });
        let body = match announced {
            true => Body::from(vec![0; bytes]),
            false => Body::from_stream(futures::stream::iter(vec![Ok::<_, std::io::Error>(vec![0; bytes])])),
        };
        let (answered, answer) = server.send("POST", "/v1/policy", &[], body).await;
        assert_eq!(answered, status, "{answer}");
        assert_eq!(server.asked().len(), usize::from(status == 201));
        if status == 413 {
            assert_eq!(answer["msg"], "a policy has at most 100 bytes");
        }
    }
    let server = Server::new(Fake::default(), Live { max_body_bytes: 10, ..live() });
    let (answered, answer) = server.send("POST", "/v1/policy/hot/activate", &[], vec![b' '; 11]).await;
    assert_eq!(
        (answered, &answer["msg"]),
        (413, &json!("a request's body has at most 10 bytes (http.max_body_bytes)"))
    );
}

#[rstest]
#[case::source(|| ChangeError::Source(SourceError::TooLarge { name: "x".into(), bytes: 2, limit: 1 }), 413)]
#[case::unreadable(|| ChangeError::Source(SourceError::Unreadable { name: "x".into(), why: "no".into() }), 422)]
#[case::pin(|| ChangeError::Pin { what: "x".into(), found: Digest::of(b"a"), pinned: Digest::of(b"b") }, 422)]
#[case::conformance(|| ChangeError::Conformance { failed: 1, first: "empty-table", why: "no".into() }, 422)]
#[case::reference(|| ChangeError::Reference(BadReference("?".into())), 400)]
#[case::share(|| ChangeError::BadShare(2.0), 400)]
#[case::unknown(|| ChangeError::Unknown("x".into()), 404)]
#[case::ambiguous(|| ChangeError::Ambiguous { reference: "x".into(), candidates: vec!["a".into(), "b".into()] }, 409)]
#[case::in_use(|| ChangeError::InUse("x".into()), 409)]
#[case::nothing(|| ChangeError::Nothing("none".into()), 409)]
#[case::full(|| ChangeError::Full { installed: 64, limit: 64 }, 507)]
#[case::no_disk(|| ChangeError::Store(StoreError::Append { path: "log".into(), source: std::io::Error::other("no disk") }), 503)]
#[case::no_room(|| ChangeError::Store(StoreError::Full { path: "log".into(), bytes: 2, limit: 1 }), 507)]
#[case::long_entry(|| ChangeError::Store(StoreError::TooLong { path: "log".into(), bytes: 2, limit: 1 }), 422)]
#[tokio::test]
async fn what_is_refused_says_why(#[case] error: fn() -> ChangeError, #[case] status: u16) {
    let server = Server::open(Fake { refuse: Some(error), ..Fake::default() });
    let (answered, answer) = server.send("POST", "/v1/policy", &[], WASM).await;
    assert_eq!((answered, &answer["msg"]), (status, &json!(error().to_string())));
}

#[rstest]
#[case::pin("POST", "/v1/policy?pin=abc", &[], "", "pin: \"abc\" is no SHA-256 digest")]
#[case::unknown_parameter("POST", "/v1/policy?config={}", &[], "", "config")]
#[case::unknown_field("POST", "/v1/policy/hot/activate", &[], r#"{"tennant": "a"}"#, "unknown field `tennant`")]
#[case::no_json("POST", "/v1/policy/hot/shadow", &[], "{", "the request's body: EOF")]
#[case::no_object("POST", "/v1/policy_rollback", &[], "7", "the request's body: ")]
#[case::tenant("POST", "/v1/policy_rollback", &[], r#"{"tenant": "0a"}"#, "tenant: \"0a\" is not a tenant shard id")]
#[case::no_text_in_a_path("DELETE", "/v1/policy/%ff", &[], "", "")]
#[case::no_limit("GET", "/v1/policy_log?limit=0", &[], "", "limit=0: expected a number from 1 to 1000")]
#[case::more_than_a_page("GET", "/v1/policy_log?limit=1001", &[], "", "limit=1001")]
#[case::after_that_is_text("GET", "/v1/policy_log?after=x", &[], "", "after")]
#[tokio::test]
async fn what_is_not_understood_is_400(
    #[case] method: &str,
    #[case] uri: &str,
    #[case] headers: &[(&str, &str)],
    #[case] body: &'static str,
    #[case] said: &str,
) {
    let server = Server::open(Fake::default());
    let (status, answer) = server.send(method, uri, headers, body).await;
    assert_eq!(status, 400, "{answer}");
    assert!(answer["msg"].as_str().unwrap().contains(said), "{answer}");
    assert!(server.asked().is_empty());
}

#[rstest]
#[case::why_at_the_limit("why", 512, 200)]
#[case::why_over_the_limit("why", 513, 400)]
#[case::config_at_the_limit("config", 8192, 200)]
#[case::config_over_the_limit("config", 8193, 400)]
#[tokio::test]
async fn what_comes_along_has_limits(#[case] what: &str, #[case] bytes: usize, #[case] status: u16) {
    let server = Server::open(Fake::default());
    server.double.policies.installed.lock().unwrap().push(hot());
    let text = "a".repeat(bytes);
    let (answered, answer) = match what {
        "why" => server.send("POST", &format!("/v1/policy?why={text}"), &[], WASM).await,
        _ => server.send("POST", "/v1/policy", &[("x-thermocline-config", &text)], WASM).await,
    };
    assert_eq!(answered, status, "{answer}");
}

#[tokio::test]
async fn a_few_changes_run_at_once_and_each_to_its_end() {
    let server = Server::open(Fake { gate: Semaphore::new(0), ..Fake::default() });
    let mut hung_up = Vec::new();
    for _ in 0..turn::MAX_CHANGES {
        let router = server.api.router();
        let request = Request::post("/v1/policy/hot/activate").body(Body::empty()).unwrap();
        hung_up.push(tokio::spawn(router.oneshot(request)));
        server.double.policies.arrived.acquire().await.unwrap().forget();
    }
    // Who hangs up does not end them, and they count on.
    for asked in &hung_up {
        asked.abort();
    }
    for (method, uri) in [("POST", "/v1/policy"), ("DELETE", "/v1/policy/hot"), ("POST", "/v1/policy_rollback")] {
        let (status, answer) = server.send(method, uri, &[], WASM).await;
        assert_eq!(status, 503, "{answer}");
    }
    assert_eq!(server.send("GET", "/v1/policy", &[], "").await.0, 200, "looking is no change");
    server.double.policies.gate.add_permits(Semaphore::MAX_PERMITS - 1000);
    while server.api.changes.available_permits() < turn::MAX_CHANGES {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.send("POST", "/v1/policy_rollback", &[], "").await.0, 200);
    assert_eq!(server.asked().len(), turn::MAX_CHANGES + 1);
}

#[tokio::test]
async fn a_list_says_what_each_does() {
    let server = Server::open(Fake::default());
    server.double.policies.installed.lock().unwrap().push(hot());
    let (status, answer) = server.send("GET", "/v1/policy", &[], "").await;
    assert_eq!(status, 200);
    insta::assert_snapshot!(serde_json::to_string_pretty(&answer).unwrap());
}

#[tokio::test]
async fn one_policy_says_what_it_is_and_how_it_compares() {
    let server = Server::open(Fake { shadow: Some(watched()), ..Fake::default() });
    let (status, answer) = server.send("GET", "/v1/policy/hot", &[], "").await;
    assert_eq!(status, 200);
    insta::assert_snapshot!(serde_json::to_string_pretty(&answer).unwrap());
    assert_eq!(server.send("GET", "/v1/policy_shadow", &[], "").await.1["shadow"], answer["shadow"]);
    assert_eq!(server.send("GET", "/v1/policy/cold", &[], "").await.0, 404);

    let other = ShadowStatus { which: Which::BuiltIn, ..watched() };
    let server = Server::open(Fake { shadow: Some(other), ..Fake::default() });
    assert_eq!(server.send("GET", "/v1/policy/hot", &[], "").await.1["shadow"], Value::Null, "another is watched");
    let server = Server::open(Fake::default());
    assert_eq!(server.send("GET", "/v1/policy_shadow", &[], "").await.1, json!({"shadow": null}));
}

#[rstest]
#[case::as_many_as_are_handed_out_at_once("", &[1, 2, 3, 4], Some(4))]
#[case::the_rest("?after=4", &[5], None)]
#[case::first("?limit=2", &[1, 2], Some(2))]
#[case::next("?limit=2&after=2", &[3, 4], Some(4))]
#[case::last("?limit=2&after=4", &[5], None)]
#[case::exactly_full("?limit=2&after=3", &[4, 5], None)]
#[case::beyond("?after=9", &[], None)]
#[tokio::test]
async fn the_log_comes_in_pages(#[case] query: &str, #[case] seqs: &[u64], #[case] next: Option<u64>) {
    let server = Server::open(Fake::default());
    let (status, answer) = server.send("GET", &format!("/v1/policy_log{query}"), &[], "").await;
    assert_eq!(status, 200);
    let found: Vec<u64> =
        answer["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    assert_eq!((found.as_slice(), &answer["next"]), (seqs, &json!(next)));
}

fn bearer(claims: Value) -> String {
    let mut claims = claims;
    claims["exp"] = json!(NOW_S + 60);
    format!("Bearer {}", token(&pair(1), &claims))
}

#[rstest]
#[case::read_looks("read", "GET", "/v1/policy", 200)]
#[case::read_looks_at_one("read", "GET", "/v1/policy/hot", 200)]
#[case::read_looks_at_the_log("read", "GET", "/v1/policy_log", 200)]
#[case::read_looks_at_the_shadow("read", "GET", "/v1/policy_shadow", 200)]
#[case::read_installs_nothing("read", "POST", "/v1/policy", 403)]
#[case::read_activates_nothing("read", "POST", "/v1/policy/hot/activate", 403)]
#[case::read_watches_nothing("read", "POST", "/v1/policy/hot/shadow", 403)]
#[case::read_ends_nothing("read", "DELETE", "/v1/policy_shadow", 403)]
#[case::read_ends_no_override("read", "DELETE", "/v1/policy_overrides", 403)]
#[case::read_rolls_nothing_back("read", "POST", "/v1/policy_rollback", 403)]
#[case::read_removes_nothing("read", "DELETE", "/v1/policy/hot", 403)]
#[case::tenant_does_not_look("tenant", "GET", "/v1/policy", 403)]
#[case::tenant_activates_nothing("tenant", "POST", "/v1/policy/hot/activate", 403)]
#[case::admin_installs("admin", "POST", "/v1/policy", 201)]
#[case::admin_activates("admin", "POST", "/v1/policy/hot/activate", 200)]
#[tokio::test]
async fn only_admins_change_policies(
    #[case] scope: &str,
    #[case] method: &str,
    #[case] uri: &str,
    #[case] status: u16,
) {
    let key = Some(PublicKey::from_pem(pem(&pair(1)).as_bytes()).unwrap());
    let server = Server::new(Fake::default(), Live { key, ..live() });
    let authorization = bearer(json!({"scope": scope, "tenant_id": TENANT}));
    let (answered, answer) = server.send(method, uri, &[("authorization", &authorization)], "").await;
    assert_eq!(answered, status, "{answer}");
    assert_eq!(server.send(method, uri, &[], "").await.0, 401);
}

#[rstest]
#[case::whose_token_it_is(Some("bob"), "bob")]
#[case::nobody_in_particular(None, "alice@laptop (says a client)")]
#[tokio::test]
async fn a_token_says_by_whom_a_change_is(#[case] sub: Option<&str>, #[case] by: &str) {
    let key = Some(PublicKey::from_pem(pem(&pair(1)).as_bytes()).unwrap());
    let server = Server::new(Fake::default(), Live { key, ..live() });
    let authorization = bearer(json!({"scope": "admin", "sub": sub}));
    let headers = [("authorization", authorization.as_str()), SAYS_ALICE];
    assert_eq!(server.send("POST", "/v1/policy_rollback", &headers, "").await.0, 200);
    assert_eq!(server.asked(), [format!("rollback None Note {{ by: {by:?}, why: None }}")]);
}

#[tokio::test]
async fn a_change_over_a_connection_names_its_address() {
    let server = Server::open(Fake::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let limits = Limits {
        connections: std::num::NonZeroUsize::MIN,
        header_timeout: HEADER_TIMEOUT,
        write_timeout: WRITE_TIMEOUT,
        drain: Duration::from_mins(1),
    };
    let served = tokio::spawn(serve(listener, server.api.router(), limits, Arc::new(Still), stop.clone()));
    let asked = tokio::task::spawn_blocking(move || {
        let agent = ureq::Agent::new_with_defaults();
        let request = agent.post(format!("http://{address}/v1/policy_rollback"));
        request.header("x-thermocline-by", "alice").header("connection", "close").send_empty().unwrap().status()
    });
    assert_eq!(asked.await.unwrap(), 200);
    stop.cancel();
    served.await.unwrap();
    assert_eq!(server.asked(), [r#"rollback None Note { by: "alice (says 127.0.0.1)", why: None }"#]);
}

#[tokio::test]
async fn a_shard_with_a_policy_of_its_own_says_so() {
    let mut double = Double::default();
    let own = PolicyStatus { name: HOT.into(), version: "1.2.3".into(), digest: Digest::of(WASM) };
    double.shards[0].policy = own.clone();
    double.status.overrides = vec![(TENANT.parse().unwrap(), own)];
    double.status.shadow = Some(watched());
    let (_bucket, api) = api_of(double, live());
    let shard = super::body(answer(&api, Method::GET, &format!("/v1/tenant/{SHARD}")).await).await;
    assert_eq!((&shard["policy"], &shard["policy_override"]), (&json!("hot 1.2.3"), &json!(TENANT)));
    let page = super::body(answer(&api, Method::GET, "/v1/tenant").await).await;
    assert_eq!(page["tenants"][0], shard);
    let status = super::body(answer(&api, Method::GET, "/v1/status").await).await;
    assert_eq!((&status["policy_overrides"], &status["policy_shadow"]["name"]), (&json!(1), &json!(HOT)), "{status}");
    assert_eq!(status["policy"]["name"], "resident-set");
}
