//! What the bytes of a layer are worth: together with those of the layers that its reads need.
//!
//! A read of a page needs the image of its region, and the deltas above it that changed the page. So a delta without its
//! image serves nobody, and an image serves without its deltas only the reads of what did not change: those that the
//! pageserver counted of the image less those that went on through the deltas. Of an image and its deltas, those deltas
//! are joined to the image that are read more for a byte than what was joined so far, the densest first: the best block
//! of bytes that there is in the region (Sidney's decomposition, of a tree of depth 1). All of a block are worth what it
//! is worth as a whole.
//!
//! A delta that lies over more images than [`MOST_IMAGES`] says little about each of them. It stands alone, as do L0
//! deltas, which lie over all, and what is over no image.

use std::borrow::Cow;

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
}

/// Key ranges of all rows.
struct Keys<'a> {
    timelines: Cow<'a, [u32]>,
    starts: [Cow<'a, [u64]>; 2],
    ends: [Cow<'a, [u64]>; 2],
}

impl Keys<'_> {
    fn start(&self, row: usize) -> u128 {
        key(&self.starts, row)
    }

    fn end(&self, row: usize) -> u128 {
        key(&self.ends, row)
    }

    fn timeline(&self, row: usize) -> u32 {
        self.timelines.get(row).copied().unwrap_or_default()
    }
}

fn key([high, low]: &[Cow<'_, [u64]>; 2], row: usize) -> u128 {
    let part = |column: &Cow<'_, [u64]>| u128::from(column.get(row).copied().unwrap_or_default());
    part(high) << u64::BITS | part(low)
}

/// An image.
struct Image {
    row: usize,
    timeline: u32,
    start: u128,
    /// Nothing up to here ends behind it, in its timeline.
    reaches: u128,
    end: u128,
    /// Of the deltas above it.
    through: f32,
    links: u32,
}

/// A delta's part in a region.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    image: u32,
    delta: u32,
    reads: f32,
    bytes: f32,
}

impl Link {
    fn density(&self) -> f32 {
        self.reads / self.bytes
    }
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
        starts: &[Cow<'_, [u64]>; 2],
    ) -> Self {
        let mut regions = Regions { worth: alone(expected, sizes), joined: Vec::new() };
        let joins = |mark: &u8| Marks(*mark).is_delta() && !Marks(*mark).is_l0();
        if !marks.iter().zip(classes).any(|(mark, class)| *class == Class::Wanted && joins(mark)) {
            return regions;
        }
        let keys = Keys {
            timelines: layers.timelines(),
            starts: [Cow::Borrowed(&*starts[0]), Cow::Borrowed(&*starts[1])],
            ends: [layers.key_ends_high(), layers.key_ends_low()],
        };
        let mut images = images(&keys, marks, classes);
        let links = links(&keys, marks, classes, expected, sizes, &mut images);
        regions.join(&images, &links, expected, sizes);
        regions
    }

    /// Makes blocks of images and deltas.
    fn join(&mut self, images: &[Image], links: &[Link], expected: &[f32], sizes: &[u64]) {
        for link in links {
            if let Some(worth) = self.worth.get_mut(link.delta as usize) {
                *worth = 0.0;
            }
        }
        let mut links = by_image(links, images);
        let mut rest = links.as_mut_slice();
        for image in images {
            let Some((own, behind)) = rest.split_at_mut_checked(image.links as usize) else { return };
            rest = behind;
            if own.is_empty() {
                continue;
            }
            own.sort_unstable_by(|one, other| {
                other.density().total_cmp(&one.density()).then(one.delta.cmp(&other.delta))
            });
            let at = |column: &[f32]| column.get(image.row).copied().unwrap_or_default();
            let mut reads = (at(expected) - image.through).max(0.0);
            let mut bytes = cost(sizes.get(image.row).copied().unwrap_or_default());
            let mut deltas = 0;
            for link in own.iter() {
                if link.density() <= reads / bytes {
                    break;
                }
                reads += link.reads;
                bytes += link.bytes;
                deltas += 1;
            }
            let block = reads / bytes;
            if let Some(worth) = self.worth.get_mut(image.row) {
                *worth = block;
            }
            for (place, link) in own.iter().enumerate() {
                let own = if place < deltas { block } else { link.density() };
                if let Some(worth) = self.worth.get_mut(link.delta as usize) {
                    *worth = worth.max(own);
                }
            }
            if deltas > 0 {
                // Rows fit in 32 bits, as do the links of one.
                let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
                self.joined.push((number(image.row), number(deltas)));
            }
        }
    }
}

#[inline(never)]
fn alone(expected: &[f32], sizes: &[u64]) -> Vec<f32> {
    expected.iter().zip(sizes).map(|(expected, size_bytes)| expected / cost(*size_bytes)).collect()
}

#[inline(never)]
fn images(keys: &Keys<'_>, marks: &[u8], classes: &[Class]) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    for (row, (mark, class)) in marks.iter().zip(classes).enumerate() {
        if *class != Class::Wanted || Marks(*mark).is_delta() {
            continue;
        }
        let (timeline, start, end) = (keys.timeline(row), keys.start(row), keys.end(row));
        let before = images.last().filter(|before| before.timeline == timeline).map_or(0, |before| before.reaches);
        images.push(Image { row, timeline, start, end, reaches: end.max(before), through: 0.0, links: 0 });
    }
    images
}

/// Rows come in the order of timelines and key starts, so that the first image that a delta could lie over is never
/// before that of the delta before it.
#[inline(never)]
fn links(
    keys: &Keys<'_>,
    marks: &[u8],
    classes: &[Class],
    expected: &[f32],
    sizes: &[u64],
    images: &mut [Image],
) -> Vec<Link> {
    let mut links = Vec::new();
    let mut first = 0;
    let rows = marks.iter().zip(classes).zip(expected.iter().zip(sizes)).enumerate();
    for (row, ((mark, class), (reads, size_bytes))) in rows {
        let marks = Marks(*mark);
        if *class != Class::Wanted || !marks.is_delta() || marks.is_l0() {
            continue;
        }
        let (timeline, start, end) = (keys.timeline(row), keys.start(row), keys.end(row));
        while images
            .get(first)
            .is_some_and(|image| image.timeline < timeline || image.timeline == timeline && image.reaches <= start)
        {
            first += 1;
        }
        let behind = images.get_mut(first..).unwrap_or_default();
        let reached = behind
            .iter()
            .take(MOST_IMAGES + 1)
            .take_while(|image| image.timeline == timeline && image.start < end)
            .count();
        if reached > MOST_IMAGES {
            continue;
        }
        let under = behind.get_mut(..reached).unwrap_or_default();
        let read = |image: &Image| expected.get(image.row).copied().unwrap_or_default();
        let overlapped = under.iter().filter(|image| image.end > start).count();
        let through: f32 = under.iter().filter(|image| image.end > start).map(read).sum();
        #[allow(clippy::cast_precision_loss, reason = "sixteen at most")]
        let even = 1.0 / overlapped.max(1) as f32;
        for (place, image) in (first..).zip(under).filter(|(_, image)| image.end > start) {
            let share = if through > 0.0 { read(image) / through } else { even };
            let link = Link {
                image: u32::try_from(place).unwrap_or(u32::MAX),
                delta: u32::try_from(row).unwrap_or(u32::MAX),
                reads: reads * share,
                // Where the delta has no part in the reads, its bytes are still none of this image's.
                bytes: (cost(*size_bytes) * share).max(1.0),
            };
            image.through += link.reads;
            image.links += 1;
            links.push(link);
        }
    }
    links
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
