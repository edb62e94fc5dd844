//! A policy of Thermocline: heat is how often a layer is read, fading with a half-life.
