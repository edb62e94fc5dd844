//! A SeaweedFS: a real distributed store, all its parts in one process.

use std::fs::File;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use thermocline::remote::Remote;

use super::{Access, BUCKET};

/// The variable of the environment that names the `weed` binary.
pub const WEED_VARIABLE: &str = "THERMOCLINE_WEED";

/// The ports of its parts. Of each, the one 10,000 higher is taken for gRPC.
const PARTS: [&str; 7] = ["master", "volume", "filer", "s3", "admin", "s3.port.iceberg", "s3.port.lance"];
const GRPC_OFFSET: u16 = 10_000;

/// Where ports are looked for: both they and theirs for gRPC are below those that the system gives away.
const PORTS: std::ops::Range<u16> = 20_000..22_700;

/// Another process may take a port between looking and starting.
const STARTS: usize = 5;

/// In its folder: who may do what, and what it stores.
const CONFIG: &str = "s3.json";
const DATA: &str = "data";

/// How often it is asked whether it is ready, and how long after one another: for a minute.
const READY_POLLS: u32 = 600;
const READY_POLL: Duration = Duration::from_millis(100);

/// A running SeaweedFS with an empty bucket. It ends with this value, also when a test panics.
#[derive(Debug)]
pub struct Weed {
    /// How to reach it.
    pub access: Access,
    process: Process,
    // After the process, which writes into it.
    site: Site,
}

/// Where it keeps what it stores, and where it listens.
#[derive(Debug)]
struct Site {
    binary: PathBuf,
    folder: tempfile::TempDir,
    ports: [u16; PARTS.len()],
}

impl Weed {
    /// Starts the binary that [`WEED_VARIABLE`] names, and waits until it is ready; none where the variable is not
    /// set: the test should say that it was skipped.
    ///
    /// # Errors
    /// Where it does not come up; with the end of what it printed.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        let Some(binary) = std::env::var_os(WEED_VARIABLE).filter(|binary| !binary.is_empty()) else {
            return Ok(None);
        };
        let mut last = None;
        for _ in 0..STARTS {
            match Weed::start_once(Path::new(&binary)).await {
                Ok(weed) => return Ok(Some(weed)),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("never tried")?)
    }

    async fn start_once(binary: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("weed").tempdir()?;
        let ports = free_ports().context("no free ports")?;
        let [.., s3, _, _, _] = ports;
        let access = Access::new(s3);
        let config = serde_json::json!({"identities": [{
            "name": "tests",
            "credentials": [{"accessKey": access.access_key_id, "secretKey": access.secret_access_key}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }]});
        std::fs::write(folder.path().join(CONFIG), config.to_string())?;
        std::fs::create_dir(folder.path().join(DATA))?;
        let site = Site { binary: binary.to_owned(), folder, ports };
        let process = site.spawn(&access).await?;
        Ok(Weed { access, process, site })
    }

    /// Ends it at once, as a crash would, and starts it again over what it had stored.
    ///
    /// # Errors
    /// Where it does not come up again.
    pub async fn crash(&mut self) -> anyhow::Result<()> {
        self.process.0.kill()?;
        self.process.0.wait()?;
        self.process = self.site.spawn(&self.access).await?;
        Ok(())
    }

    /// The id of its process.
    pub fn process_id(&self) -> u32 {
        self.process.0.id()
    }
}

impl Site {
    /// Starts it here, and waits until it is ready.
    #[allow(clippy::disallowed_methods, reason = "a real server takes real time")]
    async fn spawn(&self, access: &Access) -> anyhow::Result<Process> {
        let Site { binary, folder, ports } = self;
        let log_path = folder.path().join("log");
        let log = File::options().create(true).append(true).open(&log_path)?;
        let mut command = Command::new(binary);
        command
            .arg("mini")
            .arg(format!("-dir={}", folder.path().join(DATA).display()))
            .arg(format!("-s3.config={}", folder.path().join(CONFIG).display()));
        command.args([
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-webdav=false",
            "-admin.ui=false",
            "-s3.autoCreateBucket=false",
        ]);
        command.arg(format!("-bucket={BUCKET}"));
        for (part, port) in PARTS.iter().zip(ports) {
            if part.contains('.') {
                command.arg(format!("-{part}={port}"));
            } else {
                command.arg(format!("-{part}.port={port}")).arg(format!("-{part}.port.grpc={}", port + GRPC_OFFSET));
            }
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir(folder.path());
        let child = command.spawn().with_context(|| format!("{WEED_VARIABLE}={}", binary.display()))?;
        let mut process = Process(child);

        let remote = access.remote("").await?;
        for _ in 0..READY_POLLS {
            if is_ready(remote.as_ref()).await {
                return Ok(process);
            }
            if let Some(status) = process.0.try_wait()? {
                bail!("weed ended with {status}: {}", tail(&log_path));
            }
            tokio::time::sleep(READY_POLL).await;
        }
        bail!("weed was not ready in time: {}", tail(&log_path));
    }
}

/// Its parts come up one after another: only a write says that all are there.
async fn is_ready(remote: &dyn Remote) -> bool {
    // What a crash left behind would be in the way.
    let key = "is-it-ready";
    remote.delete(key).await.is_ok()
        && remote.put(key, bytes::Bytes::new(), thermocline::remote::PutIf::Absent).await.is_ok()
        && remote.delete(key).await.is_ok()
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().rev().take(20).collect();
    lines.reverse();
    lines.join("\n")
}

/// A process that ends with this value.
#[derive(Debug)]
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As many free ports as there are parts, the ones for gRPC free as well. Processes begin to look in different
/// places.
fn free_ports() -> Option<[u16; PARTS.len()]> {
    let is_free = |port: u16| match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::AddrInUse && error.kind() != ErrorKind::PermissionDenied,
    };
    let count = PORTS.len() / PARTS.len();
    let turn = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let first = (std::process::id() as usize).wrapping_mul(31).wrapping_add(turn);
    (0..count).find_map(|step| {
        let block = u16::try_from((first + step) % count * PARTS.len()).ok()?;
        let mut ports = [0; PARTS.len()];
        for (port, offset) in ports.iter_mut().zip(0u16..) {
            *port = PORTS.start + block + offset;
        }
        ports.iter().all(|&port| is_free(port) && is_free(port + GRPC_OFFSET)).then_some(ports)
    })
}

/// Two tests of one process must not begin to look in the same place.
static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
