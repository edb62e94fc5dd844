//! What a file system's event means for heatmaps.

use std::path::Path;

use notify::event::{Event, EventKind, ModifyKind, RenameMode};

use super::config;
use super::scan::TIMELINES;
use crate::layer::{LayerName, TenantShardId, TimelineId};

/// What is to be done about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A layer file came, went or changed.
    Layers(TenantShardId),
    /// How the shard is located here may have changed.
    Config(TenantShardId),
    /// A timeline came or went: there are other folders to watch.
    Timelines(TenantShardId),
    /// The shard's folder came or went.
    Shard(TenantShardId),
    /// Events were lost, or the folder of tenants was.
    Lost,
}

/// What an event below `tenants` means; nothing, for most.
///
/// What is passed over: reads, because a pageserver reads all the time and keeps layers open, so that opening one tells
/// nothing of when it is used; temporary files and those of layers in memory, which no scan counts; and the local
/// `heatmap-v1.json`. We write that one after each upload, which must not cause the next look. Others write it while a
/// location is secondary, and then attaching it writes `config-v1`, which is told; or a pageserver that uploads
/// heatmaps of its own, which lists what a look finds anyway.
pub(super) fn classify(tenants: &Path, event: &notify::Result<Event>) -> Option<Change> {
    let Ok(event) = event else { return Some(Change::Lost) };
    if event.need_rescan() {
        return Some(Change::Lost);
    }
    // Whether a name came or went, beyond what is behind it having changed.
    let named = match event.kind {
        EventKind::Access(_) => return None,
        // Both halves of a rename have been told.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return None,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => false,
        _ => true,
    };
    let path = event.paths.first()?.strip_prefix(tenants).ok()?;
    let mut names = path.iter().map(|name| name.to_str());
    let Some(shard) = names.next() else { return named.then_some(Change::Lost) };
    let shard: TenantShardId = shard?.parse().ok()?;
    let below: Vec<_> = names.collect::<Option<_>>()?;
    match below[..] {
        [] => named.then_some(Change::Shard(shard)),
        [config::FILE] => Some(Change::Config(shard)),
        [TIMELINES] => named.then_some(Change::Timelines(shard)),
        [TIMELINES, timeline] => (named && timeline.parse::<TimelineId>().is_ok()).then_some(Change::Timelines(shard)),
        [TIMELINES, _, layer] => LayerName::parse_with_generation(layer).ok().map(|_| Change::Layers(shard)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, AccessMode, CreateKind, DataChange, Flag, MetadataKind, RemoveKind};
    use rstest::rstest;

    use super::*;

    const SHARD: &str = "0a330000000000000000000000000003-0102";
    const TIMELINE: &str = "timelines/11111111111111111111111111111111";
    const IMAGE: &str =
        "000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__000000000189FB49-v1-0000002a";

    const CREATED: EventKind = EventKind::Create(CreateKind::Any);
    const REMOVED: EventKind = EventKind::Remove(RemoveKind::Any);
    const FROM: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::From));
    const TO: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::To));
    const BOTH: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
    const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const TOUCHED: EventKind = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
    const READ: EventKind = EventKind::Access(AccessKind::Open(AccessMode::Any));
    const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));

    fn told(kind: EventKind, below: &str) -> Option<Change> {
        let tenants = Path::new("/data/tenants");
        classify(tenants, &Ok(Event::new(kind).add_path(tenants.join(below))))
    }

    fn shard() -> TenantShardId {
        SHARD.parse().unwrap()
    }

    #[rstest]
    fn layers_change_with_every_event_but_reads(
        #[values(CREATED, REMOVED, FROM, TO, WRITTEN, TOUCHED, EventKind::Any)] kind: EventKind,
    ) {
        assert_eq!(told(kind, &format!("{SHARD}/{TIMELINE}/{IMAGE}")), Some(Change::Layers(shard())));
        assert_eq!(told(kind, &format!("{SHARD}/config-v1")), Some(Change::Config(shard())));
    }

    #[rstest]
    #[case::created(CREATED, true)]
    #[case::removed(REMOVED, true)]
    #[case::moved_away(FROM, true)]
    #[case::moved_here(TO, true)]
    #[case::moved_within(BOTH, false)]
    #[case::touched(TOUCHED, false)]
    #[case::read(READ, false)]
    fn folders_change_when_they_come_and_go(#[case] kind: EventKind, #[case] changes: bool) {
        let timelines = changes.then_some(Change::Timelines(shard()));
        assert_eq!(told(kind, SHARD), changes.then_some(Change::Shard(shard())));
        assert_eq!(told(kind, &format!("{SHARD}/timelines")), timelines);
        assert_eq!(told(kind, &format!("{SHARD}/{TIMELINE}")), timelines);
        assert_eq!(told(kind, ""), changes.then_some(Change::Lost), "the folder of tenants");
    }

    #[rstest]
    #[case::a_read(READ, &format!("{TIMELINE}/{IMAGE}"))]
    #[case::a_closed_file(CLOSED, &format!("{TIMELINE}/{IMAGE}"))]
    #[case::the_local_heatmap(TO, "heatmap-v1.json")]
    #[case::an_unfinished_heatmap(CREATED, "heatmap-v1.json.7-0.___temp")]
    #[case::an_unfinished_configuration(CREATED, "config-v1.___temp")]
    #[case::an_unfinished_layer(CREATED, &format!("{TIMELINE}/{IMAGE}.___temp"))]
    #[case::an_unfinished_download(WRITTEN, &format!("{TIMELINE}/{IMAGE}.temp_download"))]
    #[case::a_layer_in_memory(WRITTEN, &format!("{TIMELINE}/ephemeral-12"))]
    #[case::no_timeline(CREATED, "timelines/lost+found")]
    #[case::a_timeline_that_is_deleted(TO, &format!("{TIMELINE}.___temp"))]
    #[case::elsewhere(CREATED, "wal-redo/x")]
    #[case::too_deep(CREATED, &format!("{TIMELINE}/{IMAGE}/{IMAGE}"))]
    fn what_no_look_depends_on_is_passed_over(#[case] kind: EventKind, #[case] below: &str) {
        assert_eq!(told(kind, &format!("{SHARD}/{below}")), None);
    }

    #[test]
    fn other_names_are_no_tenants() {
        assert_eq!(told(CREATED, "lost+found"), None);
        assert_eq!(told(TO, &format!("{SHARD}.___temp")), None);
        assert_eq!(told(CREATED, "/elsewhere"), None);
    }

    #[test]
    fn what_was_lost_is_told() {
        let tenants = Path::new("/data/tenants");
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(classify(tenants, &Ok(overflow)), Some(Change::Lost));
        assert_eq!(classify(tenants, &Err(notify::Error::generic("broken"))), Some(Change::Lost));
    }
}
