//! Servers of object storage for tests, on this machine only and gone with their value.

#[cfg(feature = "servers")]
mod s3s;
mod weed;

use std::sync::Arc;

use thermocline::remote::{OpenError, Remote, S3, S3Credentials, S3Options};

#[cfg(feature = "servers")]
pub use self::s3s::{LONGEST_KEY_BYTES, S3sFs};
pub use self::weed::{WEED_VARIABLE, Weed};

/// The bucket that every server comes with.
pub const BUCKET: &str = "thermocline";

/// How to reach a server.
#[derive(Clone, Debug)]
pub struct Access {
    /// Its address, `http://127.0.0.1:port`.
    pub endpoint: String,
    /// As in `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// As in `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
}

impl Access {
    fn new(port: u16) -> Self {
        Access {
            endpoint: format!("http://127.0.0.1:{port}"),
            access_key_id: "thermocline".into(),
            secret_access_key: "of-no-use-anywhere-else".into(),
        }
    }

    /// Options that reach the server, independent of the environment.
    pub fn options(&self) -> S3Options {
        S3Options {
            endpoint: Some(self.endpoint.clone()),
            region: Some("us-east-1".into()),
            credentials: Some(S3Credentials {
                access_key_id: self.access_key_id.clone(),
                secret_access_key: self.secret_access_key.clone(),
                session_token: None,
            }),
            ..S3Options::default()
        }
    }

    /// The server's bucket below `prefix`.
    ///
    /// # Errors
    /// As [`S3::new`].
    pub async fn remote(&self, prefix: &str) -> Result<Arc<dyn Remote>, OpenError> {
        Ok(Arc::new(S3::new(BUCKET, prefix, &self.options()).await?))
    }
}
