//! What the whole product claims, against real servers: one binary, a module for each part.

mod kafka;
mod servers;
