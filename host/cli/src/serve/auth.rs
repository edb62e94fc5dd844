//! Who may do what: tokens that somebody with the private key has signed.
//!
//! JSON Web Tokens, EdDSA over Ed25519 and nothing else: a header that names another algorithm is refused before its
//! signature is looked at.

use std::fmt;
use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation};
use ring::signature::{ED25519, ED25519_PUBLIC_KEY_LEN, UnparsedPublicKey};
use serde::Deserialize;
use thermocline::layer::{TenantId, TenantShardId};

/// How far the clocks of who signs and who checks may be apart.
const LEEWAY_S: f64 = 30.0;

/// Of those who sign tokens.
#[derive(Clone)]
pub(crate) struct PublicKey(DecodingKey);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").finish_non_exhaustive()
    }
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// To look at everything.
    Read,
    /// To look at one tenant's shards, and to give commands on them.
    Tenant(TenantId),
    /// Everything.
    Admin,
}

/// A token that is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) scope: Scope,
    /// Whose it is, as whoever signed it says: for logs, and not bounded here.
    pub(crate) sub: Option<String>,
}

/// What a request asks to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Whether it changes nothing.
    pub(crate) reads: bool,
    /// The shard that it is about, if it is about one.
    pub(crate) shard: Option<TenantShardId>,
}

/// Why a token allows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenError {
    Malformed,
    Signature,
    Expired,
    Early,
    Claims,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenError::Malformed => "it is no JSON Web Token signed with EdDSA",
            TokenError::Signature => "it is signed with another key",
            TokenError::Expired => "it has expired",
            TokenError::Early => "it is not valid yet",
            TokenError::Claims => {
                "its claims are not understood: expected exp, and as scope read, admin, or tenant with a tenant_id of \
                 32 hex digits"
            }
        })
    }
}

/// Why a file has no key in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadKey;

impl std::error::Error for BadKey {}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a public key of Ed25519, PEM, as `openssl pkey -pubout` writes it")
    }
}

#[derive(Deserialize)]
struct Claims {
    exp: f64,
    nbf: Option<f64>,
    scope: ScopeName,
    tenant_id: Option<String>,
    sub: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ScopeName {
    Read,
    Tenant,
    Admin,
}

impl PublicKey {
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self, BadKey> {
        let key = DecodingKey::from_ed_pem(pem).map_err(|_| BadKey)?;
        match key.try_get_as_bytes() {
            Ok(bytes) if bytes.len() == ED25519_PUBLIC_KEY_LEN => Ok(PublicKey(key)),
            _ => Err(BadKey),
        }
    }

    /// What a token allows at a time.
    pub(crate) fn check(&self, token: &str, unix_s: i64) -> Result<Grant, TokenError> {
        install_verifier();
        jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        // The library would ask the machine's clock.
        validation.validate_exp = false;
        let token =
            jsonwebtoken::decode::<Claims>(token, &self.0, &validation).map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => TokenError::Signature,
                ErrorKind::Json(_) | ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidAudience => {
                    TokenError::Claims
                }
                _ => TokenError::Malformed,
            })?;
        let Claims { exp, nbf, scope, tenant_id, sub } = token.claims;
        #[allow(clippy::cast_precision_loss, reason = "seconds of this age of the universe are exact")]
        let now_s = unix_s as f64;
        if exp + LEEWAY_S <= now_s {
            return Err(TokenError::Expired);
        }
        if nbf.is_some_and(|nbf| nbf - LEEWAY_S > now_s) {
            return Err(TokenError::Early);
        }
        let tenant = tenant_id.map(|id| id.parse().map_err(|_| TokenError::Claims)).transpose()?;
        let scope = match (scope, tenant) {
            (ScopeName::Read, _) => Scope::Read,
            (ScopeName::Admin, _) => Scope::Admin,
            (ScopeName::Tenant, Some(tenant)) => Scope::Tenant(tenant),
            (ScopeName::Tenant, None) => return Err(TokenError::Claims),
        };
        Ok(Grant { scope, sub })
    }
}

impl Scope {
    pub(crate) fn allows(self, wanted: Wanted) -> bool {
        match self {
            Scope::Admin => true,
            Scope::Read => wanted.reads,
            Scope::Tenant(tenant) => wanted.shard.is_some_and(|shard| shard.tenant == tenant),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Read => f.write_str("read"),
            Scope::Tenant(tenant) => write!(f, "tenant {tenant}"),
            Scope::Admin => f.write_str("admin"),
        }
    }
}

/// Verifies with ring, which the client of S3 links already; signs nothing.
static VERIFIER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| Ok(Box::new(Ed25519::new(*algorithm, key)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

fn install_verifier() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // That it was installed before is what is wanted.
        let _ = VERIFIER.install_default();
    });
}

struct Ed25519(Vec<u8>);

impl Ed25519 {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Error> {
        if algorithm != Algorithm::EdDSA || key.family() != AlgorithmFamily::Ed {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Ok(Ed25519(key.try_get_as_bytes()?.to_vec()))
    }
}

impl Verifier<Vec<u8>> for Ed25519 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Ed25519 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
pub(crate) mod tests;
