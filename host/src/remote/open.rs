//! From a URL to a remote.

use std::sync::Arc;

use super::{LocalDir, OpenError, Remote, RemoteUrl, S3, S3Options};

/// Opens the remote at `url`. The options count for buckets only.
///
/// # Errors
/// Where it is clear before the first request that none can succeed.
pub async fn open(url: &RemoteUrl, options: &S3Options) -> Result<Arc<dyn Remote>, OpenError> {
    Ok(match url {
        RemoteUrl::File { path } => Arc::new(LocalDir::new(path)?.with_limits(options.limits)),
        RemoteUrl::S3 { bucket, prefix } => Arc::new(S3::new(bucket, prefix, options).await?),
    })
}
