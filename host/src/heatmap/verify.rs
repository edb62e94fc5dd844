//! What is doubtful about a heatmap that reads well.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::{Serialize, Serializer};

use super::{Heatmap, HeatmapLayer, HeatmapTimeline};
use crate::layer::{LayerName, TimelineId};

/// Most complaints of one kind that are written out: what a damaged writer gets wrong once, it gets wrong
/// for every layer.
pub const MAX_COMPLAINTS_OF_A_KIND: usize = 20;

/// How much a complaint matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Unusual, and readers cope: other writers may do so on purpose.
    Note,
    /// A standby that follows it does wrong: it downloads or counts something twice, and which of two
    /// contradicting entries it believes is chance. No writer means that.
    Error,
}

/// What may be doubtful.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// An error: the timeline was listed before.
    #[error("timeline {timeline_id} is listed a second time, first as timelines[{first}]")]
    DuplicateTimeline {
        /// Which.
        timeline_id: TimelineId,
        /// Where it was first.
        first: usize,
    },
    /// An error: the layer was listed before, in the same timeline.
    #[error("layer {name} is listed a second time, first as layers[{first}] of its timeline")]
    DuplicateLayer {
        /// Which.
        name: LayerName,
        /// Where it was first.
        first: usize,
    },
    /// A note, once a timeline: standbys work through the list in order. Some writers sort so on purpose.
    #[error("a cold layer comes before hot ones: {hot} of them")]
    ColdFirst {
        /// Hot layers behind the first cold one.
        hot: usize,
    },
    /// A note: no read can need it.
    #[error("layer {name} holds no key: its key range is empty")]
    NoKeys {
        /// Which.
        name: LayerName,
    },
    /// A note: layer files are never empty, so a download of this one will not match.
    #[error("layer {name} has a file size of 0")]
    NoBytes {
        /// Which.
        name: LayerName,
    },
    /// A note: who wrote the heatmap cannot have known this layer.
    #[error("layer {name} is of generation {layer}, above the heatmap's {heatmap}")]
    LaterGeneration {
        /// Which.
        name: LayerName,
        /// Of the layer.
        layer: u32,
        /// Of the document.
        heatmap: u32,
    },
    /// A note, once: a policy scores all layers that it lists, or none.
    #[error("{missing} of {layers} layers have no heat, the others have one")]
    SomeHeats {
        /// Without one.
        missing: usize,
        /// All.
        layers: usize,
    },
    /// A note, once: heats of different policies cannot be compared.
    #[error("there are heats, but no policy is named that gave them")]
    NoPolicy,
    /// A note, once: white space, fields in another order, unknown ones, or extra ones that are malformed.
    #[error(
        "the bytes are not those that a heatmap's writer writes: they differ from byte {offset} on ({bytes} bytes, \
         written anew {canonical_bytes})"
    )]
    NotCanonical {
        /// How many bytes are as they would be written.
        offset: usize,
        /// How many there are.
        bytes: usize,
        /// How many would be written.
        canonical_bytes: usize,
    },
}

impl Doubt {
    /// How much it matters.
    pub const fn severity(&self) -> Severity {
        match self {
            Doubt::DuplicateTimeline { .. } | Doubt::DuplicateLayer { .. } => Severity::Error,
            _ => Severity::Note,
        }
    }
}

/// A doubt, and where it arises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// As in `timelines[0].layers[3]`; empty for the document itself.
    pub path: String,
    /// What is doubtful.
    pub doubt: Doubt,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.doubt.severity() {
            Severity::Note => "note",
            Severity::Error => "error",
        };
        write!(f, "{severity}: ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        self.doubt.fmt(f)
    }
}

impl Serialize for Complaint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            severity: Severity,
            path: &'a str,
            what: String,
        }
        let Complaint { path, doubt } = self;
        Wire { severity: doubt.severity(), path, what: doubt.to_string() }.serialize(serializer)
    }
}

/// All complaints about a heatmap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Complaints {
    /// In the order of the document, at most [`MAX_COMPLAINTS_OF_A_KIND`] of each kind.
    pub complaints: Vec<Complaint>,
    /// Errors, also those that are not written out.
    pub errors: usize,
    /// Notes, also those that are not written out.
    pub notes: usize,
    #[serde(skip)]
    of_kind: HashMap<std::mem::Discriminant<Doubt>, usize>,
}

impl Complaints {
    /// How many were counted but not written out.
    pub fn omitted(&self) -> usize {
        self.errors + self.notes - self.complaints.len()
    }

    /// Compares the bytes that were read with those that a writer would have written for the same heatmap.
    pub fn compare_bytes(&mut self, bytes: &[u8], canonical: &[u8]) {
        if bytes != canonical {
            let offset = bytes.iter().zip(canonical).take_while(|(read, written)| read == written).count();
            let (bytes, canonical_bytes) = (bytes.len(), canonical.len());
            self.add(Doubt::NotCanonical { offset, bytes, canonical_bytes }, String::new);
        }
    }

    fn add(&mut self, doubt: Doubt, path: impl FnOnce() -> String) {
        match doubt.severity() {
            Severity::Error => self.errors += 1,
            Severity::Note => self.notes += 1,
        }
        let of_kind = self.of_kind.entry(std::mem::discriminant(&doubt)).or_default();
        *of_kind += 1;
        if *of_kind <= MAX_COMPLAINTS_OF_A_KIND {
            self.complaints.push(Complaint { path: path(), doubt });
        }
    }
}

impl Heatmap {
    /// Looks for what is doubtful. [`Complaints::compare_bytes`] adds what only the bytes show.
    pub fn verify(&self) -> Complaints {
        let mut complaints = Complaints::default();
        let mut first_seen = HashMap::new();
        for (index, timeline) in self.timelines.iter().enumerate() {
            let timeline_id = timeline.timeline_id;
            match first_seen.entry(timeline_id) {
                Entry::Vacant(vacant) => _ = vacant.insert(index),
                Entry::Occupied(first) => complaints
                    .add(Doubt::DuplicateTimeline { timeline_id, first: *first.get() }, || {
                        format!("timelines[{index}]")
                    }),
            }
            self.verify_timeline(index, timeline, &mut complaints);
        }
        self.verify_heats(&mut complaints);
        complaints
    }

    fn verify_timeline(&self, timeline_index: usize, timeline: &HeatmapTimeline, complaints: &mut Complaints) {
        let layers = &timeline.layers;
        let mut first_seen = HashMap::with_capacity(layers.len());
        let first_cold = layers.iter().position(|layer| layer.cold);
        for (index, layer) in layers.iter().enumerate() {
            let path = || format!("timelines[{timeline_index}].layers[{index}]");
            match first_seen.entry(layer.name) {
                Entry::Vacant(vacant) => _ = vacant.insert(index),
                Entry::Occupied(first) => {
                    complaints.add(Doubt::DuplicateLayer { name: layer.name, first: *first.get() }, path);
                }
            }
            if first_cold == Some(index) {
                let hot = layers.iter().skip(index).filter(|layer| !layer.cold).count();
                if hot > 0 {
                    complaints.add(Doubt::ColdFirst { hot }, path);
                }
            }
            self.doubts_of(layer).into_iter().flatten().for_each(|doubt| complaints.add(doubt, path));
        }
    }

    fn doubts_of(&self, layer: &HeatmapLayer) -> [Option<Doubt>; 3] {
        let (name, heatmap) = (layer.name, self.generation);
        let later = layer.metadata.generation.get().filter(|layer| *layer > heatmap);
        [
            (name.key_start() >= name.key_end()).then_some(Doubt::NoKeys { name }),
            (layer.metadata.file_size == 0).then_some(Doubt::NoBytes { name }),
            later.map(|layer| Doubt::LaterGeneration { name, layer, heatmap }),
        ]
    }

    fn verify_heats(&self, complaints: &mut Complaints) {
        let all = || self.timelines.iter().flat_map(|timeline| &timeline.layers);
        let (layers, missing) = (all().count(), all().filter(|layer| layer.heat.is_none()).count());
        if missing > 0 && missing < layers {
            complaints.add(Doubt::SomeHeats { missing, layers }, String::new);
        }
        if missing < layers && self.policy.is_none() {
            complaints.add(Doubt::NoPolicy, String::new);
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::PolicyIdentity;
    use super::super::sample::{self, DELTA, IMAGE, L0, layer};
    use super::*;
    use crate::layer::Generation;

    const NO_KEYS: &str = "000000067F00000001000004DF0000000006-000000067F00000001000004DF0000000006__00000000014FED58";

    fn cold(name: &str) -> HeatmapLayer {
        HeatmapLayer { cold: true, ..layer(name, 1) }
    }

    fn hot(name: &str) -> HeatmapLayer {
        layer(name, 1)
    }

    fn scored(name: &str) -> HeatmapLayer {
        HeatmapLayer { heat: Some(1.0), ..layer(name, 1) }
    }

    fn of_generation(generation: Generation) -> HeatmapLayer {
        let mut layer = layer(IMAGE, 1);
        layer.metadata.generation = generation;
        layer
    }

    fn policy() -> PolicyIdentity {
        PolicyIdentity { name: "recency".into(), version: "1.0.0".into(), digest: "0".repeat(64) }
    }

    #[rstest]
    #[case::duplicate_layer(
        vec![hot(IMAGE), hot(L0), layer(IMAGE, 7)],
        format!("error: timelines[0].layers[2]: layer {IMAGE} is listed a second time, first as layers[0] of its timeline")
    )]
    #[case::cold_first(
        vec![hot(L0), cold(IMAGE), hot(DELTA)],
        "note: timelines[0].layers[1]: a cold layer comes before hot ones: 1 of them"
    )]
    #[case::no_keys(
        vec![hot(NO_KEYS)],
        format!("note: timelines[0].layers[0]: layer {NO_KEYS} holds no key: its key range is empty")
    )]
    #[case::no_bytes(
        vec![layer(L0, 0)],
        format!("note: timelines[0].layers[0]: layer {L0} has a file size of 0")
    )]
    #[case::later_generation(
        vec![of_generation(Generation::new(2))],
        format!("note: timelines[0].layers[0]: layer {IMAGE} is of generation 2, above the heatmap's 1")
    )]
    #[case::some_heats(vec![scored(L0), hot(IMAGE)], "note: 1 of 2 layers have no heat, the others have one")]
    fn a_doubt_is_told_with_its_place(#[case] layers: Vec<HeatmapLayer>, #[case] expected: impl AsRef<str>) {
        let heatmap = Heatmap { policy: Some(policy()), ..sample::heatmap([layers]) };
        let complaints = heatmap.verify();
        let told: Vec<_> = complaints.complaints.iter().map(Complaint::to_string).collect();
        assert_eq!(told, [expected.as_ref()]);
        let error = expected.as_ref().starts_with("error");
        assert_eq!((complaints.errors, complaints.notes), (usize::from(error), usize::from(!error)));
    }

    #[rstest]
    #[case::hot_before_cold(vec![hot(L0), cold(IMAGE)])]
    #[case::only_cold(vec![cold(L0), cold(IMAGE)])]
    #[case::own_generation(vec![of_generation(Generation::new(1))])]
    #[case::before_generations(vec![of_generation(Generation::NONE)])]
    #[case::delta_and_image_from_one_lsn(vec![hot(DELTA), hot(IMAGE)])]
    #[case::all_scored(vec![scored(L0), scored(IMAGE)])]
    #[case::empty(vec![])]
    fn what_is_fine_is_not_complained_about(#[case] layers: Vec<HeatmapLayer>) {
        let heatmap = Heatmap { policy: Some(policy()), ..sample::heatmap([layers]) };
        assert_eq!(heatmap.verify(), Complaints::default());
    }

    #[test]
    fn a_timeline_twice_is_an_error() {
        let mut heatmap = sample::heatmap([vec![hot(L0)], vec![], vec![hot(L0)]]);
        assert_eq!(heatmap.verify().errors, 0, "two timelines may have layers of one name");
        heatmap.timelines[2].timeline_id = heatmap.timelines[0].timeline_id;
        let complaints = heatmap.verify();
        assert_eq!(
            complaints.complaints[0].to_string(),
            "error: timelines[2]: timeline 01010101010101010101010101010101 is listed a second time, first as timelines[0]"
        );
        assert_eq!(complaints.errors, 1);
    }

    #[test]
    fn heats_want_a_policy() {
        let heatmap = sample::heatmap([vec![scored(L0)]]);
        assert_eq!(heatmap.verify().complaints[0].doubt, Doubt::NoPolicy);
    }

    #[test]
    fn bytes_are_compared() {
        let mut complaints = Complaints::default();
        complaints.compare_bytes(b"{\"generation\":1}", b"{\"generation\":1}");
        assert_eq!(complaints, Complaints::default());
        complaints.compare_bytes(b"{\"generation\": 1}", b"{\"generation\":1}");
        complaints.compare_bytes(b"{\"generation\":1}\n", b"{\"generation\":1}");
        let offsets: Vec<_> = complaints
            .complaints
            .iter()
            .map(|complaint| match complaint.doubt {
                Doubt::NotCanonical { offset, .. } => offset,
                _ => panic!("{complaint}"),
            })
            .collect();
        assert_eq!((offsets, complaints.notes), (vec![14, 16], 2));
    }

    #[rstest]
    #[case::obeyed(MAX_COMPLAINTS_OF_A_KIND, 0)]
    #[case::violated(MAX_COMPLAINTS_OF_A_KIND + 1, 1)]
    fn the_limit_on_complaints(#[case] doubtful: usize, #[case] omitted: usize) {
        let key_end = "0".repeat(36);
        let layers = (0..doubtful).map(|lsn| layer(&format!("{}-{key_end}__{lsn:016X}", "F".repeat(36)), 1)).collect();
        let mut heatmap = sample::heatmap([layers]);
        heatmap.timelines[0].layers[0].metadata.file_size = 0;
        let complaints = heatmap.verify();
        assert_eq!((complaints.notes, complaints.omitted()), (doubtful + 1, omitted));
        let other_kind =
            complaints.complaints.iter().filter(|complaint| matches!(complaint.doubt, Doubt::NoBytes { .. }));
        assert_eq!(other_kind.count(), 1, "the limit is for each kind");
    }

    #[test]
    fn the_json_says_how_much_it_matters() {
        let json = serde_json::to_value(sample::heatmap([vec![layer(L0, 0)]]).verify()).unwrap();
        let what = format!("layer {L0} has a file size of 0");
        let complaint = serde_json::json!({"severity": "note", "path": "timelines[0].layers[0]", "what": what});
        assert_eq!(json, serde_json::json!({"complaints": [complaint], "errors": 0, "notes": 1}));
    }
}
