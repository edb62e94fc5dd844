use rstest::rstest;

use super::*;

const SMALLEST: &str =
    "listen = \"127.0.0.1:9899\"\n[pageserver]\ndata_dir = \"/data\"\n[remote_storage]\nlocal_path = \"/remote\"\n";

const BUCKET: &str =
    "listen = \"127.0.0.1:9899\"\n[pageserver]\ndata_dir = \"/data\"\n[remote_storage]\nbucket_name = \"heatmaps\"\n";

fn read(text: &str) -> Result<Loaded, Vec<SettingError>> {
    read_with(text, &[])
}

fn read_with(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, Vec<SettingError>> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    parse(text, Path::new("/etc/thermocline"), environment)
}

/// A file in which only `setting` is special: `table.name` with a TOML value.
fn file_with(base: &str, setting: &str, value: &str) -> String {
    let mut file: toml::Table = base.parse().unwrap();
    let value = format!("x = {value}").parse::<toml::Table>().unwrap().remove("x").unwrap();
    match setting.split_once('.') {
        None => drop(file.insert(setting.to_owned(), value)),
        Some((table, name)) => {
            let table = file.entry(table).or_insert_with(|| toml::Table::new().into());
            table.as_table_mut().unwrap().insert(name.to_owned(), value);
        }
    }
    file.to_string()
}

fn errors(read: Result<Loaded, Vec<SettingError>>) -> Vec<String> {
    read.unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn the_smallest_file_is_enough_and_the_rest_has_defaults() {
    let config = read(SMALLEST).unwrap().config;
    let expected = Config {
        listen: "127.0.0.1:9899".parse().unwrap(),
        data_dir: "/data".into(),
        remote: RemoteUrl::File { path: "/remote".into() },
        s3: S3Options::default(),
        concurrency: DEFAULT_CONCURRENCY,
        heatmap_period: None,
        rescan_period: Duration::from_secs(600),
        recheck_period: Duration::from_secs(3600),
        shutdown_timeout: Duration::from_secs(10),
        state_dir: "/data/thermocline".into(),
        policy_file: None,
        policy_config: NO_CONFIG.into(),
        rollback: Some(RollbackRule::default()),
        log_format: LogFormat::Human,
        log_filter: "info".into(),
        public_key_file: None,
        tenant_series: 1000,
        max_connections: NonZeroUsize::new(256).unwrap(),
        request_timeout: Duration::from_secs(30),
        max_body_bytes: 65_536,
    };
    assert_eq!(config, expected);
}

/// Every setting with a value that is not its default.
const EVERYTHING: &str = r#"
listen = "0.0.0.0:80"
heatmap_upload_concurrency = 1000
heatmap_period = "0s"
rescan_period = "1s"
recheck_period = "1m"
shutdown_timeout = "10m"
state_dir = "state"
[pageserver]
data_dir = "../data"
[remote_storage]
bucket_name = "heatmaps"
bucket_region = "eu-central-1"
prefix_in_bucket = "/pageserver/v1/"
endpoint = "http://127.0.0.1:8333"
path_style = false
[policy]
file = "policy.wasm"
config = { hot = 3, names = ["a"] }
rollback_failures = 0
rollback_window = "1s"
[log]
format = "json"
filter = "warn,thermocline=debug"
[auth]
public_key_file = "/keys/public.pem"
[metrics]
tenant_series = 0
[http]
max_connections = 1
request_timeout = "1s"
max_body_bytes = 0
"#;

#[test]
fn every_setting_is_read() {
    let loaded = read(EVERYTHING).unwrap();
    let s3 = S3Options {
        endpoint: Some("http://127.0.0.1:8333".into()),
        region: Some("eu-central-1".into()),
        path_style: Some(false),
        ..S3Options::default()
    };
    let expected = Config {
        listen: "0.0.0.0:80".parse().unwrap(),
        data_dir: "/etc/thermocline/../data".into(),
        remote: RemoteUrl::S3 { bucket: "heatmaps".into(), prefix: "pageserver/v1".into() },
        s3,
        concurrency: NonZeroUsize::new(1000).unwrap(),
        heatmap_period: Some(Duration::ZERO),
        rescan_period: Duration::from_secs(1),
        recheck_period: Duration::from_secs(60),
        shutdown_timeout: Duration::from_secs(600),
        state_dir: "/etc/thermocline/state".into(),
        policy_file: Some(PolicyFile::new("/etc/thermocline/policy.wasm")),
        policy_config: r#"{"hot":3,"names":["a"]}"#.into(),
        rollback: None,
        log_format: LogFormat::Json,
        log_filter: "warn,thermocline=debug".into(),
        public_key_file: Some("/keys/public.pem".into()),
        tenant_series: 0,
        max_connections: NonZeroUsize::MIN,
        request_timeout: Duration::from_secs(1),
        max_body_bytes: 0,
    };
    assert_eq!(loaded.config, expected);
    let unset = ["remote_storage.local_path"];
    for setting in loaded.effective {
        assert_eq!(setting.source == Source::Default, unset.contains(&setting.name), "{setting:?}");
    }
}

#[rstest]
#[case::listen("listen", "\"localhost:80\"", "an IP address and a port, as in \"127.0.0.1:9899\"")]
#[case::listen_number("listen", "9899", "an IP address and a port")]
#[case::data_dir("pageserver.data_dir", "7", "a path")]
#[case::no_data_dir("pageserver.data_dir", "\"\"", "a path")]
#[case::local_path("remote_storage.local_path", "true", "a path")]
#[case::bucket_name("remote_storage.bucket_name", "\"s3://heatmaps\"", "the name of a bucket, without s3://")]
#[case::bucket_and_prefix("remote_storage.bucket_name", "\"heatmaps/v1\"", "the name of a bucket, without s3://")]
#[case::short_bucket("remote_storage.bucket_name", "\"ab\"", "3 to 63 letters")]
#[case::region("remote_storage.bucket_region", "1", "the name of a region, as in \"eu-central-1\"")]
#[case::prefix("remote_storage.prefix_in_bucket", "\"a//b\"", "a key is names with one `/` between each two")]
#[case::prefix_up("remote_storage.prefix_in_bucket", "\"a/../b\"", "a key has no `.` or `..`")]
#[case::endpoint("remote_storage.endpoint", "\"127.0.0.1:8333\"", "the address of an S3 store")]
#[case::endpoint_scheme("remote_storage.endpoint", "\"ftp://store\"", "as in \"http://127.0.0.1:8333\"")]
#[case::path_style("remote_storage.path_style", "\"yes\"", "true or false")]
#[case::concurrency_below("heatmap_upload_concurrency", "0", "a whole number from 1 to 1000")]
#[case::concurrency_above("heatmap_upload_concurrency", "1001", "a whole number from 1 to 1000")]
#[case::concurrency_text("heatmap_upload_concurrency", "\"8\"", "a whole number from 1 to 1000")]
#[case::concurrency_part("heatmap_upload_concurrency", "1.5", "a whole number from 1 to 1000")]
#[case::period("heatmap_period", "60", "a duration from \"1s\" to \"7days\"")]
#[case::period_below("heatmap_period", "\"999ms\"", "or \"0s\" for no uploads by schedule")]
#[case::period_above("heatmap_period", "\"7d 1s\"", "a duration from \"1s\" to \"7days\"")]
#[case::rescan_below("rescan_period", "\"0s\"", "a duration from \"1s\" to \"1day\"")]
#[case::rescan_above("rescan_period", "\"1d 1s\"", "a duration from \"1s\" to \"1day\"")]
#[case::recheck_below("recheck_period", "\"59s\"", "a duration from \"1m\" to \"7days\"")]
#[case::recheck_above("recheck_period", "\"8d\"", "a duration from \"1m\" to \"7days\"")]
#[case::shutdown_below("shutdown_timeout", "\"0s\"", "a duration from \"1s\" to \"10m\"")]
#[case::shutdown_above("shutdown_timeout", "\"601s\"", "a duration from \"1s\" to \"10m\"")]
#[case::state_dir("state_dir", "[]", "a path")]
#[case::policy_file("policy.file", "{}", "a path, or one with @sha256: and all 64 hex digits")]
#[case::policy_pin("policy.file", "\"a.wasm@sha256:ab\"", "a path, or one with @sha256: and all 64 hex digits")]
#[case::rollback_failures("policy.rollback_failures", "10001", "a whole number from 0 to 10000")]
#[case::rollback_window("policy.rollback_window", "\"0s\"", "a duration from \"1s\" to \"1day\"")]
#[case::policy_config("policy.config", "\"{}\"", "a table, or in the environment a JSON object")]
#[case::format("log.format", "\"xml\"", "\"human\" or \"json\"")]
#[case::filter("log.filter", "\"thermocline=loud\"", "levels as RUST_LOG has them")]
#[case::public_key_file("auth.public_key_file", "1", "a path")]
#[case::tenant_series_below("metrics.tenant_series", "-1", "a whole number from 0 to 100000")]
#[case::tenant_series_above("metrics.tenant_series", "100001", "a whole number from 0 to 100000")]
#[case::max_connections_below("http.max_connections", "0", "a whole number from 1 to 65536")]
#[case::max_connections_above("http.max_connections", "65537", "a whole number from 1 to 65536")]
#[case::request_timeout_below("http.request_timeout", "\"0s\"", "a duration from \"1s\" to \"10m\"")]
#[case::request_timeout_above("http.request_timeout", "\"11m\"", "a duration from \"1s\" to \"10m\"")]
#[case::max_body_bytes_below("http.max_body_bytes", "-1", "a whole number from 0 to 16777216")]
#[case::max_body_bytes_above("http.max_body_bytes", "16777217", "a whole number from 0 to 16777216")]
fn a_wrong_value_is_told_with_its_setting_its_line_and_what_is_allowed(
    #[case] setting: &str,
    #[case] value: &str,
    #[case] allowed: &str,
) {
    let of_bucket = setting.starts_with("remote_storage") && setting != "remote_storage.local_path";
    let file = file_with(if of_bucket { BUCKET } else { SMALLEST }, setting, value);
    let name = setting.rsplit('.').next().unwrap();
    let is_it = |line: &str| line.starts_with(&format!("{name} =")) || line == format!("[{setting}]");
    let line = 1 + file.lines().position(is_it).unwrap();
    let errors = errors(read(&file));
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(error.starts_with(&format!("{setting} = {value} (line {line}): expected ")), "{file}\n{error}");
    assert!(error.contains(allowed), "{error}");
}

#[test]
fn every_setting_has_a_wrong_value_in_the_table_above() {
    let table = include_str!("tests.rs");
    for setting in names::SETTINGS {
        assert!(table.contains(&format!("(\"{setting}\", ")), "{setting}");
    }
}

#[rstest]
#[case::no_data_dir("listen = \"127.0.0.1:1\"\nremote_storage.local_path = \"/r\"", "pageserver.data_dir is missing")]
#[case::no_listen(
    "pageserver.data_dir = \"/d\"\nremote_storage.local_path = \"/r\"",
    "listen is missing: set it in the file, or THERMOCLINE_LISTEN in the environment"
)]
#[case::no_remote(
    "listen = \"127.0.0.1:1\"\npageserver.data_dir = \"/d\"",
    "remote_storage.local_path is missing: set it in the file, or THERMOCLINE_REMOTE_STORAGE__LOCAL_PATH in the environment, to a folder, or set remote_storage.bucket_name"
)]
#[case::two_remotes(&file_with(SMALLEST, "remote_storage.bucket_name", "\"heatmaps\""), "remote_storage.bucket_name is set as well: expected one of the two")]
#[case::prefix_of_a_folder(&file_with(SMALLEST, "remote_storage.prefix_in_bucket", "\"v1\""), "it counts for a bucket only")]
#[case::open_to_all(&SMALLEST.replace("127.0.0.1", "0.0.0.0"), "set auth.public_key_file to the public key of those who sign tokens, or expected a loopback address, as in \"127.0.0.1:9899\"")]
#[case::unknown(&format!("{SMALLEST}path = \"/x\""), "there is no setting remote_storage.path (line 6): expected one of local_path, bucket_name")]
#[case::unknown_at_the_top(&format!("lisen = 1\n{SMALLEST}"), "there is no setting lisen (line 1): expected one of listen, pageserver, remote_storage")]
#[case::unknown_table(&format!("{SMALLEST}[pagesever]\ndata_dir = 1"), "there is no setting pagesever (line 6)")]
#[case::no_table(
    "listen = \"127.0.0.1:1\"\npageserver = \"/d\"\nremote_storage.local_path = \"/r\"",
    "pageserver = \"/d\" (line 2): expected a table with data_dir"
)]
#[case::no_toml("listen = \n", "line 1 is no TOML: ")]
#[case::twice("listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"", "line 2 is no TOML: duplicate key")]
fn what_does_not_fit_together_is_told(#[case] file: &str, #[case] said: &str) {
    let errors = errors(read(file));
    assert!(errors[0].contains(said), "{errors:?}");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let file = "listen = 1\nrescan_period = \"x\"\nwhat = 2\n[log]\nformat = \"xml\"\n";
    let wrong = read(file).unwrap_err();
    insta::assert_snapshot!(ConfigError { file: "thermocline.toml".into(), wrong }, @r#"
    thermocline.toml: 6 things are wrong:
      there is no setting what (line 3): expected one of listen, pageserver, remote_storage, heatmap_upload_concurrency, heatmap_period, rescan_period, recheck_period, shutdown_timeout, state_dir, policy, log, auth, metrics, http
      listen = 1 (line 1): expected an IP address and a port, as in "127.0.0.1:9899" or "[::1]:9899"
      pageserver.data_dir is missing: set it in the file, or THERMOCLINE_PAGESERVER__DATA_DIR in the environment, to the pageserver's data directory, as in pageserver -D
      remote_storage.local_path is missing: set it in the file, or THERMOCLINE_REMOTE_STORAGE__LOCAL_PATH in the environment, to a folder, or set remote_storage.bucket_name to the name of a bucket
      rescan_period = "x" (line 2): expected a duration from "1s" to "1day", as in "90s" or "1h 30m"
      log.format = "xml" (line 5): expected "human" or "json"
    "#);
}

#[test]
fn a_password_in_an_endpoint_is_not_repeated() {
    let file = file_with(BUCKET, "remote_storage.endpoint", "\"http://me:secret@store\"");
    let errors = errors(read(&file));
    assert!(errors[0].contains("without credentials") && !errors[0].contains("secret"), "{errors:?}");
}

#[test]
fn the_environment_counts_over_the_file() {
    let environment = [
        ("THERMOCLINE_LISTEN", "[::1]:80"),
        ("THERMOCLINE_REMOTE_STORAGE__LOCAL_PATH", "elsewhere"),
        ("THERMOCLINE_HEATMAP_UPLOAD_CONCURRENCY", "3"),
        ("THERMOCLINE_POLICY__CONFIG", "{\"hot\": 3}"),
        ("THERMOCLINE_HTTP__MAX_BODY_BYTES", "5"),
        ("PATH", "/bin"),
    ];
    let loaded = read_with(SMALLEST, &environment).unwrap();
    assert_eq!(loaded.config.listen, "[::1]:80".parse().unwrap());
    assert_eq!(loaded.config.remote, RemoteUrl::File { path: "/etc/thermocline/elsewhere".into() });
    assert_eq!(loaded.config.concurrency.get(), 3);
    assert_eq!(loaded.config.policy_config, "{\"hot\":3}");
    assert_eq!(loaded.config.max_body_bytes, 5);
    let listen = &loaded.effective[0];
    assert_eq!((listen.value.as_str(), listen.source.to_string()), ("\"[::1]:80\"", "THERMOCLINE_LISTEN".into()));
    assert_eq!(loaded.effective[1].source, Source::File { line: 3 });
}

#[test]
fn an_empty_file_will_do_where_the_environment_has_it_all() {
    let environment = [
        ("THERMOCLINE_LISTEN", "127.0.0.1:80"),
        ("THERMOCLINE_PAGESERVER__DATA_DIR", "/data"),
        ("THERMOCLINE_REMOTE_STORAGE__BUCKET_NAME", "heatmaps"),
        ("THERMOCLINE_REMOTE_STORAGE__PATH_STYLE", "true"),
    ];
    let config = read_with("", &environment).unwrap().config;
    assert_eq!((config.remote.to_string(), config.s3.path_style), ("s3://heatmaps".into(), Some(true)));
}

#[rstest]
#[case::value(("THERMOCLINE_RESCAN_PERIOD", "soon"), "rescan_period = \"soon\" (THERMOCLINE_RESCAN_PERIOD): expected a duration")]
#[case::empty(("THERMOCLINE_LOG__FILTER", ""), "log.filter = \"\" (THERMOCLINE_LOG__FILTER): expected levels")]
#[case::json(("THERMOCLINE_POLICY__CONFIG", "[]"), "policy.config = \"[]\" (THERMOCLINE_POLICY__CONFIG): expected")]
#[case::no_setting(("THERMOCLINE_PAGESERVER__DIR", "/d"), "no setting has the variable THERMOCLINE_PAGESERVER__DIR: expected one of THERMOCLINE_PAGESERVER__DATA_DIR")]
#[case::no_table(("THERMOCLINE_PAGESEVER__DATA_DIR", "/d"), "no setting has the variable THERMOCLINE_PAGESEVER__DATA_DIR: expected one of THERMOCLINE_LISTEN, ")]
fn what_is_wrong_in_the_environment_is_told_with_its_variable(#[case] variable: (&str, &str), #[case] said: &str) {
    let errors = errors(read_with(SMALLEST, &[variable]));
    assert!(errors.len() == 1 && errors[0].starts_with(said), "{errors:?}");
}

#[test]
fn variables_that_others_may_have_meant_are_no_error() {
    let others = [
        ("THERMOCLINE_WEED", "/bin/weed"),
        ("THERMOCLINE_LISTN", "x"),
        // Those of the commands that ask a daemon are nobody's mistake.
        ("THERMOCLINE_URL", "http://127.0.0.1:1"),
        ("THERMOCLINE_TOKEN_FILE", "/token"),
    ];
    let loaded = read_with(SMALLEST, &others).unwrap();
    assert_eq!(loaded.ignored, ["THERMOCLINE_WEED", "THERMOCLINE_LISTN"]);
}

#[rstest]
#[case::live("heatmap_upload_concurrency", "3", None)]
#[case::filter("log.filter", "\"debug\"", None)]
#[case::series("metrics.tenant_series", "3", None)]
#[case::timeout("http.request_timeout", "\"3s\"", None)]
#[case::body("http.max_body_bytes", "3", None)]
#[case::key("auth.public_key_file", "\"x\"", None)]
#[case::listen("listen", "\"127.0.0.1:3\"", Some("listen"))]
#[case::data_dir("pageserver.data_dir", "\"/3\"", Some("pageserver.data_dir"))]
#[case::remote("remote_storage.local_path", "\"/3\"", Some("remote_storage"))]
#[case::period("heatmap_period", "\"3s\"", None)]
#[case::rescan("rescan_period", "\"3s\"", None)]
#[case::recheck("recheck_period", "\"3h\"", Some("recheck_period"))]
#[case::shutdown("shutdown_timeout", "\"3s\"", Some("shutdown_timeout"))]
#[case::state("state_dir", "\"/3\"", Some("state_dir"))]
#[case::policy("policy.file", "\"/3\"", None)]
#[case::policy_config("policy.config", "{ a = 3 }", None)]
#[case::rollback_failures("policy.rollback_failures", "3", None)]
#[case::rollback_window("policy.rollback_window", "\"3s\"", None)]
#[case::format("log.format", "\"json\"", Some("log.format"))]
#[case::connections("http.max_connections", "3", Some("http.max_connections"))]
fn a_change_that_needs_a_restart_is_named(#[case] setting: &str, #[case] value: &str, #[case] named: Option<&str>) {
    let before = read(SMALLEST).unwrap().config;
    let after = read(&file_with(SMALLEST, setting, value)).unwrap().config;
    assert_ne!(before, after);
    let expected: Vec<&str> = match setting {
        // The state lies in there.
        "pageserver.data_dir" => vec!["pageserver.data_dir", "state_dir"],
        _ => named.into_iter().collect(),
    };
    assert_eq!(before.needs_restart(&after), expected);
}

#[test]
fn a_file_that_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("thermocline.toml");
    let error = load(&file, []).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot be read: No such file", file.display())), "{error}");

    for (size, taken) in [(MAX_FILE_BYTES, true), (MAX_FILE_BYTES + 1, false)] {
        let padding = "#".repeat(usize::try_from(size).unwrap() - SMALLEST.len());
        std::fs::write(&file, format!("{SMALLEST}{padding}")).unwrap();
        assert_eq!(load(&file, []).is_ok(), taken, "{size}");
    }
}
