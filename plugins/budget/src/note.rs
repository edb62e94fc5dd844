//! What is remembered of a layer: 20 bytes a row, of the 24 that there are.

use thermocline_policy::history::Carried;
use thermocline_warmth::note::Call;

use crate::earnings::Earnings;

/// Says what the fields and the columns mean. Another one reads nothing of this.
pub(crate) const VERSION: u32 = 1;

/// Of a record: how warm the layer is of late, what was counted, how warm it is in the long run, and in which orders it
/// was within the budget, as bits.
pub(crate) const COLUMNS: usize = 4;

pub(crate) type Notes = Carried<COLUMNS>;

/// The fields beside the records.
pub(crate) fn fields(call: Call, earnings: &Earnings) -> [u64; 4] {
    let [at, source, ..] = call.fields();
    let [one, other] = earnings.fields();
    [at, source, one, other]
}

/// What [`fields`] put there.
pub(crate) fn earnings(fields: [u64; 4]) -> Earnings {
    let [_, _, one, other] = fields;
    Earnings::of([one, other])
}
