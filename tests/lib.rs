//! Empty on purpose: this package only holds the end-to-end tests in `it/`.
