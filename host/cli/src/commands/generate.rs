//! `thermocline generate`: one shard's heatmap on stdout.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use thermocline::clock::{Clock, SystemClock};
use thermocline::upload::Generator;

use crate::Verdict;
use crate::args::GenerateArgs;
use crate::{location, output};

pub(crate) async fn run(args: GenerateArgs) -> anyhow::Result<Verdict> {
    let judge = Arc::new(location::judge(&args.policy)?);
    let remote = match &args.remote {
        Some(url) => Some(location::open_remote(url, &args.s3).await?),
        None => None,
    };
    let data_dir = Arc::new(location::data_dir(&args.data_dir, remote, true)?);
    let shard = location::attached_shard(&data_dir, &args.data_dir, args.tenant).await;
    let shard = shard.with_context(|| format!("there is no heatmap of tenant {}", args.tenant))?;
    let Some(generation) = shard.generation.get() else {
        bail!("tenant {} is attached without a generation, which every heatmap names", shard.id);
    };
    let clock: Arc<dyn Clock> = match args.now {
        Some(unix_s) => Arc::new(SetClock { unix_s, running: SystemClock::default() }),
        None => Arc::new(SystemClock::default()),
    };
    let generated = Generator::new(Arc::clone(&data_dir) as _, judge, clock).generate(&shard, generation).await?;
    output::raw(&generated.heatmap.bytes)?;
    // Exactly the object's bytes, for files and pipes; a prompt wants its own line.
    if io::stdout().is_terminal() {
        output::raw(b"\n")?;
    }
    Ok(Verdict::good_if(generated.policy_error.is_none()))
}

/// The time that a user set; it runs on as ever.
#[derive(Debug)]
struct SetClock {
    unix_s: i64,
    running: SystemClock,
}

#[async_trait]
impl Clock for SetClock {
    fn unix_s(&self) -> i64 {
        self.unix_s
    }

    fn elapsed(&self) -> Duration {
        self.running.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.running.sleep(duration).await;
    }
}
