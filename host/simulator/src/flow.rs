//! Minimum cuts, by Dinic's algorithm.

use std::collections::VecDeque;

use crate::dense::{Dense, Id, id};

id! {
    /// A node of a network.
    pub(crate) Node
}

id! {
    /// An edge; its reverse is the other one of its pair.
    pub(crate) EdgeId
}

impl EdgeId {
    fn reverse(self) -> EdgeId {
        EdgeId::new(self.index() ^ 1)
    }
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    to: Node,
    room: u128,
}

/// A network from a source to a sink.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    edges: Dense<EdgeId, Edge>,
    from: Dense<Node, Vec<EdgeId>>,
}

/// The side of the source, as small as it can be.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    level: Dense<Node, u32>,
}

impl Cut {
    /// Whether the node is on the side of the source.
    pub(crate) fn holds(&self, node: Node) -> bool {
        self.level[node] != UNREACHED
    }
}

const UNREACHED: u32 = u32::MAX;

impl Flow {
    pub(crate) const SOURCE: Node = Node(0);
    pub(crate) const SINK: Node = Node(1);

    pub(crate) fn new() -> Self {
        Flow { edges: Dense::default(), from: Dense::filled(Vec::new(), 2) }
    }

    pub(crate) fn node(&mut self) -> Node {
        self.from.push(Vec::new())
    }

    pub(crate) fn edge(&mut self, from: Node, to: Node, room: u128) {
        let forth = self.edges.push(Edge { to, room });
        let back = self.edges.push(Edge { to: from, room: 0 });
        self.from[from].push(forth);
        self.from[to].push(back);
    }

    /// Pushes as much as goes through, and says which nodes the source still reaches.
    pub(crate) fn minimum_cut(mut self) -> Cut {
        loop {
            let level = self.levels();
            if level[Self::SINK] == UNREACHED {
                return Cut { level };
            }
            self.block(&level);
        }
    }

    /// How many edges with room each node is from the source.
    fn levels(&self) -> Dense<Node, u32> {
        let mut level = Dense::filled(UNREACHED, self.from.len());
        level[Self::SOURCE] = 0;
        let mut next = VecDeque::from([Self::SOURCE]);
        while let Some(node) = next.pop_front() {
            for edge in &self.from[node] {
                let Edge { to, room } = self.edges[*edge];
                if room > 0 && level[to] == UNREACHED {
                    level[to] = level[node] + 1;
                    next.push_back(to);
                }
            }
        }
        level
    }

    /// Pushes along shortest paths until each of them is full.
    fn block(&mut self, level: &Dense<Node, u32>) {
        let mut tried = Dense::<Node, usize>::filled(0, self.from.len());
        let mut path: Vec<EdgeId> = Vec::new();
        loop {
            let at = path.last().map_or(Self::SOURCE, |edge| self.edges[*edge].to);
            if at == Self::SINK {
                let push = path.iter().map(|edge| self.edges[*edge].room).min().unwrap_or_default();
                let mut full = path.len();
                for (index, edge) in path.iter().enumerate().rev() {
                    self.edges[*edge].room -= push;
                    let reverse = &mut self.edges[edge.reverse()];
                    reverse.room = reverse.room.saturating_add(push);
                    if self.edges[*edge].room == 0 {
                        full = index;
                    }
                }
                path.truncate(full);
                continue;
            }
            let onward = self.from[at].get(tried[at]).copied();
            match onward {
                Some(edge) => {
                    let Edge { to, room } = self.edges[edge];
                    if room > 0 && level[to] == level[at].saturating_add(1) {
                        path.push(edge);
                    } else {
                        tried[at] += 1;
                    }
                }
                // A dead end: whoever came here tries the next edge.
                None => match path.pop() {
                    Some(edge) => tried[self.edges[edge.reverse()].to] += 1,
                    None => return,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const INNER: usize = 5;

    /// What has to be cut so that `side` (and the source) is apart from the rest, by its bits.
    fn cost(edges: &[(usize, usize, u64)], side: u32) -> u64 {
        let on_side = |node: usize| node == 0 || (node >= 2 && side >> (node - 2) & 1 == 1);
        edges.iter().filter(|(from, to, _)| on_side(*from) && !on_side(*to)).map(|(_, _, room)| room).sum()
    }

    proptest! {
        #[test]
        fn no_cut_costs_less(edges in vec((0..INNER + 2, 0..INNER + 2, 0_u64..20), 0..25)) {
            let edges: Vec<_> = edges.into_iter().filter(|(from, to, _)| from != to && *to != 0 && *from != 1).collect();
            let mut flow = Flow::new();
            (0..INNER).for_each(|_| { flow.node(); });
            for &(from, to, room) in &edges {
                flow.edge(Node::new(from), Node::new(to), room.into());
            }
            let cut = flow.minimum_cut();
            let found = (0..INNER).filter(|node| cut.holds(Node::new(node + 2))).fold(0, |side, node| side | 1 << node);
            let least = (0..1 << INNER).map(|side| cost(&edges, side)).min().unwrap();
            prop_assert_eq!(cost(&edges, found), least);
        }
    }
}
