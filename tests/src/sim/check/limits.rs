//! `limits`: no more uploads at once than allowed, one job a shard, held open while it runs, and a bounded number of
//! tries.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use thermocline::layer::TenantShardId;
use thermocline::upload::MAX_ATTEMPTS;

use super::super::event::{Event, HostId};
use super::super::ledger::{HostFacts, Ledger};
use super::Check;
use crate::doubles::Call;

/// Requests of one job at most: each try reads and writes, and a last look settles what became of the last write.
const REQUESTS_OF_A_JOB: usize = 2 * MAX_ATTEMPTS as usize + 1;

/// How far back requests are counted: less than the shortest period, so that two jobs by schedule meet it at most.
const WINDOW: Duration = Duration::from_secs(9);

/// The longest that one job waits between its tries.
const BACK_OFFS: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Limits that were lowered, and when: jobs that had begun go on.
    lowered: BTreeMap<HostId, Vec<(Duration, usize)>>,
    limits: BTreeMap<HostId, usize>,
    requests: BTreeMap<(HostId, TenantShardId), VecDeque<Duration>>,
    /// What entitles a host to a job more than those by schedule.
    reasons: BTreeMap<TenantShardId, VecDeque<Duration>>,
}

impl Check for Limits {
    fn name(&self) -> &'static str {
        "limits"
    }

    fn look(&mut self, ledger: &Ledger, event: &Event) -> Vec<String> {
        match event {
            Event::Started { host, terms, .. } => _ = self.limits.insert(*host, terms.concurrency),
            Event::Concurrency { host, limit } => {
                let before = self.limits.insert(*host, *limit).unwrap_or_default();
                self.lowered.entry(*host).or_default().push((ledger.now, before));
            }
            Event::Commanded { shard, .. } | Event::Replied { shard, .. } | Event::Attached { shard, .. } => {
                self.reasons.entry(*shard).or_default().push_back(ledger.now);
            }
            Event::Held { host, shard } => {
                let held = ledger.hosts.get(host).and_then(|host| host.held.get(shard)).copied().unwrap_or_default();
                if held > 1 {
                    return vec![format!("{host:?} holds {shard} open {held} times: more than one job runs")];
                }
            }
            Event::Sent { host, call, shard, request } => return self.sent(ledger, *host, *call, *shard, *request),
            _ => {}
        }
        Vec::new()
    }
}

impl Limits {
    fn sent(&mut self, ledger: &Ledger, host: HostId, call: Call, shard: TenantShardId, request: u64) -> Vec<String> {
        let mut wrong = Vec::new();
        let by_name = ledger.asked_by_name(host);
        let Some(facts) = ledger.hosts.get(&host) else { return wrong };
        if call == Call::Put && !facts.held.contains_key(&shard) {
            wrong.push(format!("{host:?} writes {shard} and does not hold it open"));
        }
        let deleting = ledger.deletions.values().any(|deletion| deletion.host == host && deletion.shard == shard);
        let same = |(id, open): (&u64, &super::super::ledger::Request)| {
            *id != request && open.host == host && open.shard == shard
        };
        if !deleting && ledger.open.iter().any(same) {
            wrong.push(format!("{host:?} has two requests for {shard} at once: more than one job runs"));
        }
        let uploads = uploading(ledger, host);
        let allowed = self.allowed(ledger, host, facts);
        if !by_name.contains(&shard) && uploads.len() > allowed {
            wrong.push(format!("{host:?} runs {} uploads by schedule, and {allowed} may run", uploads.len()));
        }
        if !deleting {
            wrong.extend(self.counted(ledger.now, host, shard, by_name.contains(&shard)));
        }
        wrong
    }

    /// How many jobs may run. Those that began under a higher limit end soon once the bucket works.
    fn allowed(&self, ledger: &Ledger, host: HostId, facts: &HostFacts) -> usize {
        let ends = |lowered: Duration| lowered.max(ledger.fine_since) + BACK_OFFS + facts.terms.job;
        let before = self.lowered.get(&host).into_iter().flatten();
        let before = before.filter(|(at, _)| ledger.bad_weather || ledger.now <= ends(*at)).map(|(_, limit)| *limit);
        before.chain([facts.limit]).max().unwrap_or_default()
    }

    fn counted(&mut self, now: Duration, host: HostId, shard: TenantShardId, by_name: bool) -> Option<String> {
        let from = now.saturating_sub(WINDOW);
        let reasons = self.reasons.entry(shard).or_default();
        while reasons.pop_front_if(|reason| *reason < from).is_some() {}
        let jobs = 2 + reasons.len() + usize::from(by_name);
        let requests = self.requests.entry((host, shard)).or_default();
        requests.push_back(now);
        while requests.pop_front_if(|request| *request < from).is_some() {}
        (requests.len() > REQUESTS_OF_A_JOB * jobs).then(|| {
            format!("{host:?} sent {} requests for {shard} within {WINDOW:?}: {jobs} jobs at most", requests.len())
        })
    }
}

/// Shards with a request under way that nobody asked for by name.
fn uploading(ledger: &Ledger, host: HostId) -> BTreeSet<TenantShardId> {
    let by_name = ledger.asked_by_name(host);
    let open = ledger.open.values().filter(|open| open.host == host);
    open.map(|open| open.shard).filter(|shard| !by_name.contains(shard)).collect()
}
