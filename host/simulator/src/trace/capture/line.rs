//! One line of strace's log.

use super::super::Op;

/// System calls that read pages: the files of relations are read by nothing else since Postgres 12.
const READS: [&[u8]; 4] = [b"pread64", b"pread", b"preadv", b"preadv2"];
/// System calls that write them.
const WRITES: [&[u8]; 4] = [b"pwrite64", b"pwrite", b"pwritev", b"pwritev2"];

/// What its words about itself begin with.
const NOTICE: &[u8] = b"strace: ";

/// Times before it, seconds since 1970, count from something else: it is a day in 2001.
const OLDEST_TIME_S: u64 = 1_000_000_000;

/// What strace puts behind a call that others get in between.
const UNFINISHED: &[u8] = b"<unfinished ...>";
/// What it puts behind a call that it was writing when Ctrl-C ended it; the call's end never comes.
const DETACHED: &[u8] = b"<detached ...>";

/// A line, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Whose; 0 where strace does not follow others and names none.
    pub(super) process: u32,
    /// Microseconds since 1970.
    pub(super) at_us: u64,
    pub(super) event: Event<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// A call from beginning to end.
    Whole(&'a [u8]),
    /// How a call begins; its end comes later.
    Begun(&'a [u8]),
    /// The end of the call that the process has begun.
    Ended(&'a [u8]),
    /// A call that moves no pages.
    Foreign,
    /// The process is no more.
    Gone,
    /// Something else, as a signal.
    Nothing,
}

impl<'a> Line<'a> {
    /// What a line without its end says; `None` for one that strace writes about itself.
    pub(super) fn parse(line: &'a [u8]) -> Result<Option<Self>, String> {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(NOTICE) {
            return Ok(None);
        }
        let (process, line) = process(line);
        let (time, text) = word(line);
        let Some(at_us) = microseconds(time) else {
            return Err(format!(
                "`{}` is no time in seconds since 1970: run strace with -ttt, and without -r or -t",
                shown(time)
            ));
        };
        if at_us < OLDEST_TIME_S * 1_000_000 {
            return Err(format!("{} is no time since 1970: run strace with -ttt, and without -r", shown(time)));
        }
        let event = event(text).ok_or_else(|| format!("`{}` is no line of strace's log", shown(text)))?;
        Ok(Some(Line { process, at_us, event }))
    }
}

/// Where strace's words about itself begin that came in the middle of a line, as they do where both go to stderr; the next
/// line goes on where they began.
pub(super) fn interrupted(line: &[u8]) -> Option<usize> {
    let line = line.trim_ascii_end();
    let at = rfind(line, NOTICE).filter(|at| *at > 0)?;
    let (_, words) = line.split_at(at + NOTICE.len());
    let (process, words) = word(words.strip_prefix(b"Process ")?);
    let (what, _) = word(words);
    (digits(process).is_some() && (what == b"attached" || what == b"detached")).then_some(at)
}

/// `123 …` or `[pid 123] …`, and the rest.
fn process(line: &[u8]) -> (u32, &[u8]) {
    let (number, rest) = match line.strip_prefix(b"[pid ") {
        Some(inside) => {
            let end = inside.iter().position(|byte| *byte == b']').unwrap_or(inside.len());
            let (number, rest) = inside.split_at(end);
            (number.trim_ascii(), rest.get(1..).unwrap_or_default())
        }
        None => word(line),
    };
    match digits(number).and_then(|number| u32::try_from(number).ok()) {
        Some(number) => (number, rest.trim_ascii_start()),
        None => (0, line),
    }
}

fn event(text: &[u8]) -> Option<Event<'_>> {
    if text.starts_with(b"---") || text.starts_with(b"????") {
        return Some(Event::Nothing);
    }
    if text.starts_with(b"+++") {
        return Some(Event::Gone);
    }
    if let Some(text) = text.strip_prefix(b"<... ") {
        let (name, rest) = word(text);
        let rest = rest.strip_prefix(b"resumed>")?;
        return Some(if op(name).is_some() { Event::Ended(rest) } else { Event::Foreign });
    }
    let (name, _) = called(text)?;
    Some(match (op(name), text.strip_suffix(UNFINISHED).or_else(|| text.strip_suffix(DETACHED))) {
        (None, _) => Event::Foreign,
        (Some(_), None) => Event::Whole(text),
        (Some(_), Some(text)) => Event::Begun(text),
    })
}

/// A call that moves pages, or would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call<'a> {
    pub(super) op: Op,
    /// Of the file.
    pub(super) path: &'a [u8],
    pub(super) moved: Moved,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Bytes {
        offset: u64,
        count: u64,
    },
    Failed,
    /// It never ended.
    Unknown,
}

impl<'a> Call<'a> {
    /// `pread64(5</data/base/5/1259>, ""..., 8192, 16384) = 8192`. Buffers may hold anything, so that what follows them
    /// is read from the end.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, String> {
        let (name, arguments) = called(text).ok_or("no call")?;
        let op = op(name).ok_or("no call that moves pages")?;
        let path = path(arguments).ok_or("the call's first argument names no file: run strace with -y")?;
        let cut = || format!("`{}` breaks off", shown(text));
        let equals = rfind(arguments, b" = ").ok_or_else(cut)?;
        let (arguments, result) = arguments.split_at(equals);
        let (result, _) = word(result.get(3..).unwrap_or_default());
        let moved = match digits(result) {
            Some(count) => {
                let arguments = arguments.trim_ascii_end().strip_suffix(b")").ok_or_else(cut)?;
                // Behind the offset of preadv2 and pwritev2 are flags.
                let skipped = usize::from(name.ends_with(b"2"));
                let offset =
                    arguments.rsplit(|byte| *byte == b',').nth(skipped).and_then(|field| digits(field.trim_ascii()));
                Moved::Bytes { offset: offset.ok_or_else(cut)?, count }
            }
            None if result == b"?" => Moved::Unknown,
            None if result.starts_with(b"-") => Moved::Failed,
            None => return Err(cut()),
        };
        Ok(Call { op, path, moved })
    }
}

fn op(name: &[u8]) -> Option<Op> {
    if READS.contains(&name) {
        Some(Op::Read)
    } else if WRITES.contains(&name) {
        Some(Op::Write)
    } else {
        None
    }
}

/// A call's name, and what follows the bracket.
fn called(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'(')?;
    let (name, rest) = text.split_at(end);
    let named = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    named.then(|| (name, rest.get(1..).unwrap_or_default()))
}

/// The file in `5</data/base/5/1259>` or, once it is deleted, `5</data/base/5/1259 (deleted)>`. strace writes a `>` of
/// the name itself as a number.
fn path(arguments: &[u8]) -> Option<&[u8]> {
    let start = arguments.iter().position(|byte| !byte.is_ascii_digit())?;
    let inside = arguments.get(start..)?.strip_prefix(b"<")?;
    let end = inside.iter().position(|byte| *byte == b'>')?;
    let path = inside.get(..end)?;
    Some(path.strip_suffix(b" (deleted)").unwrap_or(path))
}

/// Up to the first space, and what follows the spaces.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (word, rest.trim_ascii_start())
}

fn digits(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// Of `1795409548.821534`.
fn microseconds(time: &[u8]) -> Option<u64> {
    let point = time.iter().position(|byte| *byte == b'.')?;
    let (seconds, fraction) = time.split_at(point);
    let fraction = fraction.get(1..).filter(|fraction| fraction.len() == 6)?;
    digits(seconds)?.checked_mul(1_000_000)?.checked_add(digits(fraction)?)
}

fn rfind(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).rposition(|window| window == wanted)
}

/// As much of a text as belongs into a message.
fn shown(text: &[u8]) -> String {
    const SHOWN: usize = 60;
    match text.get(..SHOWN) {
        Some(start) => format!("{}…", start.escape_ascii()),
        None => text.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn bytes(offset: u64, count: u64) -> Moved {
        Moved::Bytes { offset, count }
    }

    #[rstest]
    #[case::a_file_of_one_process("1795409548.000123 pread64(5</b>, \"\", 1, 0) = 1", 0)]
    #[case::a_file_of_several("77 1795409548.000123 pread64(5</b>, \"\", 1, 0) = 1", 77)]
    #[case::padded("  77   1795409548.000123 pread64(5</b>, \"\", 1, 0) = 1", 77)]
    #[case::a_terminal("[pid    77] 1795409548.000123 pread64(5</b>, \"\", 1, 0) = 1", 77)]
    fn a_line_has_a_process_and_a_time(#[case] line: &str, #[case] process: u32) {
        let line = Line::parse(line.as_bytes()).unwrap().unwrap();
        assert_eq!((line.process, line.at_us), (process, 1_795_409_548_000_123));
        assert_eq!(line.event, Event::Whole(b"pread64(5</b>, \"\", 1, 0) = 1"));
    }

    #[rstest]
    #[case::begun("pread64(5</b>,  <unfinished ...>", Event::Begun(b"pread64(5</b>,  "))]
    #[case::left_when_strace_went("pread64(5</b>,  <detached ...>", Event::Begun(b"pread64(5</b>,  "))]
    #[case::ended("<... pread64 resumed>\"\"..., 8, 0) = 8", Event::Ended(b"\"\"..., 8, 0) = 8"))]
    #[case::another_call("fsync(5</b>) = 0", Event::Foreign)]
    #[case::the_end_of_another("<... fsync resumed>) = 0", Event::Foreign)]
    #[case::another_that_begins("fsync(5</b> <unfinished ...>", Event::Foreign)]
    #[case::an_end("+++ exited with 0 +++", Event::Gone)]
    #[case::a_kill("+++ killed by SIGKILL +++", Event::Gone)]
    #[case::a_signal("--- SIGUSR1 {si_signo=SIGUSR1} ---", Event::Nothing)]
    #[case::what_strace_does_not_know("????( <unfinished ...>", Event::Nothing)]
    fn a_line_says_what_happens(#[case] text: &str, #[case] event: Event<'_>) {
        let line = format!("77 1795409548.000123 {text}");
        assert_eq!(Line::parse(line.as_bytes()).unwrap().unwrap().event, event);
    }

    #[rstest]
    #[case::empty("")]
    #[case::about_itself("strace: Process 77 attached with 2 threads")]
    fn some_lines_say_nothing(#[case] line: &str) {
        assert_eq!(Line::parse(line.as_bytes()), Ok(None));
    }

    #[rstest]
    #[case::it_comes("pread64(5</b>, strace: Process 7 attached\n", Some(15))]
    #[case::with_threads("pread64(5</b>, strace: Process 7 attached with 2 threads\n", Some(15))]
    #[case::it_goes("pread64(5</b>, strace: Process 7 detached", Some(15))]
    #[case::a_line_of_its_own("strace: Process 7 detached\n", None)]
    #[case::data_that_look_like_it("pwrite64(5</b>, \"strace: Process 7\", 17, 0) = 17\n", None)]
    #[case::no_process("pread64(5</b>, strace: Process x attached\n", None)]
    #[case::nothing("", None)]
    fn strace_gets_in_between_of_itself(#[case] line: &str, #[case] at: Option<usize>) {
        assert_eq!(interrupted(line.as_bytes()), at);
    }

    #[rstest]
    #[case::no_time("77 pread64(5</b>, \"\", 1, 0) = 1", "run strace with -ttt")]
    #[case::a_time_of_day(
        "77 12:30:01.123456 pread64(5</b>, \"\", 1, 0) = 1",
        "`12:30:01.123456` is no time in seconds"
    )]
    #[case::a_relative_time("77 0.000123 pread64(5</b>, \"\", 1, 0) = 1", "0.000123 is no time since 1970")]
    #[case::no_call("77 1795409548.000123 once upon a time", "`once upon a time` is no line of strace's log")]
    #[case::another_file("t_ms,op,db,rel,fork,block,nblocks", "is no time")]
    #[case::a_long_line(&format!("77 1795409548.000123 {}", "x".repeat(100)), "x…`")]
    fn a_wrong_line_is_an_error(#[case] line: &str, #[case] says: &str) {
        let error = Line::parse(line.as_bytes()).unwrap_err();
        assert!(error.contains(says), "{error}");
    }

    #[rstest]
    #[case::read("pread64(5</b>, \"\"..., 8192, 16384) = 8192", Op::Read, bytes(16384, 8192))]
    #[case::padded("pwrite64(5</b>, \"\", 8, 0)        = 8", Op::Write, bytes(0, 8))]
    #[case::buffers_that_look_like_an_end(
        "pwrite64(5</b>, \"x, 7) = 7 >\", 8192, 0) = 8192",
        Op::Write,
        bytes(0, 8192)
    )]
    #[case::several_buffers(
        "preadv(5</b>, [{iov_base=\"\"..., iov_len=8192}, {iov_base=\"\"..., iov_len=8192}], 2, 8192) = 16384",
        Op::Read,
        bytes(8192, 16384)
    )]
    #[case::flags(
        "pwritev2(5</b>, [{iov_base=\"\"..., iov_len=8192}], 1, 8192, RWF_DSYNC) = 8192",
        Op::Write,
        bytes(8192, 8192)
    )]
    #[case::how_long_it_took("pread64(5</b>, \"\"..., 8192, 0) = 8192 <0.000021>", Op::Read, bytes(0, 8192))]
    #[case::deleted("pread64(5</b>(deleted), \"\"..., 8192, 0) = 8192", Op::Read, bytes(0, 8192))]
    #[case::deleted_as_older_ones_write_it(
        "pread64(5</b (deleted)>, \"\"..., 8192, 0) = 8192",
        Op::Read,
        bytes(0, 8192)
    )]
    #[case::failed("pread64(5</b>, 0x7f, 8192, 0) = -1 EINTR (Interrupted system call)", Op::Read, Moved::Failed)]
    #[case::unknown("pread64(5</b>, 0x7f, 8192, 0) = ?", Op::Read, Moved::Unknown)]
    fn a_call_moves_bytes(#[case] text: &str, #[case] op: Op, #[case] moved: Moved) {
        assert_eq!(Call::parse(text.as_bytes()), Ok(Call { op, path: b"/b", moved }));
    }

    #[rstest]
    #[case::no_file("pread64(5, \"\"..., 8192, 0) = 8192", "run strace with -y")]
    #[case::no_end("pread64(5</b>, \"\"..., 8192, 0", "breaks off")]
    #[case::no_offset("pread64(5</b>) = 8192", "breaks off")]
    #[case::no_bracket("pread64(5</b>, 8192, 0 = 8192", "breaks off")]
    #[case::no_result("pread64(5</b>, \"\"..., 8192, 0) = ", "breaks off")]
    #[case::a_great_offset("pread64(5</b>, \"\"..., 8192, 18446744073709551616) = 8192", "breaks off")]
    fn a_wrong_call_is_an_error(#[case] text: &str, #[case] says: &str) {
        let error = Call::parse(text.as_bytes()).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}
