//! Ids of tenants, tenant shards and timelines.

use std::fmt;
use std::str::FromStr;

use super::hex;

/// A text that is not the id it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}: expected {expected}")]
pub struct ParseIdError {
    what: &'static str,
    expected: &'static str,
    text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From its 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                $name(bytes)
            }

            /// Its 16 bytes, in the order of its hex digits.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::lower(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                hex::parse(text).map($name).ok_or_else(|| ParseIdError {
                    what: $what,
                    expected: "32 hex digits",
                    text: text.into(),
                })
            }
        }
    };
}

id! {
    /// A tenant: one Postgres cluster and its branches.
    TenantId, "tenant id"
}

id! {
    /// A timeline: one branch of a tenant.
    TimelineId, "timeline id"
}

/// Which of a tenant's shards: its number, and the count of shards. Count 0 is an unsharded tenant,
/// which is not the same as a sharded one with one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardIndex {
    /// Counts from 0.
    pub number: u8,
    /// 0 where the tenant is not sharded.
    pub count: u8,
}

impl ShardIndex {
    /// Of a tenant that is not sharded.
    pub const UNSHARDED: ShardIndex = ShardIndex { number: 0, count: 0 };

    /// Whether the tenant is not sharded.
    pub const fn is_unsharded(self) -> bool {
        self.count == 0
    }

    /// As in object keys: nothing, or `-NNCC`.
    pub fn suffix(self) -> impl fmt::Display {
        fmt::from_fn(move |f| if self.is_unsharded() { Ok(()) } else { write!(f, "-{self}") })
    }
}

/// Four hex digits: number, count.
impl fmt::Display for ShardIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}", self.number, self.count)
    }
}

impl FromStr for ShardIndex {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let [number, count] = hex::parse(text).ok_or_else(|| ParseIdError {
            what: "shard index",
            expected: "4 hex digits, number and count",
            text: text.into(),
        })?;
        Ok(ShardIndex { number, count })
    }
}

/// One shard of a tenant, or a tenant that is not sharded.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantShardId {
    /// The tenant.
    pub tenant: TenantId,
    /// Which of its shards.
    pub shard: ShardIndex,
}

impl TenantShardId {
    /// The only shard of a tenant that is not sharded.
    pub const fn unsharded(tenant: TenantId) -> Self {
        TenantShardId { tenant, shard: ShardIndex::UNSHARDED }
    }
}

impl fmt::Display for TenantShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.tenant, self.shard.suffix())
    }
}

impl fmt::Debug for TenantShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TenantShardId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parsed = match text.split_once('-') {
            None => text.parse().ok().map(TenantShardId::unsharded),
            Some((tenant, shard)) => tenant.parse().ok().zip(shard.parse().ok()).and_then(|(tenant, shard)| {
                // `-0000` would be a second way to write the id of an unsharded tenant.
                let shard: ShardIndex = shard;
                (!shard.is_unsharded()).then_some(TenantShardId { tenant, shard })
            }),
        };
        parsed.ok_or_else(|| ParseIdError {
            what: "tenant shard id",
            expected: "32 hex digits, and -NNCC (number and count in hex) where the tenant is sharded",
            text: text.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::unsharded("1f359dd625e519a1a4e8d7509690f6fc", 0, 0)]
    #[case::seven_of_ten("1f359dd625e519a1a4e8d7509690f6fc-070a", 7, 10)]
    #[case::one_of_one("1f359dd625e519a1a4e8d7509690f6fc-0001", 0, 1)]
    fn a_tenant_shard_id_prints_as_it_was_read(#[case] text: &str, #[case] number: u8, #[case] count: u8) {
        let id: TenantShardId = text.parse().unwrap();
        assert_eq!(id.shard, ShardIndex { number, count });
        assert_eq!(id.to_string(), text);
    }

    #[rstest]
    #[case::empty("")]
    #[case::short("1f359dd625e519a1a4e8d7509690f6f")]
    #[case::no_hex("1f359dd625e519a1a4e8d7509690f6fg")]
    #[case::dash_only("1f359dd625e519a1a4e8d7509690f6fc-")]
    #[case::short_shard("1f359dd625e519a1a4e8d7509690f6fc-070")]
    #[case::long_shard("1f359dd625e519a1a4e8d7509690f6fc-070a0")]
    #[case::count_zero("1f359dd625e519a1a4e8d7509690f6fc-0000")]
    #[case::sign("1f359dd625e519a1a4e8d7509690f6fc-+7+a")]
    fn anything_else_is_an_error_that_quotes_it(#[case] text: &str) {
        let error = text.parse::<TenantShardId>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{text:?} is not a tenant shard id")), "{error}");
    }

    #[test]
    fn ids_read_either_case_and_print_lower() {
        let id: TimelineId = "AABBCCDDEEFF00112233445566778899".parse().unwrap();
        assert_eq!(id.to_string(), "aabbccddeeff00112233445566778899");
        assert_eq!("0A0C".parse::<ShardIndex>().unwrap().to_string(), "0a0c");
    }
}
