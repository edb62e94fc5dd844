//! Asks a daemon that runs, over its HTTP API.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use ureq::http::Response;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, EXPECT};
use ureq::{Agent, Body, RequestBuilder};
use url::Url;

use crate::args::DaemonArgs;

use crate::policy_answers::{BY_HEADER, CONFIG_HEADER};
use crate::serve::bounded_file;

/// Until a connection stands: whoever listens answers at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Until an answer is there. Longer than the daemon takes to give up a change, so that it is the one to say so.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(6);

/// Largest answer that is read. A log's longest page is of some megabytes.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// Largest file with a token that is read. One has some hundred bytes.
const MAX_TOKEN_FILE_BYTES: u64 = 16 << 10;

/// Longest of what a daemon that is none answers, that an error shows.
const SHOWN_BYTES: usize = 200;

/// A daemon that runs somewhere.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    base: Url,
    token: Option<String>,
    by: Option<String>,
}

/// A body of an answer that is an error.
#[derive(Deserialize)]
struct Msg {
    msg: String,
}

impl Client {
    pub(crate) fn new(args: &DaemonArgs) -> anyhow::Result<Self> {
        let base = base(&args.url)?;
        let token = args.token_file.as_deref().map(token).transpose()?;
        let is_near = match base.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if token.is_some() && !is_near {
            tracing::warn!("{}: the token goes over the network as it is, for everybody on the way to read", args.url);
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // An address is where it is: a token goes nowhere else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(ANSWER_TIMEOUT))
            .build()
            .into();
        Ok(Client { agent, base, token, by: by() })
    }

    pub(crate) fn get(&self, path: &[&str], query: &[(&str, String)]) -> anyhow::Result<Value> {
        let url = self.url(path, query);
        self.answer(self.with_headers(self.agent.get(url.as_str())).call())
    }

    pub(crate) fn delete(&self, path: &[&str], query: &[(&str, String)]) -> anyhow::Result<Value> {
        let url = self.url(path, query);
        self.answer(self.with_headers(self.agent.delete(url.as_str())).call())
    }

    pub(crate) fn post(&self, path: &[&str], body: &impl serde::Serialize) -> anyhow::Result<Value> {
        let request = self.agent.post(self.url(path, &[]).as_str()).header(CONTENT_TYPE, "application/json");
        self.answer(self.with_headers(request).send(serde_json::to_vec(body)?))
    }

    /// Sends a component. Its configuration is JSON on one line.
    pub(crate) fn send(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        component: &[u8],
        config: Option<&str>,
    ) -> anyhow::Result<Value> {
        let request = self.agent.post(self.url(path, query).as_str()).header(CONTENT_TYPE, "application/wasm");
        // Whoever refuses says so before all of it is on its way.
        let mut request = self.with_headers(request).header(EXPECT, "100-continue");
        if let Some(config) = config {
            request = request.header(CONFIG_HEADER, config.as_bytes());
        }
        self.answer(request.send(component))
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    fn with_headers<T>(&self, mut request: RequestBuilder<T>) -> RequestBuilder<T> {
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(by) = &self.by {
            request = request.header(BY_HEADER, by);
        }
        request
    }

    fn answer(&self, answered: Result<Response<Body>, ureq::Error>) -> anyhow::Result<Value> {
        let here = self.base.as_str().trim_end_matches('/');
        let mut response = answered.map_err(|error| unreached(here, &error))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
        let body = body.map_err(|error| unreached(here, &error))?;
        if status.is_success() {
            return serde_json::from_slice(&body).with_context(|| not_ours(here, &body));
        }
        let Msg { msg } = serde_json::from_slice(&body).map_err(|_| anyhow!("{}", not_ours(here, &body)))?;
        match status.as_u16() {
            401 if self.token.is_none() => bail!("{here}: {msg}; name a file that has one: --token-file"),
            403 => bail!("{here}: {msg}; changes of policies need the scope admin"),
            _ => bail!("{here}: {msg}"),
        }
    }
}

/// Where a daemon is.
fn base(url: &str) -> anyhow::Result<Url> {
    let parsed = Url::parse(url).ok().filter(Url::has_host);
    let Some(parsed) = parsed else { bail!("{url:?} is no address of a daemon: expected http://HOST:PORT") };
    ensure!(
        parsed.scheme() != "https",
        "{url}: the daemon speaks HTTP without TLS, and so does this command: go through a tunnel, as in \
         `ssh -L 9899:127.0.0.1:9899 HOST`, or run it where the daemon is"
    );
    ensure!(parsed.scheme() == "http", "{url}: expected http://HOST:PORT");
    let plain = parsed.query().is_none() && parsed.fragment().is_none() && parsed.username().is_empty();
    ensure!(
        plain && parsed.password().is_none(),
        "{url}: expected http://HOST:PORT and nothing else; a token is in a file (--token-file)"
    );
    Ok(parsed)
}

/// A token is a word. It is not told in errors.
fn token(file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    let text = bounded_file::read(file, MAX_TOKEN_FILE_BYTES).with_context(|| format!("--token-file {shown}"))?;
    let token = text.trim();
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(is_token, "--token-file {shown}: expected a token (JWT) and nothing else");
    Ok(token.to_owned())
}

/// Who runs this, as far as the environment says.
fn by() -> Option<String> {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    named(user.as_deref(), host.as_deref())
}

fn named(user: Option<&str>, host: Option<&str>) -> Option<String> {
    // What a header can carry.
    let word = |text: &str| text.trim().chars().filter(char::is_ascii_graphic).collect::<String>();
    let [user, host] = [user, host].map(|text| text.map(word).filter(|word| !word.is_empty()));
    match (user, host) {
        (Some(user), Some(host)) => Some(format!("{user}@{host}")),
        (user, host) => user.or(host),
    }
}

fn unreached(here: &str, error: &ureq::Error) -> anyhow::Error {
    match error {
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => anyhow!(
            "{here}: nobody listens there: is `thermocline serve` running, and is this its `listen`? --url names another"
        ),
        ureq::Error::HostNotFound => anyhow!("{here}: there is no such host: --url names another"),
        ureq::Error::Timeout(limit) => {
            anyhow!(
                "{here}: no answer in time ({limit}): a change may hold all the same, `thermocline policy log` says"
            )
        }
        error => anyhow!("{here}: {error}: is it `thermocline serve` that runs there? --url names another"),
    }
}

fn not_ours(here: &str, body: &[u8]) -> String {
    let shown = String::from_utf8_lossy(body);
    let shown: String = shown.chars().filter(|char| !char.is_control()).take(SHOWN_BYTES).collect();
    format!("{here}: this is not how `thermocline serve` answers: {shown:?}; --url names another")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("http://127.0.0.1:9899", "http://127.0.0.1:9899/v1/policy/hot@1.2.3")]
    #[case::slash("http://[::1]:9899/", "http://[::1]:9899/v1/policy/hot@1.2.3")]
    #[case::below_a_path("http://pageserver-3/thermocline/", "http://pageserver-3/thermocline/v1/policy/hot@1.2.3")]
    fn addresses(#[case] url: &str, #[case] expected: &str) {
        let args = DaemonArgs { url: url.into(), token_file: None, json: false };
        let client = Client::new(&args).unwrap();
        assert_eq!(client.url(&["v1", "policy", "hot@1.2.3"], &[]).as_str(), expected);
    }

    #[rstest]
    #[case::slash("a/b", "a%2Fb")]
    #[case::percent("%2e%2e", "%252e%252e")]
    #[case::question("a?b#c", "a%3Fb%23c")]
    fn a_name_is_one_segment(#[case] name: &str, #[case] expected: &str) {
        let args = DaemonArgs { url: "http://x".into(), token_file: None, json: false };
        let url = Client::new(&args).unwrap().url(&["v1", "policy", name], &[("why", "a&b=c d".into())]);
        assert_eq!(url.as_str(), format!("http://x/v1/policy/{expected}?why=a%26b%3Dc+d"));
    }

    #[rstest]
    #[case::word("daemon", "is no address of a daemon: expected http://HOST:PORT")]
    #[case::no_scheme("127.0.0.1:9899", "expected http://HOST:PORT")]
    #[case::tls("https://pageserver-3:9899", "without TLS, and so does this command: go through a tunnel")]
    #[case::socket("unix:///run/x", "expected http://HOST:PORT")]
    #[case::query("http://x/?token=a", "and nothing else")]
    #[case::password("http://me:secret@x", "a token is in a file")]
    fn what_is_no_address_is_refused(#[case] url: &str, #[case] said: &str) {
        let error = base(url).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }

    #[rstest]
    #[case::both(Some("alice"), Some("laptop\n"), Some("alice@laptop"))]
    #[case::user(Some("alice"), None, Some("alice"))]
    #[case::host(Some(" "), Some("laptop"), Some("laptop"))]
    #[case::nobody(None, None, None)]
    #[case::odd(Some("al\u{e9} ice\r\n"), None, Some("alice"))]
    fn by_whom(#[case] user: Option<&str>, #[case] host: Option<&str>, #[case] expected: Option<&str>) {
        assert_eq!(named(user, host).as_deref(), expected);
    }

    #[rstest]
    #[case::line("a.b.c\n", true)]
    #[case::empty("\n", false)]
    #[case::two("a.b.c d.e.f", false)]
    #[case::key("-----BEGIN PUBLIC KEY-----\nabc\n", false)]
    fn a_file_with_a_token(#[case] text: &str, #[case] good: bool) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, text).unwrap();
        match token(&file) {
            Ok(token) => assert!(good && token == text.trim()),
            Err(error) => assert!(!good && !error.to_string().contains("abc"), "{error}"),
        }
    }

    #[test]
    fn a_token_file_has_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let limit = usize::try_from(MAX_TOKEN_FILE_BYTES).unwrap();
        std::fs::write(&file, "a".repeat(limit)).unwrap();
        assert_eq!(token(&file).unwrap().len(), limit);
        std::fs::write(&file, "a".repeat(limit + 1)).unwrap();
        assert!(token(&file).unwrap_err().to_string().contains("--token-file"));
    }
}
