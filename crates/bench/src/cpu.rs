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

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_types, reason = "it needs a process that works")]

    use std::process::{Command, Stdio};

    use super::*;

    /// One more than the highest id the kernel gives.
    const NOBODY: u32 = 4_194_305;

    #[test]
    fn a_process_that_works_takes_time() {
        let id = std::process::id();
        let before = of_process(id).unwrap();
        let mut sum = 0_u64;
        // Ends when the clock that is tested has gone on: it is the kernel's, so it does.
        while of_process(id).unwrap() < before + Duration::from_millis(20) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(sum > 0);
        let nobody = of_process(NOBODY).unwrap_err();
        assert!(nobody.to_string().contains("4194305"), "{nobody}");
    }

    #[test]
    fn a_child_counts_when_it_has_ended() {
        let before = of_ended_children().unwrap();
        let mut child = Command::new("sh")
            .args([
                "-c",
                "read line; i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done",
            ])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let while_it_waits = of_ended_children().unwrap();
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        assert_eq!(while_it_waits, before);
        assert!(of_ended_children().unwrap() > before);
    }
}
