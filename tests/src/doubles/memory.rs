//! A remote that is a map: no thread, no file, no delay.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use thermocline::remote::{ETag, Got, Listed, Object, PutIf, Remote, RemoteError, check_key, check_prefix};

use super::lock;

/// A remote that is a map. Every version ever written has an ETag of its own.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Object>,
    writes: u64,
}

impl Memory {
    /// With nothing in it.
    pub fn new() -> Self {
        Memory::default()
    }

    fn refuse(&self, key: &str, why: thermocline::remote::KeyError) -> RemoteError {
        RemoteError::BadKey { object: self.url(key), why }
    }
}

#[async_trait]
impl Remote for Memory {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        check_key(key).map_err(|why| self.refuse(key, why))?;
        Ok(match lock(&self.state).objects.get(key) {
            None => Got::Missing,
            Some(object) if Some(&object.etag) == unless => Got::Unchanged,
            Some(object) => Got::Object(object.clone()),
        })
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        check_key(key).map_err(|why| self.refuse(key, why))?;
        let mut state = lock(&self.state);
        let current = state.objects.get(key).map(|object| &object.etag);
        let holds = match &condition {
            PutIf::Absent => current.is_none(),
            PutIf::Matches(etag) => current == Some(etag),
        };
        if !holds {
            return Err(RemoteError::Conflict { object: self.url(key) });
        }
        state.writes += 1;
        let etag = ETag(format!("\"{}\"", state.writes));
        state.objects.insert(key.into(), Object { body, etag: etag.clone() });
        Ok(etag)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        check_prefix(prefix).map_err(|why| self.refuse(prefix, why))?;
        let state = lock(&self.state);
        let from_here = state.objects.range(prefix.to_owned()..);
        let listed = from_here.take_while(|(key, _)| key.starts_with(prefix));
        Ok(listed.map(|(key, object)| Listed { key: key.clone(), size_bytes: object.body.len() as u64 }).collect())
    }

    async fn delete(&self, key: &str) -> Result<(), RemoteError> {
        check_key(key).map_err(|why| self.refuse(key, why))?;
        lock(&self.state).objects.remove(key);
        Ok(())
    }

    fn url(&self, key: &str) -> String {
        format!("memory:{key}")
    }
}
