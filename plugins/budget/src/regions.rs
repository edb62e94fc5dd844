//! What the bytes of a layer are worth: together with those of the layers that its reads need.
//!
//! A read of a page needs the image of its region, and the deltas above it that changed the page. So a delta without its
//! image serves nobody, and an image serves without its deltas only the reads of what did not change: those that the
//! pageserver counted of the image less those that went on through the deltas. Of an image and its deltas, those deltas
//! are joined to the image that are read more for a byte than what was joined so far, the densest first: the best block
//! of bytes that there is in the region (Sidney's decomposition, of a tree of depth 1). All of a block are worth what it
//! is worth as a whole.
//!
//! A read stops at the newest image of its key, so that a delta is of use only above an image: what ends at its LSN or
//! below has no part in its reads. And where one image holds all keys of a delta, older ones below have none in the
//! delta's.
//!
//! A delta that lies over more images than [`MOST_IMAGES`] says little about each of them. It stands alone, as do L0
//! deltas, which lie over all, and what is over no image.

use std::ops::Range;

use thermocline_policy::{Layers, Marks};
use thermocline_warmth::REQUEST_BYTES;

use crate::listing::Class;

/// A delta over more images than these stands alone.
pub(crate) const MOST_IMAGES: usize = 16;

/// What bytes are worth.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    /// Expected reads a second for a byte, of each row.
    pub(crate) worth: Vec<f32>,
    /// Rows of images, and how many deltas were joined to each, where there is one.
    pub(crate) joined: Vec<(u32, u32)>,
    /// Of each delta's row, that of the image without which it serves nobody, or else [`NO_IMAGE`]. Empty where no delta
    /// is over an image.
    pub(crate) image_of: Vec<u32>,
}

/// In [`Regions::image_of`]: none. No row has that number.
pub(crate) const NO_IMAGE: u32 = u32::MAX;

/// Where all rows are.
struct Keys<'a> {
    timelines: &'a [u32],
    starts: [&'a [u64]; 2],
    ends: [&'a [u64]; 2],
    lsn_ends: &'a [u64],
}

/// Upper and lower half.
type Key = (u64, u64);

impl Keys<'_> {
    fn start(&self, row: usize) -> Key {
        key(self.starts, row)
    }

    fn end(&self, row: usize) -> Key {
        key(self.ends, row)
    }

    fn lsn_end(&self, row: usize) -> u64 {
        self.lsn_ends.get(row).copied().unwrap_or_default()
    }

    fn timeline(&self, row: usize) -> u32 {
        self.timelines.get(row).copied().unwrap_or_default()
    }
}

fn key([high, low]: [&[u64]; 2], row: usize) -> Key {
    let part = |column: &[u64]| column.get(row).copied().unwrap_or_default();
    (part(high), part(low))
}

/// An image. There may be as many as layers, so that their keys are kept once for all that have the same.
struct Image {
    lsn_end: u64,
    row: u32,
    links: u32,
    /// Reads of the deltas above it.
    through: f32,
}

/// A delta's part in a region.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    image: u32,
    delta: u32,
    reads: f32,
    bytes: f32,
    /// Reads for a byte.
    density: f32,
}

/// What a layer costs to fetch.
#[allow(clippy::cast_precision_loss, reason = "bytes, to six digits")]
pub(crate) const fn cost(size_bytes: u64) -> f32 {
    // Signed numbers are made floats in one step, and no layer is larger.
    let bytes = if size_bytes < 1 << 60 { size_bytes } else { 1 << 60 };
    (bytes + REQUEST_BYTES).cast_signed() as f32
}

impl Regions {
    /// Of rows that are expected to be read so often a second.
    pub(crate) fn of(
        layers: &dyn Layers,
        marks: &[u8],
        classes: &[Class],
        expected: &[f32],
        sizes: &[u64],
        starts: [&[u64]; 2],
        lsn_ends: &[u64],
    ) -> Self {
        let mut regions = Regions { worth: alone(expected, sizes), ..Regions::default() };
        let joins = |mark: &u8| Marks(*mark).is_delta() && !Marks(*mark).is_l0();
        if !marks.iter().zip(classes).any(|(mark, class)| *class == Class::Wanted && joins(mark)) {
            return regions;
        }
        let (timelines, ends_high, ends_low) = (layers.timelines(), layers.key_ends_high(), layers.key_ends_low());
        let keys = Keys { timelines: &timelines, starts, ends: [&ends_high, &ends_low], lsn_ends };
        let (mut images, stacks) = images(&keys, marks, classes);
        let links = links(&keys, marks, classes, expected, sizes, &mut images, stacks);
        drop((timelines, ends_high, ends_low));
        regions.join(&images, links, expected, sizes);
        regions
    }

    /// Makes blocks of images and deltas.
    #[inline(never)]
    fn join(&mut self, images: &[Image], mut links: Vec<Link>, expected: &[f32], sizes: &[u64]) {
        if links.is_empty() {
            return;
        }
        self.image_of = vec![NO_IMAGE; self.worth.len()];
        for link in &links {
            if let Some(worth) = self.worth.get_mut(link.delta as usize) {
                *worth = 0.0;
            }
        }
        // Deltas of the same keys come in the order of their images.
        if !links.is_sorted_by_key(|link| link.image) {
            links = by_image(&links, images);
        }
        let mut rest = links.as_mut_slice();
        for image in images {
            let Some((own, behind)) = rest.split_at_mut_checked(image.links as usize) else { return };
            rest = behind;
            if own.is_empty() {
                continue;
            }
            if own.len() > 1 {
                own.sort_unstable_by(|one, other| {
                    other.density.total_cmp(&one.density).then(one.delta.cmp(&other.delta))
                });
            }
            let row = image.row as usize;
            let beside = expected.get(row).copied().unwrap_or_default() - image.through;
            let mut reads = if beside > 0.0 { beside } else { 0.0 };
            let mut bytes = cost(sizes.get(row).copied().unwrap_or_default());
            let mut deltas = 0;
            for link in own.iter() {
                if link.density <= reads / bytes {
                    break;
                }
                reads += link.reads;
                bytes += link.bytes;
                deltas += 1;
            }
            let block = reads / bytes;
            if let Some(worth) = self.worth.get_mut(row) {
                *worth = block;
            }
            for (place, link) in own.iter().enumerate() {
                let own = if place < deltas { block } else { link.density };
                let delta = link.delta as usize;
                if let (Some(worth), Some(needs)) = (self.worth.get_mut(delta), self.image_of.get_mut(delta)) {
                    // Of several images, the one whose reads it is worth most for.
                    if own > *worth || *needs == NO_IMAGE {
                        (*worth, *needs) = (own, image.row);
                    }
                }
            }
            if deltas > 0 {
                self.joined.push((image.row, number(deltas)));
            }
        }
    }
}

#[inline(never)]
fn alone(expected: &[f32], sizes: &[u64]) -> Vec<f32> {
    expected.iter().zip(sizes).map(|(expected, size_bytes)| expected / cost(*size_bytes)).collect()
}

/// Images of the same keys, next to each other in the table, the oldest first.
struct Stack {
    timeline: u32,
    start: Key,
    end: Key,
    images: Range<usize>,
    /// So many of them were below the delta that asked last.
    below: usize,
}

/// All images that are wanted, and their stacks.
#[inline(never)]
fn images(keys: &Keys<'_>, marks: &[u8], classes: &[Class]) -> (Vec<Image>, Vec<Stack>) {
    let wanted = |(mark, class): (&u8, &Class)| *class == Class::Wanted && !Marks(*mark).is_delta();
    let mut images: Vec<Image> = Vec::with_capacity(marks.iter().zip(classes).filter(|row| wanted(*row)).count());
    let mut stacks: Vec<Stack> = Vec::new();
    for (row, _) in marks.iter().zip(classes).enumerate().filter(|(_, row)| wanted(*row)) {
        let (timeline, start, end) = (keys.timeline(row), keys.start(row), keys.end(row));
        let next = images.len()..images.len() + 1;
        images.push(Image { lsn_end: keys.lsn_end(row), row: number(row), links: 0, through: 0.0 });
        match stacks.last_mut() {
            Some(last) if (last.timeline, last.start, last.end) == (timeline, start, end) => last.images.end = next.end,
            _ => stacks.push(Stack { timeline, start, end, images: next, below: 0 }),
        }
    }
    (images, stacks)
}

/// The images that a delta is over, for deltas in the order of the table: of timelines and key starts, so that what lies
/// wholly before one lies before the next, too.
struct Below {
    stacks: Vec<Stack>,
    timeline: u32,
    keys: [Key; 2],
    /// Stacks from here on start behind the delta's first key.
    next: usize,
    /// Those before that reach it: hardly ever more than one or two, and [`MOST_IMAGES`] at most.
    open: Vec<usize>,
    /// Images that a read of the delta may go on to, and their LSN ends.
    found: Vec<(usize, u64)>,
}

impl Below {
    /// Finds them for a delta. They are none where they are too many.
    fn find(&mut self, images: &[Image], timeline: u32, keys: [Key; 2], lsn_end: u64) -> &[(usize, u64)] {
        // Most deltas have the keys of the one before.
        if (self.timeline, self.keys) != (timeline, keys) {
            self.move_to(timeline, keys);
        }
        let Below { stacks, open, found, .. } = self;
        let [_, end] = keys;
        found.clear();
        // Of what holds all keys of the delta, the newest hides what is older.
        let mut whole = 0;
        for place in open.iter() {
            let Some(stack) = stacks.get_mut(*place) else { continue };
            let newest = stack.newest_below(images, lsn_end);
            whole = whole.max(newest.filter(|_| stack.end >= end).map_or(0, |(_, lsn_end)| lsn_end));
            found.extend(newest);
        }
        let behind = stacks.get_mut(self.next..).unwrap_or_default();
        let behind = behind.iter_mut().take_while(|stack| stack.timeline == timeline && stack.start < end);
        for (seen, stack) in behind.enumerate() {
            if seen == MOST_IMAGES {
                return &[];
            }
            found.extend(stack.newest_below(images, lsn_end));
        }
        if found.len() > 1 {
            found.retain(|(_, lsn_end)| *lsn_end >= whole);
        }
        if found.len() > MOST_IMAGES { &[] } else { found }
    }

    /// To deltas of these keys.
    fn move_to(&mut self, timeline: u32, keys: [Key; 2]) {
        let Below { stacks, open, .. } = self;
        let [start, _] = keys;
        if self.timeline != timeline {
            self.timeline = timeline;
            open.clear();
        }
        self.keys = keys;
        open.retain(|place| stacks.get(*place).is_some_and(|stack| stack.end > start));
        while let Some(stack) = stacks.get(self.next).filter(|stack| (stack.timeline, stack.start) <= (timeline, start))
        {
            if stack.timeline == timeline && stack.end > start {
                open.push(self.next);
            }
            self.next += 1;
        }
        // What starts last is narrow, mostly, and tells more.
        open.drain(..open.len().saturating_sub(MOST_IMAGES));
    }
}

impl Stack {
    /// The image that a read goes on to that comes from a delta with this LSN end, and its own.
    fn newest_below(&mut self, images: &[Image], lsn_end: u64) -> Option<(usize, u64)> {
        let stack = images.get(self.images.clone())?;
        let is_below = |place: usize| stack.get(place).is_some_and(|image| image.lsn_end < lsn_end);
        let is_right = |below: usize| !is_below(below) && below.checked_sub(1).is_none_or(is_below);
        // Deltas of the same keys come in the order of their LSNs.
        if !is_right(self.below) {
            let next = self.below + 1;
            self.below = match is_right(next) {
                true => next,
                false => stack.partition_point(|image| image.lsn_end < lsn_end),
            };
        }
        let newest = self.below.checked_sub(1)?;
        stack.get(newest).map(|image| (self.images.start + newest, image.lsn_end))
    }
}

#[inline(never)]
fn links(
    keys: &Keys<'_>,
    marks: &[u8],
    classes: &[Class],
    expected: &[f32],
    sizes: &[u64],
    images: &mut [Image],
    stacks: Vec<Stack>,
) -> Vec<Link> {
    let joins = |mark: &u8| Marks(*mark).is_delta() && !Marks(*mark).is_l0();
    // Most deltas are over one image.
    let mut links = Vec::with_capacity(marks.iter().filter(|mark| joins(mark)).count());
    let (open, found) = (Vec::new(), Vec::new());
    let mut below = Below { stacks, timeline: 0, keys: [(0, 0); 2], next: 0, open, found };
    let rows = marks.iter().zip(classes).zip(expected.iter().zip(sizes)).enumerate();
    for (row, ((mark, class), (reads, size_bytes))) in rows {
        if *class != Class::Wanted || !joins(mark) {
            continue;
        }
        let found = below.find(images, keys.timeline(row), [keys.start(row), keys.end(row)], keys.lsn_end(row));
        let link = |place: usize, share: f32| {
            // Where the delta has no part in the reads, its bytes are still none of this image's.
            let (reads, bytes) = (reads * share, cost(*size_bytes) * share);
            let bytes = if bytes > 1.0 { bytes } else { 1.0 };
            Link { image: number(place), delta: number(row), reads, bytes, density: reads / bytes }
        };
        let first = links.len();
        if let [(place, _)] = found {
            links.push(link(*place, 1.0));
        } else {
            let read = |place: usize| {
                let row = images.get(place).map(|image| image.row as usize);
                row.and_then(|row| expected.get(row)).copied().unwrap_or_default()
            };
            let through: f32 = found.iter().map(|(place, _)| read(*place)).sum();
            #[allow(clippy::cast_precision_loss, reason = "sixteen at most")]
            let even = 1.0 / found.len().max(1) as f32;
            let share = |place: usize| if through > 0.0 { read(place) / through } else { even };
            links.extend(found.iter().map(|(place, _)| link(*place, share(*place))));
        }
        for link in links.get(first..).unwrap_or_default() {
            if let Some(image) = images.get_mut(link.image as usize) {
                image.through += link.reads;
                image.links += 1;
            }
        }
    }
    links
}

/// Rows fit in 32 bits, as do the links of one.
fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Links in the order of their images.
fn by_image(links: &[Link], images: &[Image]) -> Vec<Link> {
    let mut next = 0;
    let mut places: Vec<usize> = images
        .iter()
        .map(|image| {
            let place = next;
            next += image.links as usize;
            place
        })
        .collect();
    let mut sorted = vec![Link::default(); links.len()];
    for link in links {
        if let Some(place) = places.get_mut(link.image as usize) {
            if let Some(slot) = sorted.get_mut(*place) {
                *slot = *link;
            }
            *place += 1;
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use thermocline_policy::Columns;

    use super::*;

    /// A layer: timeline, keys, and LSNs, of an image one.
    type Layer = (u32, [u64; 2], [u64; 2]);

    const fn image(start: u64, end: u64, lsn: u64) -> Layer {
        (0, [start, end], [lsn, lsn + 1])
    }

    const fn delta(start: u64, end: u64, lsn_start: u64, lsn_end: u64) -> Layer {
        (0, [start, end], [lsn_start, lsn_end])
    }

    /// The image of the delta that is last in the table, in rows.
    fn image_of(layers: &[Layer]) -> (Vec<Layer>, Option<u32>) {
        let is_delta = |layer: &Layer| layer.2[1] > layer.2[0] + 1;
        let mut rows = layers.to_vec();
        rows.sort_unstable();
        let column = |of: &dyn Fn(&Layer) -> u64| rows.iter().map(of).collect::<Vec<_>>();
        let table = Columns {
            timelines: rows.iter().map(|layer| layer.0).collect(),
            key_ends_high: column(&|_| 0),
            key_ends_low: column(&|layer| layer.1[1]),
            ..Columns::default()
        };
        let marks: Vec<u8> = rows.iter().map(|layer| if is_delta(layer) { Marks::DELTA.0 } else { 0 }).collect();
        let (zeros, ones) = (vec![0; rows.len()], vec![1.0; rows.len()]);
        let sizes = vec![8 << 20; rows.len()];
        let starts = column(&|layer| layer.1[0]);
        let lsn_ends = column(&|layer| layer.2[1]);
        let classes = vec![Class::Wanted; rows.len()];
        let regions = Regions::of(&table, &marks, &classes, &ones, &sizes, [&zeros, &starts], &lsn_ends);
        let asked = layers.last().and_then(|asked| rows.iter().position(|row| row == asked));
        let image = regions.image_of.get(asked.unwrap()).copied().filter(|image| *image != NO_IMAGE);
        (rows, image)
    }

    fn tiles(lsn: u64) -> Vec<Layer> {
        (0..64).map(|tile| image(10 * tile, 10 * tile + 10, lsn)).collect()
    }

    fn with(mut layers: Vec<Layer>, more: &[Layer]) -> Vec<Layer> {
        layers.extend(more);
        layers
    }

    #[rstest]
    #[case::above(vec![image(0, 100, 16), delta(0, 100, 17, 20)], Some(image(0, 100, 16)))]
    #[case::of_a_part(vec![image(0, 100, 16), delta(30, 50, 17, 20)], Some(image(0, 100, 16)))]
    #[case::over_its_lsn(vec![image(0, 100, 16), delta(0, 100, 10, 20)], Some(image(0, 100, 16)))]
    #[case::just_above(vec![image(0, 100, 16), delta(0, 100, 10, 18)], Some(image(0, 100, 16)))]
    #[case::up_to_it(vec![image(0, 100, 16), delta(0, 100, 10, 17)], None)]
    #[case::below(vec![image(0, 100, 16), delta(0, 100, 10, 14)], None)]
    #[case::beside(vec![image(0, 100, 16), delta(100, 200, 17, 20)], None)]
    #[case::of_another_timeline(vec![(1, [0, 100], [16, 17]), delta(0, 100, 17, 20)], None)]
    #[case::the_newest_below(
        vec![image(0, 100, 10), image(0, 100, 30), image(0, 100, 50), delta(0, 100, 35, 45)],
        Some(image(0, 100, 30))
    )]
    #[case::a_tile_hides_what_is_wide(with(tiles(20), &[image(0, 640, 10), delta(300, 310, 30, 40)]), Some(image(300, 310, 20)))]
    #[case::what_is_wide_hides_tiles(with(tiles(20), &[image(0, 640, 25), delta(300, 310, 30, 40)]), Some(image(0, 640, 25)))]
    #[case::unless_it_is_above(with(tiles(20), &[image(0, 640, 50), delta(300, 310, 30, 40)]), Some(image(300, 310, 20)))]
    #[case::as_many_as_may_be(with(tiles(20), &[delta(0, 160, 30, 40)]), Some(image(0, 10, 20)))]
    #[case::one_more(with(tiles(20), &[delta(0, 170, 30, 40)]), None)]
    #[case::one_more_in_part(with(tiles(20), &[delta(5, 165, 30, 40)]), None)]
    fn a_delta_is_joined_to_the_image_that_its_reads_go_on_to(
        #[case] layers: Vec<Layer>,
        #[case] image: Option<Layer>,
    ) {
        let (rows, found) = image_of(&layers);
        assert_eq!(found.map(|row| rows[row as usize]), image);
    }

    proptest! {
        /// Whatever was asked before: it is the last that is older.
        #[test]
        fn the_newest_image_below_is_found(mut lsn_ends in prop::collection::vec(0..50_u64, 0..40), asked: [u8; 20]) {
            lsn_ends.sort_unstable();
            let image = |lsn_end: &u64| Image { lsn_end: *lsn_end, row: 0, links: 0, through: 0.0 };
            let images: Vec<_> = [7, 8].iter().chain(&lsn_ends).map(image).collect();
            let mut stack = Stack { timeline: 0, start: (0, 0), end: (0, 9), images: 2..images.len(), below: 0 };
            for lsn_end in asked.map(|asked| u64::from(asked % 52)) {
                let expected = lsn_ends.iter().rposition(|image| *image < lsn_end).map(|place| (place + 2, lsn_ends[place]));
                prop_assert_eq!(stack.newest_below(&images, lsn_end), expected);
            }
        }
    }
}
