//! How much processor time a process has taken.

use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// Processor time of a running process, all its threads together, to the nanosecond.
pub(crate) fn of_process(id: u32) -> Result<Duration> {
    let id = Pid::from_raw(i32::try_from(id)?);
    let clock = clock_getcpuclockid(id).with_context(|| format!("process {id}"))?;
    Ok(clock.now()?.into())
}

/// Processor time of all children that have ended and were waited for.
pub(crate) fn of_ended_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}
