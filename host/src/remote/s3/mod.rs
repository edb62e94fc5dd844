//! A bucket as object storage.

mod answer;
mod connect;
mod options;
mod signed;

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::{Bytes, BytesMut};

use self::answer::{Call, Verdict, chain, judge};
pub use self::options::{
    DEFAULT_ATTEMPT_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_OPERATION_TIMEOUT, S3Credentials, S3Options, S3Timeouts,
};
use self::signed::Signed;
use super::{
    ETag, Got, KeyError, Limits, Listed, MAX_KEY_BYTES, Object, OpenError, PutIf, Remote, RemoteError, RemoteUrl,
    check_key, check_prefix,
};
use crate::Digest;

/// A remote over a bucket, or over what is in it below a prefix.
///
/// The store must take `If-Match` and `If-None-Match: *` on put, as S3 itself and most others do.
#[derive(Clone)]
pub struct S3 {
    client: Client,
    bucket: String,
    /// Empty, or a key.
    prefix: String,
    timeouts: S3Timeouts,
    limits: Limits,
}

impl S3 {
    /// Over a bucket. Credentials are looked for now, so that it is clear early that there are none; the bucket
    /// itself is first asked for at the first call.
    ///
    /// # Errors
    /// Without credentials, without a region, or with an endpoint that is none.
    pub async fn new(bucket: &str, prefix: &str, options: &S3Options) -> Result<Self, OpenError> {
        let url = RemoteUrl::S3 { bucket: bucket.into(), prefix: prefix.into() };
        Ok(S3 {
            client: connect::client(&url, options).await?,
            bucket: bucket.into(),
            prefix: prefix.into(),
            timeouts: options.timeouts,
            limits: options.limits,
        })
    }

    /// The key in the bucket.
    fn full(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.into() } else { format!("{}/{key}", self.prefix) }
    }

    /// The SDK's client, which knows the endpoint and the credentials: for whatever a [`Remote`] does not do.
    pub const fn sdk(&self) -> &Client {
        &self.client
    }

    fn checked(&self, key: &str) -> Result<String, RemoteError> {
        let full = self.full(key);
        // The prefix counts for the store.
        let fits = if full.len() > MAX_KEY_BYTES { Err(KeyError::TooLong) } else { Ok(full) };
        let checked = check_key(key).and(fits);
        checked.map_err(|why| RemoteError::BadKey { object: self.url(key), why })
    }

    fn too_large(&self, key: &str, size_bytes: u64) -> RemoteError {
        RemoteError::TooLarge { object: self.url(key), size_bytes, limit_bytes: self.limits.object_bytes }
    }

    /// What `verdict` is called at the front door. `Missing` and `Unchanged`, where nobody asked for them, are
    /// refusals.
    fn error(&self, key: &str, verdict: Verdict, why: String) -> RemoteError {
        let object = self.url(key);
        match verdict {
            Verdict::Conflict => RemoteError::Conflict { object },
            Verdict::Busy => RemoteError::Busy { object, why },
            Verdict::Unknown => RemoteError::Unknown { object, why },
            Verdict::Refused | Verdict::Missing | Verdict::Unchanged => RemoteError::Refused { object, why },
        }
    }

    fn judged<E>(&self, call: Call, key: &str, error: &SdkError<E, HttpResponse>) -> RemoteError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let (verdict, why) = judge(call, error);
        self.error(key, verdict, why)
    }

    /// Ends work that takes longer than the caller was promised.
    async fn bounded<T>(
        &self,
        key: &str,
        work: impl Future<Output = Result<T, RemoteError>>,
    ) -> Result<T, RemoteError> {
        let limit = self.timeouts.operation;
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(RemoteError::Unknown { object: self.url(key), why: format!("not done within {limit:?}") })
        })
    }

    async fn read(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        let request = self.client.get_object().bucket(&self.bucket).key(self.checked(key)?);
        let answer = match request.set_if_none_match(unless.map(|etag| etag.0.clone())).send().await {
            Ok(answer) => answer,
            Err(error) => {
                return match judge(Call::Get, &error) {
                    (Verdict::Missing, _) => Ok(Got::Missing),
                    (Verdict::Unchanged, _) => Ok(Got::Unchanged),
                    (verdict, why) => Err(self.error(key, verdict, why)),
                };
            }
        };
        let etag = self.etag(key, answer.e_tag)?;
        // A store that does not know the condition sends the object all the same.
        if Some(&etag) == unless {
            return Ok(Got::Unchanged);
        }
        let announced = answer.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default();
        if announced > self.limits.object_bytes {
            return Err(self.too_large(key, announced));
        }
        let mut body = BytesMut::with_capacity(usize::try_from(announced).unwrap_or_default());
        let mut chunks = answer.body;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| RemoteError::Unknown { object: self.url(key), why: chain(&error) })?;
            let size_bytes = body.len() as u64 + chunk.len() as u64;
            if size_bytes > self.limits.object_bytes {
                return Err(self.too_large(key, size_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Got::Object(Object { body: body.freeze(), etag }))
    }

    async fn write(
        &self,
        key: &str,
        body: Bytes,
        digest: Option<Digest>,
        condition: PutIf,
    ) -> Result<ETag, RemoteError> {
        let full = self.checked(key)?;
        let size_bytes = body.len() as u64;
        if size_bytes > self.limits.object_bytes {
            return Err(self.too_large(key, size_bytes));
        }
        let content_type = if key.ends_with(".json") { "application/json" } else { "application/octet-stream" };
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(full)
            .body(ByteStream::from(body))
            .content_type(content_type)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            // Where it is not known, the SDK computes it.
            .set_checksum_sha256(digest.map(Digest::to_base64));
        let (call, request) = match condition {
            PutIf::Absent => (Call::PutIfAbsent, request.if_none_match("*")),
            PutIf::Matches(etag) => (Call::PutIfMatches, request.if_match(etag.0)),
        };
        let sent = match digest {
            Some(digest) => request.customize().interceptor(Signed(digest)).send().await,
            None => request.send().await,
        };
        let answer = sent.map_err(|error| self.judged(call, key, &error))?;
        self.etag(key, answer.e_tag)
    }

    async fn list_all(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        check_prefix(prefix).map_err(|why| RemoteError::BadKey { object: self.url(prefix), why })?;
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(self.full(prefix));
        let mut pages = request.into_paginator().send();
        let above = self.full("").len();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.judged(Call::List, prefix, &error))?;
            for object in page.contents.into_iter().flatten() {
                let key = object.key.as_deref().and_then(|key| key.get(above..)).unwrap_or_default();
                if check_key(key).is_ok() {
                    let size_bytes = object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
                    listed.push(Listed { key: key.into(), size_bytes });
                }
                if listed.len() > self.limits.listed_objects {
                    let limit_objects = self.limits.listed_objects;
                    return Err(RemoteError::TooMany { prefix: self.url(prefix), limit_objects });
                }
            }
        }
        // S3 answers in this order; not every store does.
        listed.sort_unstable();
        Ok(listed)
    }

    async fn remove(&self, key: &str) -> Result<(), RemoteError> {
        let request = self.client.delete_object().bucket(&self.bucket).key(self.checked(key)?);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match judge(Call::Delete, &error) {
                (Verdict::Missing, _) => Ok(()),
                (verdict, why) => Err(self.error(key, verdict, why)),
            },
        }
    }

    /// Without an ETag nothing could be written again safely.
    fn etag(&self, key: &str, etag: Option<String>) -> Result<ETag, RemoteError> {
        let why = || "its answer has no ETag: is the endpoint that of an S3 store?".to_owned();
        etag.map(ETag).ok_or_else(|| RemoteError::Unknown { object: self.url(key), why: why() })
    }
}

#[async_trait]
impl Remote for S3 {
    async fn get(&self, key: &str, unless: Option<&ETag>) -> Result<Got, RemoteError> {
        self.bounded(key, self.read(key, unless)).await
    }

    async fn put(&self, key: &str, body: Bytes, condition: PutIf) -> Result<ETag, RemoteError> {
        self.bounded(key, self.write(key, body, None, condition)).await
    }

    async fn put_digested(
        &self,
        key: &str,
        body: Bytes,
        digest: Digest,
        condition: PutIf,
    ) -> Result<ETag, RemoteError> {
        self.bounded(key, self.write(key, body, Some(digest), condition)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, RemoteError> {
        self.bounded(prefix, self.list_all(prefix)).await
    }

    async fn delete(&self, key: &str) -> Result<(), RemoteError> {
        self.bounded(key, self.remove(key)).await
    }

    fn url(&self, key: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.full(key))
    }
}

/// Without the client, which holds credentials.
impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("bucket", &self.bucket).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
