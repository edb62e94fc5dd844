//! From options and environment to a client.

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, ProvideCredentials};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use super::answer::chain;
use super::{S3Credentials, S3Options};
use crate::remote::{OpenError, RemoteUrl};

/// What a store other than AWS is told where nobody names a region.
const REGION_OF_AN_ENDPOINT: &str = "us-east-1";

/// What an endpoint is in the environment, the stronger first.
const ENDPOINT_VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

pub(super) async fn client(remote: &RemoteUrl, options: &S3Options) -> Result<Client, OpenError> {
    if let Some(endpoint) = &options.endpoint {
        check_endpoint(remote, endpoint)?;
    }
    let provider = Provider::Rustls(CryptoMode::Ring);
    let timeouts = &options.timeouts;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().tls_provider(provider).build_https())
        // The caller retries, and knows whether it may.
        .retry_config(RetryConfig::disabled())
        // Every call is bounded as a whole; to watch its streams as well takes longer than to sign it.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(timeouts.connect)
                .operation_attempt_timeout(timeouts.attempt)
                .build(),
        );
    if let Some(region) = region(options).await {
        loader = loader.region(region);
    }
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(S3Credentials { access_key_id, secret_access_key, session_token }) = &options.credentials {
        let (session, source) = (session_token.clone(), "options");
        loader = loader.credentials_provider(Credentials::new(access_key_id, secret_access_key, session, None, source));
    }
    let shared = loader.load().await;

    if shared.region().is_none() {
        return Err(OpenError::NoRegion { remote: remote.to_string() });
    }
    let no_credentials = |why: String| OpenError::NoCredentials { remote: remote.to_string(), why };
    let chain_of_providers = shared.credentials_provider().ok_or_else(|| no_credentials("no provider".into()))?;
    chain_of_providers.provide_credentials().await.map_err(|error| no_credentials(chain(&error)))?;

    let endpoint = options.endpoint.clone().or_else(endpoint_of_environment);
    let endpoint = endpoint.or_else(|| shared.endpoint_url().map(ToOwned::to_owned));
    let mut config = aws_sdk_s3::config::Builder::from(&shared);
    if let Some(endpoint) = &endpoint {
        check_endpoint(remote, endpoint)?;
        config = config.endpoint_url(endpoint);
        if endpoint.starts_with("http://") {
            // Such a store is reached on machines without any certificate, too.
            config = config.http_client(aws_smithy_http_client::Builder::new().build_http());
        }
    }
    let path_style = options.path_style.unwrap_or(endpoint.is_some());
    Ok(Client::from_conf(config.force_path_style(path_style).build()))
}

/// The option, the environment, the profile; then what an endpoint says: that this is not AWS. None leaves it to
/// the machine's metadata service, which must be asked by way of the client that the rest uses.
async fn region(options: &S3Options) -> Option<Region> {
    let named = RegionProviderChain::first_try(options.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new());
    let has_endpoint = options.endpoint.is_some() || endpoint_of_environment().is_some();
    named.region().await.or_else(|| has_endpoint.then_some(Region::from_static(REGION_OF_AN_ENDPOINT)))
}

fn endpoint_of_environment() -> Option<String> {
    let ignored =
        std::env::var("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_ok_and(|text| text.eq_ignore_ascii_case("true"));
    let mut given = ENDPOINT_VARIABLES.iter().filter_map(|name| std::env::var(name).ok());
    given.find(|endpoint| !ignored && !endpoint.is_empty())
}

/// The client would take anything, and fail with every request.
fn check_endpoint(remote: &RemoteUrl, endpoint: &str) -> Result<(), OpenError> {
    let bad = |why, quoted: &str| OpenError::BadEndpoint { remote: remote.to_string(), endpoint: quoted.into(), why };
    match url::Url::parse(endpoint) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err(bad("it has credentials in it, which belong into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "..."))
        }
        Ok(url) if !matches!(url.scheme(), "http" | "https") => Err(bad("neither http nor https", endpoint)),
        Ok(url) if url.query().is_some() || url.fragment().is_some() => Err(bad("it has a query", endpoint)),
        Ok(_) => Ok(()),
        Err(_) => Err(bad("not a URL", endpoint)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn check(endpoint: &str) -> Result<(), String> {
        let remote = RemoteUrl::S3 { bucket: "bucket".into(), prefix: String::new() };
        check_endpoint(&remote, endpoint).map_err(|error| error.to_string())
    }

    #[rstest]
    #[case("http://127.0.0.1:8333")]
    #[case("https://s3.example.com")]
    #[case("https://example.com/s3/")]
    fn an_endpoint_is_the_url_of_a_server(#[case] endpoint: &str) {
        assert_eq!(check(endpoint), Ok(()));
    }

    #[rstest]
    #[case("", "not a URL")]
    #[case("127.0.0.1:8333", "not a URL")]
    #[case("localhost:8333", "neither http nor https")]
    #[case("s3://bucket", "neither http nor https")]
    #[case("http://host?x=y", "query")]
    fn anything_else_is_refused(#[case] endpoint: &str, #[case] why: &str) {
        let error = check(endpoint).unwrap_err();
        assert!(error.contains(why) && error.contains("expected http://host:port"), "{error}");
    }

    #[test]
    fn credentials_in_an_endpoint_are_not_repeated() {
        let error = check("https://AKIAEXAMPLE:wJalr@s3.example.com").unwrap_err();
        assert!(!error.contains("wJalr") && !error.contains("AKIAEXAMPLE"), "{error}");
    }
}
