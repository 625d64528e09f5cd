//! What is said about mistakes in everything but features.
