//! What Tidemark claims, against real servers and naive twins. One binary; a module for each part.

mod online;
mod servers;
