//! Pages and pictures as a browser sees them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Names it where it is not on the path.
pub const CHROMIUM: &str = "THERMOCLINE_CHROMIUM";

/// What a page may take, scripts included, before it is given up.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Of its own time, what a page's scripts get to do what they do.
const SCRIPT_TIME_MS: u32 = 3000;

/// A page that was opened: what it consists of once its scripts have run, and what they said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The elements, as text.
    pub dom: String,
    /// What went to the console, a line each: errors of scripts, too.
    pub console: Vec<String>,
}

/// Opens a file in a headless Chromium.
///
/// # Errors
/// If there is no Chromium, or it does not come to an end: what to do is in the message.
pub fn open(page: &Path) -> io::Result<Opened> {
    let binary = std::env::var_os(CHROMIUM).map_or_else(|| PathBuf::from("chromium"), PathBuf::from);
    let profile = tempfile::tempdir()?;
    let mut command = Command::new(&binary);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--dump-dom", "--enable-logging=stderr", "--v=0"])
        .arg(format!("--virtual-time-budget={SCRIPT_TIME_MS}"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.canonicalize()?.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| {
        let binary = binary.display();
        let hint = format!("{binary}: {error}: `tests/run tools` installs Chromium, and {CHROMIUM} may name another");
        io::Error::new(error.kind(), hint)
    })?;
    let (dom, log) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let ended = wait(&mut child);
    let (dom, log) = (joined(dom)?, joined(log)?);
    ended?;
    let console = log.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect();
    Ok(Opened { dom, console })
}

type Drained = Option<thread::JoinHandle<io::Result<Vec<u8>>>>;

/// Reads a pipe to its end, beside all else: a child that nobody listens to stops.
fn drain(pipe: Option<impl Read + Send + 'static>) -> Drained {
    pipe.map(|mut pipe| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).map(|_| bytes)
        })
    })
}

fn joined(drained: Drained) -> io::Result<String> {
    let Some(drained) = drained else { return Ok(String::new()) };
    let bytes = drained.join().map_err(|_| io::Error::other("what read Chromium's output panicked"))??;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[allow(clippy::disallowed_methods, reason = "waits for a process of the system")]
fn wait(child: &mut Child) -> io::Result<()> {
    for _ in 0..PATIENCE.as_millis() / LOOK_EVERY.as_millis() {
        if let Some(status) = child.try_wait()? {
            return if status.success() { Ok(()) } else { Err(io::Error::other(format!("Chromium ended: {status}"))) };
        }
        thread::sleep(LOOK_EVERY);
    }
    child.kill()?;
    child.wait()?;
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("Chromium did not end in {} s", PATIENCE.as_secs())))
}
