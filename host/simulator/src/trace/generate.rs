//! Traces from a seed.

use std::fmt;
use std::str::FromStr;

use fastrand::Rng;

use super::{Fork, Op, PAGE_BYTES, Page, Trace};
use crate::store::GivenLayer;

/// How long a generated trace is.
const DURATION_MS: u32 = 20 * 60 * 1000;
/// Pages read a second, all databases together.
const READS_PER_SECOND: u32 = 600;
/// Pages of the database when a trace begins: a GiB.
const PAGES: u32 = 131_072;
/// One read in so many is followed by a write of its page.
const READS_PER_WRITE: u32 = 8;
/// Pages that lie together are of like use: so many of them share a rank.
const PAGES_PER_RANK: u32 = 32;
/// How unequal ranks are: the share of rank `k` goes with `k` to the power of minus this.
const SKEW: f64 = 1.1;
/// How long a hot set stays where it is.
const HOT_FOR_MS: u32 = 5 * 60 * 1000;
/// Of how many pages a hot set consists.
const HOT_PAGES: u32 = PAGES / 16;
/// How many reads in a hundred go to the hot set.
const HOT_PERCENT: u32 = 85;
/// Pages that are added a second, where pages are added.
const APPENDED_PER_SECOND: u32 = 60;
/// How far behind the end reads of what was added lie, pages.
const TAIL_PAGES: u32 = 12_000;
/// How many parts of the database take turns to sleep.
const SLEEPERS: u32 = 6;
/// How long each of them sleeps or is awake.
const NAP_MS: u32 = 3 * 60 * 1000;

const DB: u32 = 5;
const REL: u32 = 16_384;

/// What a generated trace is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Some pages are read much more than others, and stay so.
    Zipf,
    /// A small part is hot, and another one every five minutes.
    Moving,
    /// The whole database is read from front to back, again and again.
    Scan,
    /// Pages are added at the end, and read while they are young.
    Append,
    /// Parts that are busy for a while, then asleep, in turns.
    Sleepy,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] = [Kind::Zipf, Kind::Moving, Kind::Scan, Kind::Append, Kind::Sleepy];

    /// By this name it is asked for.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Zipf => "zipf",
            Kind::Moving => "moving",
            Kind::Scan => "scan",
            Kind::Append => "append",
            Kind::Sleepy => "sleepy",
        }
    }

    /// The trace of this kind that `seed` gives, always the same, of a database with one relation.
    pub fn generate(self, seed: u64) -> Trace {
        self.of_pages(seed, Pages::OfOneRelation)
    }

    /// The same over the pages that the image layers of a real database hold. Its pages are as many as those of
    /// [`generate`](Self::generate), spread evenly. `None` where no image holds pages of relations.
    pub fn generate_over(self, seed: u64, layers: &[GivenLayer]) -> Option<Trace> {
        let mut images = Vec::new();
        let mut count = 0;
        for layer in layers.iter().filter(|layer| !layer.name.is_delta()) {
            if let Some(first) = Page::of_key(layer.name.key_start()) {
                images.push((count, first));
                count += (layer.size_bytes.unwrap_or(PAGE_BYTES) / PAGE_BYTES).max(1);
            }
        }
        (count > 0).then(|| self.of_pages(seed, Pages::OfImages { images, count }))
    }

    fn of_pages(self, seed: u64, pages: Pages) -> Trace {
        let mut random = Rng::with_seed(seed);
        let mut made = Made { accesses: Vec::new(), random: random.fork(), pages };
        match self {
            Kind::Zipf => zipf(&mut made, &mut random),
            Kind::Moving => moving(&mut made, &mut random),
            Kind::Scan => scan(&mut made),
            Kind::Append => append(&mut made, &mut random),
            Kind::Sleepy => sleepy(&mut made, &mut random),
        }
        Trace::new(self.name().into(), made.accesses)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = Kind::ALL.map(Kind::name).join(", ");
            format!("{text:?} is no kind of trace: expected one of {names}")
        })
    }
}

/// Which pages the numbers from 0 to [`PAGES`], and those that are added behind, stand for.
enum Pages {
    /// The blocks of a relation.
    OfOneRelation,
    /// Those of images: how many pages are in the images before each, and its first page; and how many are in all.
    OfImages { images: Vec<(u64, Page)>, count: u64 },
}

impl Pages {
    fn page(&self, number: u32) -> Page {
        match self {
            Pages::OfOneRelation => Page { fork: Fork { db: DB, rel: REL, fork: 0 }, block: number },
            Pages::OfImages { images, count } => {
                let place = (u64::from(number) * count / u64::from(PAGES)).min(count - 1);
                let image = images.partition_point(|(before, _)| *before <= place).saturating_sub(1);
                let (before, first) = images.get(image).copied().unwrap_or((place, self.nowhere()));
                // What is added lies behind the last one.
                let added = number.saturating_sub(PAGES - 1);
                let offset = u32::try_from(place - before).unwrap_or(u32::MAX);
                Page { block: first.block.saturating_add(offset).saturating_add(added), ..first }
            }
        }
    }

    const fn nowhere(&self) -> Page {
        Page { fork: Fork { db: DB, rel: REL, fork: 0 }, block: 0 }
    }
}

struct Made {
    accesses: Vec<(u32, Op, Page)>,
    random: Rng,
    pages: Pages,
}

impl Made {
    fn read(&mut self, at_ms: u32, page: u32) {
        self.accesses.push((at_ms, Op::Read, self.pages.page(page)));
    }

    fn write(&mut self, at_ms: u32, page: u32) {
        self.accesses.push((at_ms, Op::Write, self.pages.page(page)));
    }

    /// Most reads only look.
    fn use_page(&mut self, at_ms: u32, page: u32) {
        self.read(at_ms, page);
        if self.random.u32(..READS_PER_WRITE) == 0 {
            self.write(at_ms, page);
        }
    }
}

/// The moments at which pages are read, evenly.
fn moments() -> impl Iterator<Item = u32> {
    let count = u64::from(DURATION_MS) * u64::from(READS_PER_SECOND) / 1000;
    (0..count).map_while(|read| u32::try_from(read * 1000 / u64::from(READS_PER_SECOND)).ok())
}

/// Draws ranks, the low ones more often.
struct Ranks {
    /// Of each rank, the share of all draws that it and those before it have.
    cumulated: Vec<f64>,
}

impl Ranks {
    fn new(count: u32) -> Self {
        let mut sum = 0.0;
        let mut cumulated: Vec<f64> = (1..=count)
            .map(|rank| {
                sum += f64::from(rank).powf(-SKEW);
                sum
            })
            .collect();
        cumulated.iter_mut().for_each(|share| *share /= sum);
        Ranks { cumulated }
    }

    fn draw(&self, random: &mut Rng) -> usize {
        let drawn = random.f64();
        self.cumulated.partition_point(|&share| share < drawn).min(self.cumulated.len().saturating_sub(1))
    }
}

/// Pages of a range, some of them read much more than others.
struct Skewed {
    ranks: Ranks,
    /// Where the pages of each rank begin.
    starts: Vec<u32>,
}

impl Skewed {
    fn new(pages: u32, random: &mut Rng) -> Self {
        let mut starts: Vec<u32> = (0..pages / PAGES_PER_RANK).map(|place| place * PAGES_PER_RANK).collect();
        random.shuffle(&mut starts);
        Skewed { ranks: Ranks::new(pages / PAGES_PER_RANK), starts }
    }

    fn draw(&self, random: &mut Rng) -> u32 {
        let start = self.starts.get(self.ranks.draw(random)).copied().unwrap_or_default();
        start + random.u32(..PAGES_PER_RANK)
    }
}

fn zipf(made: &mut Made, random: &mut Rng) {
    let skewed = Skewed::new(PAGES, random);
    for at_ms in moments() {
        made.use_page(at_ms, skewed.draw(random));
    }
}

fn moving(made: &mut Made, random: &mut Rng) {
    let mut start = 0;
    let mut until_ms = 0;
    for at_ms in moments() {
        if at_ms >= until_ms {
            start = random.u32(..PAGES - HOT_PAGES);
            until_ms += HOT_FOR_MS;
        }
        let is_hot = random.u32(..100) < HOT_PERCENT;
        let page = if is_hot { start + random.u32(..HOT_PAGES) } else { random.u32(..PAGES) };
        made.use_page(at_ms, page);
    }
}

fn scan(made: &mut Made) {
    for (at_ms, page) in moments().zip((0..PAGES).cycle()) {
        made.read(at_ms, page);
    }
}

fn append(made: &mut Made, random: &mut Rng) {
    let mut end = PAGES / 2;
    for at_ms in moments() {
        if random.u32(..READS_PER_SECOND) < APPENDED_PER_SECOND {
            made.write(at_ms, end);
            end += 1;
        }
        // The square keeps most reads near the end.
        let back = random.f64().powi(2) * f64::from(TAIL_PAGES);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to TAIL_PAGES")]
        let back = back as u32;
        made.read(at_ms, end.saturating_sub(1 + back));
    }
}

fn sleepy(made: &mut Made, random: &mut Rng) {
    let pages = PAGES / SLEEPERS;
    let sleepers: Vec<Skewed> = (0..SLEEPERS).map(|_| Skewed::new(pages, random)).collect();
    // Two are awake at a time; which, changes with every nap.
    for at_ms in moments() {
        let turn = at_ms / NAP_MS;
        let awake = (turn + if random.bool() { 0 } else { turn / SLEEPERS + 1 }) % SLEEPERS;
        let Some(skewed) = sleepers.get(awake as usize) else { continue };
        made.use_page(at_ms, awake * pages + skewed.draw(random));
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use thermocline::layer::{LayerName, Lsn};

    use super::*;

    #[rstest]
    fn a_seed_gives_one_trace(#[values(Kind::Zipf, Kind::Moving, Kind::Scan, Kind::Append, Kind::Sleepy)] kind: Kind) {
        let (one, same, other) = (kind.generate(1), kind.generate(1), kind.generate(2));
        assert_eq!(one.accesses(), same.accesses());
        // A scan is the same whatever the seed.
        assert_eq!(one.accesses() == other.accesses(), kind == Kind::Scan);
        assert_eq!(one.read_count(), 720_000);
        assert!(one.accesses().is_sorted_by_key(|access| access.at_ms));
        assert_eq!(kind.name().parse(), Ok(kind));
    }

    #[test]
    fn pages_of_a_real_database_are_those_of_its_images() {
        let page = |rel, block| Page { fork: Fork { db: 1, rel, fork: 0 }, block };
        let image = |from: Page, to: Page, pages: u64| GivenLayer {
            name: LayerName::image(from.key(), to.key(), Lsn(8)),
            size_bytes: Some(pages * PAGE_BYTES),
        };
        let layers = [image(page(7, 100), page(7, 200), 100), image(page(8, 0), page(9, 0), 300)];
        let trace = Kind::Scan.generate_over(0, &layers).unwrap();
        assert_eq!(trace.page_count(), 400);
        let inside = |page: &Page| match page.fork.rel {
            7 => (100..200).contains(&page.block),
            rel => rel == 8 && page.block < 300,
        };
        assert!(trace.pages().iter().all(|(_, page)| inside(page)));
        assert!(Kind::Append.generate_over(0, &layers).unwrap().pages().iter().any(|(_, page)| page.block > 300));
        assert!(Kind::Scan.generate_over(0, &[]).is_none());
    }

    #[test]
    fn an_unknown_kind_is_told_what_there_is() {
        let error = "fractal".parse::<Kind>().unwrap_err();
        assert!(error.contains("zipf, moving, scan, append, sleepy"), "{error}");
    }
}
