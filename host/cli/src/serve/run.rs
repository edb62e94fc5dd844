//! The daemon's life: it starts, reloads, drains and ends.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use thermocline::clock::{Clock, SystemClock};
use thermocline::datadir::{DEFAULT_UPLOAD_PERIOD, DataDir, Location, Watch};
use thermocline::{Host, HostHandle, State, StateError};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::config::{self, Config, Loaded};
use super::http::{self, Api};
use super::{log, parts, systemd};
use crate::Verdict;
use crate::args::ServeArgs;
use crate::output::{self, Table, count};

/// In the state folder: what is known of each heatmap in the bucket.
const STATE_FILE: &str = "uploads.redb";

/// Runs until it is told to end, or only says what would run.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<Verdict> {
    let loaded = load(&args.config)?;
    if args.check { check(&args.config, &loaded).await } else { daemon(&args.config, loaded).await }
}

fn load(file: &Path) -> anyhow::Result<Loaded> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    Ok(config::load(file, environment)?)
}

/// Opens all that it would run with, and tells.
async fn check(file: &Path, loaded: &Loaded) -> anyhow::Result<Verdict> {
    let parts = parts::open(&loaded.config, false).await?;
    let judge = parts::policy(&loaded.config)?;
    parts::reach(&*parts.remote).await?;
    // A daemon that serves already may be the one whose settings are looked at before it reads them again.
    let taken = match State::check(&loaded.config.state_dir.join(STATE_FILE)) {
        Err(error @ StateError::Locked { .. }) => format!("\nNow it could not start beside it: state_dir: {error}"),
        checked => checked.map(|()| String::new()).context("state_dir")?,
    };
    let tenants = parts.data_dir.tenants().await.context("pageserver.data_dir")?;
    let attached = tenants.iter().filter(|tenant| matches!(tenant.location, Location::Attached(_))).count();

    let mut settings = Table::new(&["SETTING", "VALUE", "FROM"]);
    for setting in &loaded.effective {
        settings.row([setting.name.to_owned(), setting.value.clone(), setting.source.to_string()]);
    }
    let ignored: String = loaded.ignored.iter().map(|name| format!("\n{name} is no setting, and ignored")).collect();
    output::line(format!(
        "{settings}\n\n{} is right. It would serve {} at http://{}, uploading to {} as {} decides.{ignored}{taken}",
        file.display(),
        count(attached as u64, "attached shard"),
        loaded.config.listen,
        loaded.config.remote,
        judge.policy().identity(),
    ))?;
    Ok(Verdict::Good)
}

async fn daemon(file: &Path, loaded: Loaded) -> anyhow::Result<Verdict> {
    let Loaded { config, ignored, .. } = loaded;
    let filter = log::start(config.log_format, &config.log_filter)?;
    for name in ignored {
        tracing::warn!("{name} is no setting, and ignored");
    }
    let mut signals = Signals::new()?;
    let parts = parts::open(&config, true).await?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| format!("listen: {}", config.listen))?;
    let listen = listener.local_addr()?;
    std::fs::create_dir_all(&config.state_dir)
        .with_context(|| format!("state_dir: cannot make {}", config.state_dir.display()))?;
    let state = State::open(&config.state_dir.join(STATE_FILE)).context("state_dir")?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    if let Err(error) = parts.data_dir.remove_leftovers(clock.unix_s()).await {
        tracing::warn!("{}: what killed processes left behind stays: {error}", config.state_dir.display());
    }
    let policies = parts::policies(&config, Arc::clone(&clock)).await?;
    let host = Host::builder(Arc::new(parts.data_dir.clone()), Arc::clone(&parts.remote), policies.clone())
        .clock(Arc::clone(&clock))
        .state(state)
        .concurrency(config.concurrency)
        .rescan_period(config.rescan_period)
        .recheck_period(config.recheck_period)
        .shutdown_limit(config.shutdown_timeout)
        .build();
    // Before the host looks: what is looked at before it is watched would be looked at again.
    let watching = start_watch(&parts.data_dir, &host.handle());
    let handle = host.handle();
    let mut running = tokio::spawn(host.run());
    let host = handle;
    let rescan_period = watch::Sender::new(config.rescan_period);
    let forgetting = forget_revisions(parts.data_dir.clone(), rescan_period.subscribe(), Arc::clone(&clock));
    let forgetting = tokio::spawn(forgetting);
    let api = Api::new(Arc::new(host.clone()), parts.remote, Arc::clone(&clock), parts.live);
    let stop = CancellationToken::new();
    let limits = http::Limits {
        connections: config.max_connections,
        header_timeout: http::HEADER_TIMEOUT,
        write_timeout: http::WRITE_TIMEOUT,
        drain: config.shutdown_timeout,
    };
    let mut served = tokio::spawn(http::serve(listener, api.router(), limits, Arc::clone(&clock), stop.clone()));
    let watchdog = tokio::spawn(systemd::watchdog(clock));
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"), %listen, data_dir = %config.data_dir.display(), remote = %config.remote,
        policy = %policies.active().identity(), credentials = config.public_key_file.is_some(), "started"
    );
    systemd::ready();

    let mut daemon = Daemon { started: config, host, data_dir: parts.data_dir, rescan_period, api, filter };
    let end = loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            // Neither ends unasked but by a bug. Whoever restarts the daemon helps then, and it should not look alive.
            ended = &mut running => anyhow::bail!("the host has ended, which is a bug: {ended:?}"),
            ended = &mut served => anyhow::bail!("the HTTP server has ended, which is a bug: {ended:?}"),
        };
        match asked {
            Asked::Reload => daemon.reload(file).await,
            Asked::End(signal) => break signal,
        }
    };
    systemd::stopping();
    tracing::info!(signal = end.name(), "shutting down");
    stop.cancel();
    let drained = async { tokio::join!(daemon.host.shutdown(), served).0 };
    let drained = tokio::select! {
        drained = drained => drained,
        again = signals.ended() => {
            tracing::warn!(signal = again.name(), "ends at once");
            std::process::exit(again.exit_code());
        }
    };
    watchdog.abort();
    forgetting.abort();
    drop(watching);
    for shard in &drained.cut_off {
        tracing::warn!(%shard, "its upload was cut off: the bucket has the heatmap of before, or the new one");
    }
    tracing::info!("ended");
    Ok(Verdict::Good)
}

/// Tells the host of shards that come, go, or change. Without it, all are listed from time to time, and looked at at
/// every turn.
fn start_watch(data_dir: &DataDir, host: &HostHandle) -> Option<Watch> {
    let told = host.clone();
    let watch = data_dir.watch(move |shard| match shard {
        Some(shard) => told.changed(shard),
        None => told.rescan(),
    });
    watch.inspect_err(|error| tracing::warn!("{error}")).ok()
}

/// Nobody is told of access times, nor of what happens in the bucket. So every shard is looked at from time to time,
/// whether or not its folder changed.
async fn forget_revisions(data_dir: DataDir, mut period: watch::Receiver<Duration>, clock: Arc<dyn Clock>) {
    loop {
        let wait = *period.borrow_and_update();
        tokio::select! {
            () = clock.sleep(wait) => data_dir.forget_revisions(),
            Ok(()) = period.changed() => {}
        }
    }
}

/// What a reload needs.
#[derive(Debug)]
struct Daemon {
    /// What cannot change since.
    started: Config,
    host: HostHandle,
    data_dir: DataDir,
    rescan_period: watch::Sender<Duration>,
    api: Arc<Api>,
    filter: log::Filter,
}

impl Daemon {
    /// Takes over what can change. A file that is wrong changes nothing.
    async fn reload(&mut self, file: &Path) {
        systemd::reloading();
        match self.try_reload(file).await {
            Ok(needs_restart) if needs_restart.is_empty() => tracing::info!("reloaded"),
            Ok(names) => {
                tracing::warn!(settings = names.join(", "), "reloaded; what these settings say needs a restart");
            }
            Err(error) => tracing::error!("not reloaded, the old settings stay: {}", output::told(&error)),
        }
        systemd::ready();
    }

    async fn try_reload(&self, file: &Path) -> anyhow::Result<Vec<&'static str>> {
        let config = load(file)?.config;
        let live = parts::live(&config)?;
        // What asks for no credentials may only be reached from here, and the address is the one it was started with.
        anyhow::ensure!(
            live.key.is_some() || self.started.listen.ip().is_loopback(),
            "auth.public_key_file is gone, and {} can be reached by others",
            self.started.listen
        );
        let filter = log::Filtered::read(&config.log_filter)?;
        // The last that can be refused: what comes after it holds together with it.
        parts::follow(self.host.policies(), &config).await?;
        if let Err(error) = self.filter.set(filter) {
            tracing::warn!("{}", output::told(&error));
        }
        self.host.set_concurrency(config.concurrency);
        self.data_dir.set_default_upload_period(config.heatmap_period.unwrap_or(DEFAULT_UPLOAD_PERIOD));
        self.rescan_period.send_replace(config.rescan_period);
        self.host.set_rescan_period(config.rescan_period);
        self.host.rescan();
        self.api.set_live(live);
        Ok(self.started.needs_restart(&config))
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Reload,
    End(End),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Interrupt,
    Terminate,
}

impl End {
    const fn name(self) -> &'static str {
        match self {
            End::Interrupt => "SIGINT",
            End::Terminate => "SIGTERM",
        }
    }

    /// As shells give it to what a signal has ended.
    const fn exit_code(self) -> i32 {
        match self {
            End::Interrupt => 130,
            End::Terminate => 143,
        }
    }
}

/// Signals that are handled, from the moment it exists.
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be handled");
        Ok(Signals {
            hangup: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.interrupt.recv() => Asked::End(End::Interrupt),
            _ = self.terminate.recv() => Asked::End(End::Terminate),
        }
    }

    /// The next that asks to end.
    async fn ended(&mut self) -> End {
        loop {
            if let Asked::End(end) = self.next().await {
                return end;
            }
        }
    }
}
