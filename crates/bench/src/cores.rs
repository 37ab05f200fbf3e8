//! The program that is measured on a core of its own, the simulated exchange on the others.
//!
//! On the same core a program is woken only when its peer has written all it had, on another one with the first bytes:
//! what waking it costs would depend on where the machine happened to put it.

use std::fs;

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Does some work with a running program on the last core and this one on the others, as far as there are others.
pub(crate) async fn apart<T>(program: u32, work: impl Future<Output = Result<T>>) -> Result<T> {
    let all = sched_getaffinity(Pid::this()).context("on which cores this runs")?;
    let Some((last, others)) = split(&all)? else {
        return work.await;
    };
    put(Pid::from_raw(i32::try_from(program)?), &last)?;
    put(Pid::this(), &others)?;
    let outcome = work.await;
    put(Pid::this(), &all)?;
    outcome
}

/// The last core and the others; `None` if there are no others.
fn split(all: &CpuSet) -> Result<Option<(CpuSet, CpuSet)>> {
    let mut cores = Vec::new();
    for core in 0..CpuSet::count() {
        if all.is_set(core)? {
            cores.push(core);
        }
    }
    let set = |cores: &[usize]| -> Result<CpuSet> {
        let mut set = CpuSet::new();
        for core in cores {
            set.set(*core)?;
        }
        Ok(set)
    };
    match cores.split_last() {
        Some((last, others)) if !others.is_empty() => Ok(Some((set(&[*last])?, set(others)?))),
        _ => Ok(None),
    }
}

/// Puts all threads of a process on these cores; those it starts later inherit them.
fn put(process: Pid, cores: &CpuSet) -> Result<()> {
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let name = thread?.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok());
        match sched_setaffinity(Pid::from_raw(id.context("no thread id")?), cores) {
            // Ended meanwhile.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error).context("the cores of a thread cannot be set"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cores(set: &CpuSet) -> Vec<usize> {
        (0..CpuSet::count())
            .filter(|core| set.is_set(*core).unwrap())
            .collect()
    }

    #[test]
    fn the_last_core_is_the_program_s() {
        let mut all = CpuSet::new();
        assert!(split(&all).unwrap().is_none());
        all.set(1).unwrap();
        assert!(split(&all).unwrap().is_none());
        all.set(4).unwrap();
        all.set(6).unwrap();
        let (last, others) = split(&all).unwrap().unwrap();
        assert_eq!((cores(&last), cores(&others)), (vec![6], vec![1, 4]));
    }

    #[tokio::test]
    #[expect(clippy::disallowed_types, reason = "any program will do")]
    async fn a_program_is_kept_apart_and_this_one_gets_its_cores_back() {
        let on = |process: Pid| cores(&sched_getaffinity(process).unwrap());
        let this = Pid::from_raw(0);
        let before = on(this);
        let mut program = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let id = Pid::from_raw(i32::try_from(program.id()).unwrap());
        let (of_program, own) = apart(program.id(), async { Ok((on(id), on(this))) })
            .await
            .unwrap();
        program.kill().unwrap();
        program.wait().unwrap();
        match before.split_last() {
            Some((last, others)) if !others.is_empty() => {
                assert_eq!((of_program, own), (vec![*last], others.to_vec()));
            }
            _ => assert_eq!((&of_program, &own), (&before, &before)),
        }
        assert_eq!(on(this), before);
    }
}
