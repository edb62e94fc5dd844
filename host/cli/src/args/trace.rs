//! `thermocline trace`.

use std::path::PathBuf;

/// Make a trace of page accesses from what strace prints of a running Postgres
///
/// As root, or as the user that Postgres runs as, for as long as the trace is to be:
///
///   strace -f -ttt -y -s 0 -e trace=pread64,preadv,pwrite64,pwritev \
///       -o /tmp/postgres.strace -p "$(head -n 1 "$PGDATA/postmaster.pid")"
///
/// and end it with Ctrl-C. Then
///
///   thermocline trace /tmp/postgres.strace -o trace.csv.zst
///   thermocline simulate --trace trace.csv.zst
///
/// A compute keeps hot pages itself and asks its pageserver for the rest: set shared_buffers as
/// small as the compute's cache (Neon's default is 128MB). Sessions that were open before strace
/// came are not seen unless it is told of them: attach it before the load begins, or restart
/// Postgres under it. Each call takes some ten microseconds longer while strace looks on.
///
/// Pages of shared catalogs, the write-ahead log and temporary files are left out; what was
/// kept and what was not is said at the end.
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct TraceArgs {
    /// What strace printed; - for stdin
    #[arg(value_name = "FILE")]
    pub log: PathBuf,
    /// The trace; compressed if its name ends in .zst [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
