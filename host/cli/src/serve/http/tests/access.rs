//! Who gets in.

use super::*;
use crate::serve::auth::PublicKey;
use crate::serve::auth::tests::{pair, pem, token};

fn guarded() -> Live {
    Live { key: Some(PublicKey::from_pem(pem(&pair(1)).as_bytes()).unwrap()), ..live() }
}

async fn ask(method: &str, uri: &str, authorization: &[&str]) -> Response {
    let (_bucket, api) = api_of(Double::default(), guarded());
    let mut request = Request::builder().method(method).uri(uri);
    for value in authorization {
        request = request.header("Authorization", *value);
    }
    api.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn with(scope: &str) -> String {
    let mut claims = json!({"exp": NOW_S + 60, "scope": scope});
    if let Some(tenant) = scope.strip_prefix("tenant ") {
        claims["scope"] = json!("tenant");
        claims["tenant_id"] = json!(tenant);
    }
    format!("Bearer {}", token(&pair(1), &claims))
}

const UPLOAD: &str = "/v1/tenant/0a330000000000000000000000000003-0102/heatmap_upload";
const SHARD_URI: &str = "/v1/tenant/0a330000000000000000000000000003-0102";
const OWN: &str = "tenant 0a330000000000000000000000000003";
const OTHER: &str = "tenant 0b440000000000000000000000000004";

#[rstest]
#[case("read", "GET", "/v1/tenant", 200)]
#[case("read", "GET", SHARD_URI, 200)]
#[case("read", "HEAD", SHARD_URI, 200)]
#[case("read", "GET", "/metrics", 200)]
#[case("read", "GET", "/openapi.json", 200)]
#[case("read", "POST", UPLOAD, 403)]
#[case(OWN, "POST", UPLOAD, 200)]
#[case(OWN, "GET", SHARD_URI, 200)]
#[case(OWN, "GET", "/v1/tenant", 403)]
#[case(OWN, "GET", "/v1/status", 403)]
#[case(OWN, "GET", "/metrics", 403)]
#[case(OTHER, "POST", UPLOAD, 403)]
#[case(OTHER, "GET", SHARD_URI, 403)]
// The tenant of the token before one of another.
#[case(
    OTHER,
    "POST",
    "/v1/tenant/0b440000000000000000000000000004/../0a330000000000000000000000000003/heatmap_upload",
    404
)]
// An escaped digit: the router would read the id, and the guard does not.
#[case(OWN, "POST", "/v1/tenant/%30a330000000000000000000000000003-0102/heatmap_upload", 403)]
#[case("admin", "POST", UPLOAD, 200)]
#[case("admin", "GET", "/v1/status", 200)]
#[case("admin", "POST", "/v1/tenant/xyz/heatmap_upload", 400)]
#[case("admin", "GET", "/nothing", 404)]
#[tokio::test]
async fn scopes(#[case] scope: &str, #[case] method: &str, #[case] uri: &str, #[case] status: u16) {
    assert_eq!(ask(method, uri, &[&with(scope)]).await.status(), status);
}

#[rstest]
#[case::none(&[])]
#[case::empty(&[""])]
#[case::no_token(&["Bearer "])]
#[case::no_scheme(&["abc"])]
#[case::another_scheme(&["Basic YTpi"])]
#[case::no_jwt(&["Bearer abc"])]
#[tokio::test]
async fn without_a_token_there_is_nothing_but_health(#[case] authorization: &[&str]) {
    for uri in ["/v1/tenant", SHARD_URI, "/metrics", "/openapi.json", "/nothing", "/healthz/"] {
        let response = ask("GET", uri, authorization).await;
        assert_eq!((response.status().as_u16(), uri), (401, uri));
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert!(body(response).await["msg"].as_str().unwrap().contains("token"));
    }
    assert_eq!(ask("POST", UPLOAD, authorization).await.status(), 401);
    assert_eq!(ask("GET", "/healthz", authorization).await.status(), 200);
}

#[tokio::test]
async fn two_tokens_are_none() {
    let admin = with("admin");
    assert_eq!(ask("GET", "/v1/status", &[&admin, &admin]).await.status(), 401);
}

#[tokio::test]
async fn the_schemes_name_is_read_in_any_case() {
    assert_eq!(ask("GET", "/v1/status", &[&with("read").replace("Bearer", "bearer")]).await.status(), 200);
}

#[tokio::test]
async fn a_key_that_was_replaced_no_longer_counts() {
    let (_bucket, api) = api_of(Double::default(), guarded());
    let ask = async || {
        let request = Request::get("/v1/status").header("Authorization", with("read")).body(Body::empty()).unwrap();
        api.router().oneshot(request).await.unwrap().status()
    };
    assert_eq!(ask().await, 200);
    let key = PublicKey::from_pem(pem(&pair(2)).as_bytes()).unwrap();
    api.set_live(Live { key: Some(key), ..live() });
    assert_eq!(ask().await, 401);
}
