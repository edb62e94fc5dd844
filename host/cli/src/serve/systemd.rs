//! What the service manager is told. Where there is none, nobody is.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use thermocline::clock::Clock;

/// It serves; also at the end of a reload.
pub(crate) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Until the next [`ready`], settings are read anew.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("the service manager is not told of the reload: {error}"),
    }
}

/// It ends.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager is not told: {error}");
    }
}

/// Tells the service manager, where it asks for that, that the runtime still runs: twice in each of its periods.
pub(crate) async fn watchdog(clock: Arc<dyn Clock>) {
    let Some(period) = sd_notify::watchdog_enabled().filter(|period| !period.is_zero()) else { return };
    let pause = (period / 2).max(Duration::from_millis(1));
    loop {
        notify(&[NotifyState::Watchdog]);
        clock.sleep(pause).await;
    }
}
