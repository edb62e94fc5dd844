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
}
