//! The Debian package of both programs: its manifest says what is in it. `cargo xtask deb` builds it.
