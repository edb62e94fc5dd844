use ring::signature::{Ed25519KeyPair, KeyPair};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

pub(crate) const NOW_S: i64 = 1_715_107_956;
pub(crate) const TENANT: &str = "0a330000000000000000000000000003";
const OTHER: &str = "0b440000000000000000000000000004";

/// A pair of keys of one's own.
pub(crate) fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

/// As `openssl pkey -pubout` writes it.
pub(crate) fn pem(pair: &Ed25519KeyPair) -> String {
    let mut der = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".to_vec();
    der.extend_from_slice(pair.public_key().as_ref());
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64(&der, b'+', b'/', "="))
}

pub(crate) fn sign(pair: &Ed25519KeyPair, header: &Value, claims: &Value) -> String {
    let message =
        format!("{}.{}", url_base64(header.to_string().as_bytes()), url_base64(claims.to_string().as_bytes()));
    let signature = url_base64(pair.sign(message.as_bytes()).as_ref());
    format!("{message}.{signature}")
}

pub(crate) fn token(pair: &Ed25519KeyPair, claims: &Value) -> String {
    sign(pair, &json!({"alg": "EdDSA", "typ": "JWT"}), claims)
}

fn url_base64(bytes: &[u8]) -> String {
    base64(bytes, b'-', b'_', "")
}

fn base64(bytes: &[u8], c62: u8, c63: u8, padding: &str) -> String {
    let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain([c62, c63]).collect();
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0, |word, at| word << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        for at in 0..4 {
            match at <= chunk.len() {
                true => text.push(char::from(alphabet[(word >> (18 - 6 * at) & 63) as usize])),
                false => text.push_str(padding),
            }
        }
    }
    text
}

fn key() -> PublicKey {
    PublicKey::from_pem(pem(&pair(1)).as_bytes()).unwrap()
}

fn scope(token: &str) -> Result<Scope, TokenError> {
    key().check(token, NOW_S).map(|grant| grant.scope)
}

#[test]
fn a_token_says_whose_it_is() {
    for sub in [Some("alice"), None] {
        let claims = json!({"exp": NOW_S + 60, "scope": "read", "sub": sub});
        assert_eq!(key().check(&token(&pair(1), &claims), NOW_S).unwrap().sub.as_deref(), sub);
    }
}

#[rstest]
#[case::read(json!({"scope": "read"}), Scope::Read)]
#[case::admin(json!({"scope": "admin"}), Scope::Admin)]
#[case::tenant(json!({"scope": "tenant", "tenant_id": TENANT}), Scope::Tenant(TENANT.parse().unwrap()))]
#[case::more_than_is_asked(json!({"scope": "read", "iss": "x", "sub": "y"}), Scope::Read)]
fn a_token_allows_what_it_says(#[case] mut claims: Value, #[case] expected: Scope) {
    claims["exp"] = json!(NOW_S + 60);
    assert_eq!(scope(&token(&pair(1), &claims)), Ok(expected));
}

#[rstest]
#[case::no_exp(json!({"scope": "admin"}), TokenError::Claims)]
#[case::exp_that_is_text(json!({"scope": "admin", "exp": "never"}), TokenError::Claims)]
#[case::no_scope(json!({"exp": NOW_S + 60}), TokenError::Claims)]
#[case::unknown_scope(json!({"exp": NOW_S + 60, "scope": "root"}), TokenError::Claims)]
#[case::no_tenant(json!({"exp": NOW_S + 60, "scope": "tenant"}), TokenError::Claims)]
#[case::a_shard_for_a_tenant(json!({"exp": NOW_S + 60, "scope": "tenant", "tenant_id": format!("{TENANT}-0102")}), TokenError::Claims)]
#[case::for_somebody_else(json!({"exp": NOW_S + 60, "scope": "admin", "aud": "billing"}), TokenError::Claims)]
#[case::expired(json!({"exp": NOW_S - 30, "scope": "admin"}), TokenError::Expired)]
#[case::early(json!({"exp": NOW_S + 60, "nbf": NOW_S + 31, "scope": "admin"}), TokenError::Early)]
fn claims_that_allow_nothing(#[case] claims: Value, #[case] expected: TokenError) {
    assert_eq!(key().check(&token(&pair(1), &claims), NOW_S), Err(expected));
}

#[test]
fn clocks_may_be_apart_by_the_leeway() {
    let claims = json!({"exp": NOW_S - 29, "nbf": NOW_S + 30, "scope": "read"});
    assert_eq!(scope(&token(&pair(1), &claims)), Ok(Scope::Read));
}

#[test]
fn forged_tokens_are_refused() {
    let claims = json!({"exp": NOW_S + 60, "scope": "admin"});
    let good = token(&pair(1), &claims);
    assert_eq!(scope(&good), Ok(Scope::Admin));
    let [head, body, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();

    assert_eq!(key().check(&token(&pair(2), &claims), NOW_S), Err(TokenError::Signature), "another key");

    let read = url_base64(json!({"exp": NOW_S + 60, "scope": "read"}).to_string().as_bytes());
    let tampered = format!("{head}.{read}.{signature}");
    assert_eq!(key().check(&tampered, NOW_S), Err(TokenError::Signature), "other claims");

    let none = url_base64(br#"{"alg":"none","typ":"JWT"}"#);
    for signature in ["", signature] {
        assert_eq!(key().check(&format!("{none}.{body}.{signature}"), NOW_S), Err(TokenError::Malformed), "alg none");
    }

    for secret in [pem(&pair(1)).into_bytes(), pair(1).public_key().as_ref().to_vec()] {
        let message = format!("{}.{body}", url_base64(br#"{"alg":"HS256","typ":"JWT"}"#));
        let hmac = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret), message.as_bytes());
        let confused = format!("{message}.{}", url_base64(hmac.as_ref()));
        assert_eq!(key().check(&confused, NOW_S), Err(TokenError::Malformed), "HS256 with the public key");
    }
}

#[rstest]
#[case::empty("")]
#[case::one_part("abc")]
#[case::two_parts("abc.def")]
#[case::no_base64("?.?.?")]
#[case::empty_parts("..")]
#[case::four_parts("e30.e30.e30.e30")]
fn what_is_no_token_is_refused(#[case] token: &str) {
    assert_eq!(key().check(token, NOW_S), Err(TokenError::Malformed));
}

#[rstest]
#[case::read_looks(Scope::Read, true, Some(TENANT), true)]
#[case::read_looks_at_all(Scope::Read, true, None, true)]
#[case::read_commands_nothing(Scope::Read, false, Some(TENANT), false)]
#[case::tenant_looks_at_itself(Scope::Tenant(TENANT.parse().unwrap()), true, Some(TENANT), true)]
#[case::tenant_commands_itself(Scope::Tenant(TENANT.parse().unwrap()), false, Some(TENANT), true)]
#[case::tenant_commands_its_shards(Scope::Tenant(TENANT.parse().unwrap()), false, Some("0a330000000000000000000000000003-0102"), true)]
#[case::tenant_does_not_look_at_others(Scope::Tenant(TENANT.parse().unwrap()), true, Some(OTHER), false)]
#[case::tenant_commands_no_other(Scope::Tenant(TENANT.parse().unwrap()), false, Some(OTHER), false)]
#[case::tenant_does_not_look_at_all(Scope::Tenant(TENANT.parse().unwrap()), true, None, false)]
#[case::admin_looks(Scope::Admin, true, None, true)]
#[case::admin_commands(Scope::Admin, false, Some(OTHER), true)]
#[case::admin_commands_all(Scope::Admin, false, None, true)]
fn scopes(#[case] scope: Scope, #[case] reads: bool, #[case] shard: Option<&str>, #[case] allowed: bool) {
    let wanted = Wanted { reads, shard: shard.map(|shard| shard.parse().unwrap()) };
    assert_eq!(scope.allows(wanted), allowed);
}

#[test]
fn a_file_without_a_public_key_of_ed25519_is_refused() {
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n-----END PRIVATE KEY-----\n";
    for text in ["", "no key", private, &pem(&pair(1)).replace("PUBLIC", "EC PUBLIC")] {
        assert_eq!(PublicKey::from_pem(text.as_bytes()).unwrap_err(), BadKey, "{text}");
    }
}
