//! For whom a policy decides, where that is not everybody.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::layer::{ParseIdError, TenantId, TenantShardId};

/// Whom a policy is for: all shards of a tenant, or one of them. 32 hex digits, and `-NNCC` for one shard of a sharded
/// tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Scope {
    /// All shards of a tenant.
    Tenant(TenantId),
    /// One shard of a tenant that has several.
    Shard(TenantShardId),
}

impl Scope {
    /// The one way to say it: an unsharded tenant's only shard is the tenant.
    pub(super) fn normal(self) -> Self {
        match self {
            Scope::Shard(shard) if shard == TenantShardId::unsharded(shard.tenant) => Scope::Tenant(shard.tenant),
            scope => scope,
        }
    }

    /// Whether it is about this shard.
    pub fn covers(&self, shard: TenantShardId) -> bool {
        match self {
            Scope::Tenant(tenant) => *tenant == shard.tenant,
            Scope::Shard(one) => *one == shard,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Tenant(tenant) => tenant.fmt(f),
            Scope::Shard(shard) => shard.fmt(f),
        }
    }
}

impl FromStr for Scope {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let shard: TenantShardId = text.parse()?;
        Ok(Scope::Shard(shard).normal())
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl TryFrom<String> for Scope {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, ParseIdError> {
        text.parse()
    }
}
