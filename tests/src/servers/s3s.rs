//! An S3 over a folder, in this process.

use std::path::Path;

use anyhow::Context;
use async_trait::async_trait;
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::auth::SimpleAuth;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, ETagCondition, GetObjectInput, GetObjectOutput, ListObjectsV2Input,
    ListObjectsV2Output, PutObjectInput, PutObjectOutput,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::sync::RwLock;
use tokio::task::JoinHandle;

use super::{Access, BUCKET};

/// Longest key that it takes: it names files beside the objects after their keys, in Base64.
pub const LONGEST_KEY_BYTES: usize = 150;

/// `s3s-fs` behind HTTP, in this process: real requests, signatures and XML over a folder.
///
/// What it is *not*: a proof of how a store behaves when two requests meet. `s3s-fs` looks at conditions and
/// then writes, with nothing to keep others out meanwhile, knows no condition on reads, and makes buckets as it
/// goes; all that is mended here.
/// For the real thing there is [`super::Weed`].
#[derive(Debug)]
pub struct S3sFs {
    /// How to reach it.
    pub access: Access,
    server: JoinHandle<()>,
}

impl S3sFs {
    /// Over `folder`, in which the bucket is made.
    ///
    /// # Errors
    /// Where the folder cannot be used or no port can be had.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder.join(BUCKET))?;
        let files = FileSystem::new(folder).ok().context("s3s-fs cannot use its folder")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let access = Access::new(listener.local_addr()?.port());
        let mut service = S3ServiceBuilder::new(Atomic { files, turn: RwLock::default() });
        service.set_auth(SimpleAuth::from_single(access.access_key_id.as_str(), access.secret_access_key.as_str()));
        let service = service.build();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let connection = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(S3sFs { access, server })
    }
}

impl Drop for S3sFs {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Adds to `s3s-fs` what S3 promises: a condition is checked together with the write, and holds for reads, too.
struct Atomic {
    files: FileSystem,
    turn: RwLock<()>,
}

#[async_trait]
impl S3 for Atomic {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let _turn = self.turn.write().await;
        if request.input.bucket != BUCKET {
            // It would make the bucket.
            return Err(s3_error!(NoSuchBucket));
        }
        let versioned = request.input.if_match.is_some();
        let answer = self.files.put_object(request).await;
        // As S3 says it: a condition on a version of an object that is not there is no failed condition.
        let absent = |error: &s3s::S3Error| error.message() == Some("Object does not exist");
        match answer {
            Err(error) if versioned && absent(&error) => Err(s3_error!(NoSuchKey)),
            other => other,
        }
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        // The file is open when this returns, and is only ever replaced: the body needs no lock.
        let _turn = self.turn.read().await;
        if request.input.bucket != BUCKET {
            return Err(s3_error!(NoSuchBucket));
        }
        let unless = request.input.if_none_match.clone();
        let answer = self.files.get_object(request).await?;
        match (unless, &answer.output.e_tag) {
            (Some(ETagCondition::ETag(unless)), Some(etag)) if unless.weak_cmp(etag) => Err(s3_error!(NotModified)),
            _ => Ok(answer),
        }
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let _turn = self.turn.write().await;
        self.files.delete_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let _turn = self.turn.read().await;
        self.files.list_objects_v2(request).await
    }
}
