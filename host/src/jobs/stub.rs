use super::*;
use crate::clock::Clock;
use crate::random::Random;
use std::num::NonZeroUsize;
use std::sync::Arc;
#[derive(Debug)]
pub struct JobLoop<W: Work>(std::marker::PhantomData<W>);
#[derive(Debug)]
pub struct JobHandle<W: Work>(std::marker::PhantomData<W>);
#[derive(Debug, Default)]
pub struct JobTimes {
    pub running: bool,
    pub next_due: Option<Duration>,
    pub overdue: Duration,
}
#[derive(Debug, Default)]
pub struct JobStats {
    pub due: usize,
    pub running: usize,
    pub concurrency: usize,
    pub overruns: Vec<(Duration, u64)>,
}
impl<W: Work> JobLoop<W> {
    pub fn new(_: Arc<W>, _: Arc<dyn Clock>, _: Random, _: NonZeroUsize) -> (Self, JobHandle<W>) {
        todo!()
    }
    pub async fn run(self) {
        todo!()
    }
}
impl<W: Work> JobHandle<W> {
    pub fn set(&self, _: W::Key, _: Duration) {}
    pub fn remove(&self, _: W::Key) {}
    pub fn set_concurrency(&self, _: NonZeroUsize) {}
    pub async fn command(&self, _: W::Key) -> Result<W::Outcome, CommandError> {
        todo!()
    }
    pub fn times(&self, _: W::Key) -> Option<JobTimes> {
        todo!()
    }
    pub fn stats(&self) -> JobStats {
        todo!()
    }
    pub async fn shutdown(&self, _: Duration) -> Vec<W::Key> {
        todo!()
    }
}
