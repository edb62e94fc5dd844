//! A policy of Thermocline: the best bytes first, under a budget of bytes a tenant.
