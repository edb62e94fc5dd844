//! Whose heatmap is uploaded.

use std::time::Duration;

use super::outcome::Skip;
use crate::jobs::Trigger;
use crate::pageserver::{AttachMode, Shard};

/// The shortest time between two uploads of a shard by schedule: an embedder's shard with a shorter period is uploaded
/// this often. The bucket would else be written more often than standbys read it.
pub const MIN_UPLOAD_PERIOD: Duration = Duration::from_secs(1);

/// How often a shard is uploaded by schedule; zero where it is not. One that is not active for now is passed over at its
/// turn, and keeps it.
pub(crate) fn period(shard: &Shard) -> Duration {
    match eligible(&Shard { active: true, ..shard.clone() }, Trigger::Schedule) {
        Ok(_) => shard.upload_period.max(MIN_UPLOAD_PERIOD),
        Err(_) => Duration::ZERO,
    }
}

/// The generation under which a shard is uploaded, or why it is not.
pub(super) fn eligible(shard: &Shard, trigger: Trigger) -> Result<u32, Skip> {
    let scheduled = trigger == Trigger::Schedule;
    match shard {
        Shard { active: false, .. } => Err(Skip::Inactive),
        Shard { attach_mode: AttachMode::Stale, .. } if scheduled => Err(Skip::Stale),
        Shard { upload_period: Duration::ZERO, .. } if scheduled => Err(Skip::Off),
        Shard { generation, .. } => generation.get().ok_or(Skip::NoGeneration),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::layer::{Generation, TenantId, TenantShardId};
    use crate::pageserver::Revision;

    fn shard() -> Shard {
        Shard {
            id: TenantShardId::unsharded(TenantId::from_bytes([1; 16])),
            generation: Generation::new(7),
            attach_mode: AttachMode::Single,
            active: true,
            upload_period: Duration::from_secs(60),
            checkpoint_distance_bytes: 1 << 28,
            revision: Revision::default(),
        }
    }

    fn stale() -> Shard {
        Shard { attach_mode: AttachMode::Stale, ..shard() }
    }

    fn off() -> Shard {
        Shard { upload_period: Duration::ZERO, ..shard() }
    }

    fn without_generation() -> Shard {
        Shard { generation: Generation::NONE, ..shard() }
    }

    #[rstest]
    #[case::obeyed(MIN_UPLOAD_PERIOD, MIN_UPLOAD_PERIOD)]
    #[case::violated(MIN_UPLOAD_PERIOD - Duration::from_nanos(1), MIN_UPLOAD_PERIOD)]
    #[case::by_far(Duration::from_nanos(1), MIN_UPLOAD_PERIOD)]
    #[case::off(Duration::ZERO, Duration::ZERO)]
    fn the_limit_on_a_period(#[case] given: Duration, #[case] by_schedule: Duration) {
        assert_eq!(period(&Shard { upload_period: given, ..shard() }), by_schedule);
    }

    #[rstest]
    #[case::single(shard(), Ok(7), Ok(7))]
    #[case::multi(Shard { attach_mode: AttachMode::Multi, ..shard() }, Ok(7), Ok(7))]
    #[case::the_first_generation(Shard { generation: Generation::new(0), ..shard() }, Ok(0), Ok(0))]
    #[case::stale(stale(), Err(Skip::Stale), Ok(7))]
    #[case::off(off(), Err(Skip::Off), Ok(7))]
    #[case::stale_and_off(Shard { upload_period: Duration::ZERO, ..stale() }, Err(Skip::Stale), Ok(7))]
    #[case::no_generation(without_generation(), Err(Skip::NoGeneration), Err(Skip::NoGeneration))]
    #[case::inactive(Shard { active: false, ..shard() }, Err(Skip::Inactive), Err(Skip::Inactive))]
    #[case::inactive_and_stale(Shard { active: false, ..stale() }, Err(Skip::Inactive), Err(Skip::Inactive))]
    #[case::inactive_and_off(Shard { active: false, ..off() }, Err(Skip::Inactive), Err(Skip::Inactive))]
    #[case::inactive_without_generation(
        Shard { active: false, ..without_generation() }, Err(Skip::Inactive), Err(Skip::Inactive)
    )]
    #[case::off_without_generation(
        Shard { upload_period: Duration::ZERO, ..without_generation() }, Err(Skip::Off), Err(Skip::NoGeneration)
    )]
    fn who_is_uploaded(
        #[case] shard: Shard,
        #[case] by_schedule: Result<u32, Skip>,
        #[case] by_command: Result<u32, Skip>,
    ) {
        assert_eq!(eligible(&shard, Trigger::Schedule), by_schedule);
        assert_eq!(eligible(&shard, Trigger::Command), by_command);
    }
}
