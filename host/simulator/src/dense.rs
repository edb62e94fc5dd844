//! Things numbered from 0: pages, layers, sets of layers.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A number that stands for one thing of a kind.
pub(crate) trait Id: Copy {
    fn new(index: usize) -> Self;
    fn index(self) -> usize;
}

/// A kind of number. There are fewer than `u32::MAX` of each: a trace has no more accesses.
macro_rules! id {
    ($(#[$doc:meta])* $visibility:vis $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility struct $name(u32);

        impl crate::dense::Id for $name {
            fn new(index: usize) -> Self {
                $name(u32::try_from(index).unwrap_or(u32::MAX))
            }

            fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}
pub(crate) use id;

/// One `T` for every number that was handed out.
#[derive(Clone, Debug)]
pub(crate) struct Dense<I, T> {
    items: Vec<T>,
    ids: PhantomData<I>,
}

impl<I, T> Default for Dense<I, T> {
    fn default() -> Self {
        Dense { items: Vec::new(), ids: PhantomData }
    }
}

impl<I: Id, T> Dense<I, T> {
    /// `count` times the same.
    pub(crate) fn filled(item: T, count: usize) -> Self
    where
        T: Clone,
    {
        Dense { items: vec![item; count], ids: PhantomData }
    }

    pub(crate) fn push(&mut self, item: T) -> I {
        self.items.push(item);
        I::new(self.items.len() - 1)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn ids(&self) -> impl DoubleEndedIterator<Item = I> + use<I, T> {
        (0..self.items.len()).map(I::new)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.items.iter().enumerate().map(|(index, item)| (I::new(index), item))
    }

    /// Makes room up to `id`, filled with `T::default()`.
    pub(crate) fn reach(&mut self, len: usize)
    where
        T: Clone + Default,
    {
        if self.items.len() < len {
            self.items.resize(len, T::default());
        }
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        &self.items
    }
}

impl<I, T> FromIterator<T> for Dense<I, T> {
    fn from_iter<Items: IntoIterator<Item = T>>(items: Items) -> Self {
        Dense { items: items.into_iter().collect(), ids: PhantomData }
    }
}

#[allow(clippy::indexing_slicing, reason = "only `push` and `reach` make numbers, each with its item")]
impl<I: Id, T> Index<I> for Dense<I, T> {
    type Output = T;

    fn index(&self, id: I) -> &T {
        &self.items[id.index()]
    }
}

#[allow(clippy::indexing_slicing, reason = "only `push` and `reach` make numbers, each with its item")]
impl<I: Id, T> IndexMut<I> for Dense<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.items[id.index()]
    }
}
