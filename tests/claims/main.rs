//! What the whole product claims, against real servers: one binary, a module for each part.

// `cfg(test)` is always so here; it tells clippy that these are tests, where a panic is a verdict.
#[cfg(test)]
mod kafka;
#[cfg(test)]
mod servers;
