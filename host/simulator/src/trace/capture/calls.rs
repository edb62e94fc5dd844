//! Calls that others get in between of.

use std::collections::HashMap;

use super::line::{Event, Line};

/// Most processes that are in a call at the same time: Postgres has one a connection, and a few.
pub(super) const MAX_PROCESSES: usize = 16_384;

/// The beginnings of calls, until their ends come.
#[derive(Default)]
pub(super) struct Calls {
    /// By process.
    begun: HashMap<u32, Vec<u8>>,
    /// The last one that was put together.
    joined: Vec<u8>,
    cut_off: u64,
}

impl Calls {
    /// The text of the call that this line ends, if it ends one.
    pub(super) fn take<'a>(&'a mut self, line: Line<'a>) -> Result<Option<&'a [u8]>, String> {
        match line.event {
            Event::Whole(text) => {
                self.forget(line.process);
                Ok(Some(text))
            }
            Event::Begun(text) => {
                self.forget(line.process);
                if self.begun.len() >= MAX_PROCESSES {
                    return Err(format!("more than {MAX_PROCESSES} processes are in a call at once"));
                }
                self.begun.insert(line.process, text.to_vec());
                Ok(None)
            }
            Event::Ended(text) => match self.begun.remove(&line.process) {
                Some(begun) => {
                    self.joined = begun;
                    self.joined.extend_from_slice(text);
                    Ok(Some(&self.joined))
                }
                // strace came when the call had begun.
                None => {
                    self.cut_off += 1;
                    Ok(None)
                }
            },
            Event::Foreign | Event::Gone => {
                self.forget(line.process);
                Ok(None)
            }
            Event::Nothing => Ok(None),
        }
    }

    /// A process does one thing at a time: what it has begun before never ended.
    fn forget(&mut self, process: u32) {
        self.cut_off += u64::from(self.begun.remove(&process).is_some());
    }

    /// Calls without an end or a beginning, those that have no end yet among them.
    pub(super) fn cut_off(&self) -> u64 {
        self.cut_off + self.begun.len() as u64
    }
}
