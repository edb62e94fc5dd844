//! `answered`: every command is answered, and with what happened.

use std::time::Duration;

use super::super::event::{Deletion, Event, HostId, Location, Reply};
use super::super::ledger::{Command, Ledger};
use super::Check;

/// How long a command may take while the bucket works, beside the job that runs before it and its own.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub(super) struct Answered {
    /// Commands as they were begun: the ledger forgets them with their answers.
    commands: std::collections::BTreeMap<u64, Command>,
    deletions: std::collections::BTreeMap<u64, Command>,
    told: std::collections::BTreeSet<u64>,
}

impl Check for Answered {
    fn name(&self) -> &'static str {
        "answered"
    }

    fn look(&mut self, ledger: &Ledger, event: &Event) -> Vec<String> {
        match event {
            Event::Commanded { command, .. } => {
                self.commands.extend(ledger.commands.get(command).map(|began| (*command, *began)));
                Vec::new()
            }
            Event::Deleting { command, .. } => {
                self.deletions.extend(ledger.deletions.get(command).map(|began| (*command, *began)));
                Vec::new()
            }
            Event::Replied { host, command, shard, reply } => {
                let wrong = self.commands.remove(command).and_then(|began| wrong(ledger, &began, reply));
                let told = wrong.map(|why| format!("{host:?} answered {reply:?} for {shard}, but {why}"));
                told.into_iter().collect()
            }
            Event::Deleted { host, command, shard, reply } => {
                let wrong = self.deletions.remove(command).and_then(|began| wrong_deletion(ledger, &began, reply));
                let told = wrong.map(|why| format!("{host:?} answered {reply:?} to a deletion of {shard}, but {why}"));
                told.into_iter().collect()
            }
            Event::Tick if !ledger.bad_weather => self.waiting(ledger, |command, host| {
                ledger.now.saturating_sub(command.began.max(ledger.fine_since)) > PATIENCE + 4 * host.terms.job
            }),
            Event::Finished => self.waiting(ledger, |_, _| true),
            _ => Vec::new(),
        }
    }
}

impl Answered {
    fn waiting(
        &mut self,
        ledger: &Ledger,
        late: impl Fn(&Command, &super::super::ledger::HostFacts) -> bool,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        for (id, command) in ledger.commands.iter().chain(&ledger.deletions) {
            let Some(host) = ledger.hosts.get(&command.host) else { continue };
            if late(command, host) && self.told.insert(*id) {
                let Command { host, shard, began, .. } = command;
                wrong.push(format!("{host:?} has not answered a command for {shard} since {began:?}"));
            }
        }
        wrong
    }
}

/// Why an answer is not what happened.
fn wrong(ledger: &Ledger, command: &Command, reply: &Reply) -> Option<String> {
    let Command { host, shard, began, state } = *command;
    let place = ledger.places.get(&(host.node, shard));
    let was = |so: fn(&Location) -> bool| place.is_some_and(|place| place.was_since(began, |was| was.is_some_and(so)));
    let object = ledger.objects.get(&shard);
    let stopping = ledger.hosts.get(&host).is_some_and(|host| host.stopping.is_some() || host.ended.is_some());
    match reply {
        Reply::Uploaded | Reply::Unchanged => {
            let place = place?;
            let mut there = object.into_iter().flat_map(|object| object.since(began));
            let right = there.any(|written| {
                let seen = place.seen.get(&written.picture.exact);
                seen.is_some_and(|seen| seen.state >= state)
            });
            (!right).then(|| format!("since {began:?} the bucket had nothing that says what it was then or later"))
        }
        Reply::Skipped(code) => {
            let so = match code.as_str() {
                "gone" => place.is_none_or(|place| place.was_since(began, |was| was.is_none())),
                "inactive" => was(|location| !location.active),
                "not_ready" => was(|location| !location.ready || location.closing),
                _ => false,
            };
            (!so).then(|| "it was not so at any moment since it was asked".into())
        }
        Reply::Stale(generation) => {
            let older = |was: Option<&Location>| was.is_some_and(|location| location.generation < *generation);
            let mut there = object.into_iter().flat_map(|object| object.since(began));
            let so = place.is_some_and(|place| place.was_since(began, older))
                && there.any(|written| written.generation == *generation);
            (!so).then(|| "the bucket had no such, or it is no later than ours".into())
        }
        Reply::Remote(_) => (!troubled(ledger, host, command)).then(|| "no request of it failed".into()),
        Reply::Failed(_) => Some("nothing was wrong with it".into()),
        Reply::Cancelled | Reply::ShuttingDown => (!stopping).then(|| "nobody has ended the host".into()),
        Reply::Busy(limit) => {
            let commands = ledger.commands.values().filter(|command| command.host == host).count() + 1;
            (commands <= *limit).then(|| format!("{commands} ran, and {limit} may"))
        }
    }
}

fn wrong_deletion(ledger: &Ledger, command: &Command, reply: &Deletion) -> Option<String> {
    let Command { host, shard, began, .. } = *command;
    let place = ledger.places.get(&(host.node, shard));
    let object = ledger.objects.get(&shard);
    let stopping = ledger.hosts.get(&host).is_some_and(|host| host.stopping.is_some() || host.ended.is_some());
    match reply {
        Deletion::Done => {
            let gone = place.is_none_or(|place| place.was_since(began, |was| was.is_none()));
            (!gone).then(|| "it was attached there all the time".into())
        }
        Deletion::Attached => {
            let was = place.is_some_and(|place| place.was_since(began, |was| was.is_some()));
            (!was).then(|| "it was not attached there at any moment".into())
        }
        Deletion::Stale(generation) => {
            let mut since = object.into_iter().flat_map(|object| object.since(began));
            (!since.any(|written| written.generation == *generation)).then(|| "the bucket had no such heatmap".into())
        }
        Deletion::Remote(_) => (!troubled(ledger, host, command)).then(|| "no request of it failed".into()),
        Deletion::ShuttingDown => (!stopping).then(|| "nobody has ended the host".into()),
        Deletion::Failed(_) => Some("nothing was wrong with it".into()),
    }
}

/// Whether a request of this host for this shard failed since.
fn troubled(ledger: &Ledger, host: HostId, command: &Command) -> bool {
    let trouble = ledger.objects.get(&command.shard).and_then(|object| object.trouble.get(&host));
    trouble.is_some_and(|at| *at >= command.began)
}
