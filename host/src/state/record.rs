//! How a record is kept: its version, a checksum, and what it says.
//!
//! redb checks a file when it opens it, and trusts its pages from then on. A checksum of one's own, over the key as
//! well, keeps a record that was damaged since, or has come under another shard's key, from being believed.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::layer::{ShardIndex, TenantId, TenantShardId};

/// A shard as a key: tenant id, number, count.
pub(super) type Key = [u8; 18];

/// Which table a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Known = 1,
    Memory = 2,
}

/// The version of all records. One of another version counts as unknown.
const VERSION: u8 = 1;

pub(super) fn key(shard: TenantShardId) -> Key {
    let mut key = [0; 18];
    let (tenant, rest) = key.split_at_mut(16);
    tenant.copy_from_slice(shard.tenant.as_bytes());
    rest.copy_from_slice(&[shard.shard.number, shard.shard.count]);
    key
}

pub(super) fn shard(key: &Key) -> TenantShardId {
    let (tenant, [number, count]) = split(key);
    TenantShardId { tenant: TenantId::from_bytes(tenant), shard: ShardIndex { number, count } }
}

fn split(key: &Key) -> ([u8; 16], [u8; 2]) {
    let mut reader = Reader(key);
    (reader.take().unwrap_or_default(), reader.take().unwrap_or_default())
}

/// Version, checksum, body.
pub(super) fn seal(kind: Kind, key: &Key, body: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(9 + body.len());
    record.push(VERSION);
    record.extend_from_slice(&checksum(kind, key, body).to_le_bytes());
    record.extend_from_slice(body);
    record
}

/// The body of a record that is whole, of this version, and of this key.
pub(super) fn open<'a>(kind: Kind, key: &Key, record: &'a [u8]) -> Option<&'a [u8]> {
    let mut reader = Reader(record);
    let ([version], sum) = (reader.take()?, reader.take()?);
    (version == VERSION && u64::from_le_bytes(sum) == checksum(kind, key, reader.0)).then_some(reader.0)
}

fn checksum(kind: Kind, key: &Key, body: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(&[kind as u8]);
    hasher.write(key);
    hasher.write(body);
    hasher.finish()
}

/// What is left to read of some bytes.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_its_shards(tenant: [u8; 16], number: u8, count: u8) {
            let id = TenantShardId { tenant: TenantId::from_bytes(tenant), shard: ShardIndex { number, count } };
            prop_assert_eq!(shard(&key(id)), id);
        }

        #[test]
        fn a_record_reads_back_and_damage_is_noticed(body: Vec<u8>, key: [u8; 18], at: prop::sample::Index, change in 1u8..) {
            let mut record = seal(Kind::Known, &key, &body);
            prop_assert_eq!(open(Kind::Known, &key, &record), Some(&body[..]));
            prop_assert_eq!(open(Kind::Memory, &key, &record), None);
            let mut other = key;
            other[at.index(key.len())] ^= change;
            prop_assert_eq!(open(Kind::Known, &other, &record), None);
            prop_assert_eq!(open(Kind::Known, &key, &record[..at.index(record.len())]), None);
            let at = at.index(record.len());
            record[at] ^= change;
            prop_assert_eq!(open(Kind::Known, &key, &record), None);
        }

        #[test]
        fn no_bytes_panic(record: Vec<u8>, key: [u8; 18]) {
            prop_assert_eq!(open(Kind::Known, &key, &record), None);
        }
    }
}
