//! What is said about mistakes in features.
