//! Pages and pictures as a browser sees them.
//!
//! Chromium runs as a process, without a driver: it opens a file, lets its scripts run, prints what the page consists of
//! then, and ends. What goes to the console is in its log.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

/// The variable of the environment that names a Chromium that is not on the path as `chromium`. Set to nothing, it says
/// that there is none, and that tests which need one should say that they were skipped.
pub const CHROMIUM_VARIABLE: &str = "THERMOCLINE_CHROMIUM";

/// What a page may take, scripts included, before it is given up.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Of its own time, what a page's scripts get to do what they do.
const SCRIPT_TIME_MS: u32 = 3000;

/// A headless Chromium, started anew for each page.
#[derive(Clone, Debug)]
pub struct Browser {
    binary: PathBuf,
    patience: Duration,
}

/// A page that was opened: what it consists of once its scripts have run, and what they said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The elements, as text.
    pub dom: String,
    /// What went to the console, a line each: errors of scripts, and what the page's own rules refused, too.
    pub console: Vec<String>,
}

impl Browser {
    /// The one that [`CHROMIUM_VARIABLE`] names, or else `chromium`; none where the variable is set to nothing.
    pub fn found() -> Option<Self> {
        Browser::named(std::env::var_os(CHROMIUM_VARIABLE))
    }

    /// As [`Browser::found`] would, where the variable has this value.
    pub fn named(variable: Option<OsString>) -> Option<Self> {
        let binary = variable.unwrap_or_else(|| "chromium".into());
        (!binary.is_empty()).then(|| Browser { binary: binary.into(), patience: PATIENCE })
    }

    /// With another limit on the time that a page may take.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Browser { patience, ..self }
    }

    /// Opens a file.
    ///
    /// # Errors
    /// If there is no Chromium, it fails, or it does not come to an end in time: what to do is in the message. Of what
    /// was started nothing runs on.
    pub fn open(&self, page: &Path) -> io::Result<Opened> {
        let profile = tempfile::tempdir()?;
        let mut running = self.start(page, profile.path())?;
        let (dom, log) = (drain(running.0.stdout.take()), drain(running.0.stderr.take()));
        let ended = running.wait(self.patience);
        // Also where it ended by itself: what it started in turn would keep the pipes open.
        drop(running);
        let (dom, log) = (joined(dom)?, joined(log)?);
        let status = ended.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", page.display())))?;
        if !status.success() {
            let last = log.lines().last().unwrap_or_default();
            return Err(io::Error::other(format!("{} ended with {status}: {last}", self.binary.display())));
        }
        Ok(Opened { dom, console: console(&log) })
    }

    fn start(&self, page: &Path, profile: &Path) -> io::Result<Running> {
        let mut command = Command::new(&self.binary);
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--dump-dom", "--enable-logging=stderr", "--v=0"])
            .arg(format!("--virtual-time-budget={SCRIPT_TIME_MS}"))
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("file://{}", page.canonicalize()?.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // It starts many processes, which are to end with it.
            .process_group(0);
        command.spawn().map(Running).map_err(|error| {
            let hint = format!(
                "{}: {error}: `tests/run tools` installs Chromium, {CHROMIUM_VARIABLE} may name another, and \
                 {CHROMIUM_VARIABLE}= skips what needs one",
                self.binary.display()
            );
            io::Error::new(error.kind(), hint)
        })
    }
}

/// Whatever happens, it and all that it started end with this value.
struct Running(Child);

impl Running {
    #[allow(clippy::disallowed_methods, reason = "waits for a process of the system")]
    fn wait(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        for _ in 0..patience.as_millis() / LOOK_EVERY.as_millis() {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            thread::sleep(LOOK_EVERY);
        }
        let told = format!("the page did not come to an end in {} s", patience.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, told))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The standard library ends one process, not a group. That nothing is left to end is no error.
        let group = format!("kill -s KILL -- -{} 2>/dev/null", self.0.id());
        let _ = Command::new("sh").args(["-c", &group]).status();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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

/// Of Chromium's log, which also tells of what the machine lacks, the lines that are of the page.
fn console(log: &str) -> Vec<String> {
    log.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_to_nothing_there_is_none_and_else_the_one_that_is_named() {
        let binary = |variable: Option<&str>| Browser::named(variable.map(Into::into)).map(|browser| browser.binary);
        assert_eq!(binary(Some("")), None);
        assert_eq!(binary(None), Some("chromium".into()));
        assert_eq!(binary(Some("/opt/chrome")), Some("/opt/chrome".into()));
    }

    #[test]
    fn where_there_is_none_the_error_says_what_to_do() {
        let browser = Browser::named(Some("/nowhere/chromium".into())).unwrap();
        let error = browser.open(Path::new("/dev/null")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        for part in ["/nowhere/chromium", "tests/run tools", CHROMIUM_VARIABLE] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn what_fails_says_how_it_ended() {
        let error = Browser::named(Some("false".into())).unwrap().open(Path::new("/dev/null")).unwrap_err();
        assert!(error.to_string().contains("false ended with exit status: 1"), "{error}");
    }

    #[test]
    fn what_a_page_says_is_told_from_what_the_browser_says() {
        let log = "[1:2:ERROR:dbus/bus.cc:406] no bus\n[1:2:INFO:CONSOLE:1] \"x is not defined\", source: a (1)\n";
        assert_eq!(console(log), ["[1:2:INFO:CONSOLE:1] \"x is not defined\", source: a (1)"]);
    }
}
