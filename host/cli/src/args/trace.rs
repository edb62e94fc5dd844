//! `thermocline trace`.

use std::path::PathBuf;

/// Make a trace of page accesses, for `simulate`, from a running Postgres
///
/// strace watches the server read and write its files:
///
///   postmaster=$(sudo head -1 /var/lib/postgresql/15/main/postmaster.pid)
///   sudo strace -f -ttt -y -s 0 -e signal=none -o postgres.strace \
///     -e trace=pread64,pwrite64,preadv,pwritev,preadv2,pwritev2 \
///     -p "$postmaster $(pgrep -d ' ' -P $postmaster)"
///
/// Ctrl-C ends it, and the server goes on. Then:
///
///   thermocline trace postgres.strace -o accesses.csv.zst
///
/// In the trace are the pages of relations. Shared catalogs, temporary files, the write-ahead log and
/// all else are left out, and counted. What stays in shared_buffers is not read, and so in no trace:
/// set them as small as those of a compute.
/// host/cli/TRACES.md in the repository tells more: permissions, cost, other ways.
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct TraceArgs {
    /// What strace wrote, plain or compressed by zstd; - for stdin
    #[arg(value_name = "FILE|-")]
    pub log: PathBuf,
    /// The trace: compressed where the name ends in .zst [default: stdout]
    #[arg(short, long, value_name = "FILE.csv|FILE.csv.zst")]
    pub out: Option<PathBuf>,
}
