//! Whose heatmap upload goes first: a ranking that policies share.
