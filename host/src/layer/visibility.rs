//! May a read still need this layer?
