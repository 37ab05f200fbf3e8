//! Both programs, as processes, against a real Redis and the simulators.

mod collector;
mod late_command;
mod signals;
