//! The tests that run the real program: one module per capability.
