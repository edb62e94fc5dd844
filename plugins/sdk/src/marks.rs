//! What is known of a layer, one bit each.

/// One byte a row: what the host knows of a layer. The bits are those of `layer-mark` in the WIT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Marks(pub u8);

impl Marks {
    /// No mark: an image layer that is neither resident, visible nor inherited.
    pub const NONE: Marks = Marks(0);
    /// On this pageserver's disk.
    pub const RESIDENT: Marks = Marks(1);
    /// A read at some read point may need it.
    pub const VISIBLE: Marks = Marks(1 << 1);
    /// A delta layer; else an image layer.
    pub const DELTA: Marks = Marks(1 << 2);
    /// A delta layer over the whole key space.
    pub const L0: Marks = Marks(1 << 3);
    /// Not resident, but hot in the heatmap this location took over, and not evicted since.
    pub const INHERITED: Marks = Marks(1 << 4);
    /// As inherited, but cold in that heatmap.
    pub const INHERITED_COLD: Marks = Marks(1 << 5);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Marks) -> Marks {
        Marks(self.0 | other.0)
    }

    /// Whether every mark of `other` is set.
    pub const fn has(self, other: Marks) -> bool {
        self.0 & other.0 == other.0
    }

    /// On this pageserver's disk.
    pub const fn is_resident(self) -> bool {
        self.has(Marks::RESIDENT)
    }

    /// A read at some read point may need it.
    pub const fn is_visible(self) -> bool {
        self.has(Marks::VISIBLE)
    }

    /// A delta layer.
    pub const fn is_delta(self) -> bool {
        self.has(Marks::DELTA)
    }

    /// A delta layer over the whole key space.
    pub const fn is_l0(self) -> bool {
        self.has(Marks::L0)
    }

    /// Hot in the heatmap this location took over, not resident, and not evicted since.
    pub const fn is_inherited(self) -> bool {
        self.has(Marks::INHERITED)
    }

    /// Cold in the heatmap this location took over, not resident, and not evicted since.
    pub const fn is_inherited_cold(self) -> bool {
        self.has(Marks::INHERITED_COLD)
    }
}

/// What a layer's marks make of it, for a heatmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// On disk, and needed.
    Resident,
    /// Taken over as hot, not here yet, and needed.
    Inherited,
    /// Taken over as cold, not here, and needed.
    InheritedCold,
    /// No read needs it, or it is neither here nor taken over.
    None,
}

impl Marks {
    /// What is on disk is no longer inherited, whatever the marks say.
    pub const fn standing(self) -> Standing {
        if !self.is_visible() {
            Standing::None
        } else if self.is_resident() {
            Standing::Resident
        } else if self.is_inherited() {
            Standing::Inherited
        } else if self.is_inherited_cold() {
            Standing::InheritedCold
        } else {
            Standing::None
        }
    }
}

impl std::ops::BitOr for Marks {
    type Output = Marks;

    fn bitor(self, other: Marks) -> Marks {
        self.with(other)
    }
}

impl std::ops::BitOrAssign for Marks {
    fn bitor_assign(&mut self, other: Marks) {
        *self = self.with(other);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const CONTRACT: &str = include_str!("../../../wit/policy.wit");

    #[test]
    fn marks_are_the_bits_of_the_contract() {
        let flags = CONTRACT.split_once("flags layer-mark {").unwrap().1.split_once('}').unwrap().0;
        let names = flags.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.is_empty());
        let marks = [Marks::RESIDENT, Marks::VISIBLE, Marks::DELTA, Marks::L0, Marks::INHERITED, Marks::INHERITED_COLD];
        let ours = ["resident,", "visible,", "delta,", "l0,", "inherited,", "inherited-cold,"];
        assert_eq!(names.collect::<Vec<_>>(), ours);
        assert!(marks.iter().enumerate().all(|(bit, mark)| mark.0 == 1 << bit));
    }

    #[test]
    fn marks_add_up() {
        let mut marks = Marks::RESIDENT | Marks::L0;
        marks |= Marks::DELTA;
        assert!(marks.is_resident() && marks.is_l0() && marks.is_delta());
        assert!(!marks.is_visible() && !marks.is_inherited() && !marks.is_inherited_cold());
        assert!(!marks.has(Marks::RESIDENT | Marks::VISIBLE), "both, or it has not");
        assert!(marks.has(Marks::NONE));
    }

    const INHERITED_BOTH_WAYS: Marks = Marks::INHERITED.with(Marks::INHERITED_COLD);

    #[rstest]
    #[case::resident(Marks::RESIDENT, Standing::Resident)]
    #[case::inherited(Marks::INHERITED, Standing::Inherited)]
    #[case::inherited_cold(Marks::INHERITED_COLD, Standing::InheritedCold)]
    #[case::inherited_both_ways(INHERITED_BOTH_WAYS, Standing::Inherited)]
    #[case::here_by_now(Marks::RESIDENT | INHERITED_BOTH_WAYS, Standing::Resident)]
    #[case::elsewhere(Marks::NONE, Standing::None)]
    #[case::a_mark_of_a_later_host(Marks(0b1100_0000), Standing::None)]
    fn a_layer_that_is_needed_stands_as_its_marks_say(#[case] marks: Marks, #[case] standing: Standing) {
        for kind in [Marks::NONE, Marks::DELTA, Marks::DELTA | Marks::L0] {
            assert_eq!((marks | kind | Marks::VISIBLE).standing(), standing);
            assert_eq!((marks | kind).standing(), Standing::None, "covered");
        }
    }
}
