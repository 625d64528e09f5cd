//! JSON straight into the projected columns.
