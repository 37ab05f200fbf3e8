//! A Debian that boots in a container: `debootstrap` once, `systemd-nspawn` for every boot.
//!
//! It has a network of its own with loopback only, so nothing in it meets anything outside. What must stay
//! true: whatever happens, the machine is ended, its frozen file system is thawed and nothing stays mounted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::build::{self, run};

/// Release of Debian that is booted: its C library is as old as any these programs are built against.
const RELEASE: &str = "bookworm";

/// Where its packages come from.
const MIRROR: &str = "http://deb.debian.org/debian";

/// Packages beside the smallest system.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,redis-server,logrotate,ca-certificates,procps,rsync,sudo";

/// Longest time for fetching them, in words of `timeout`.
const FETCH_LIMIT: &str = "15m";

/// Longest time for a boot.
const BOOT_LIMIT: Duration = Duration::from_secs(90);

/// Longest time for ending the machine in order.
const OFF_LIMIT: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// Exit code of `systemd-nspawn` when its machine wants to be booted again.
const REBOOT: i32 = 133;

/// Size of the file system of the programs' data, which can be frozen.
const DATA_BYTES: u64 = 256 << 20;

/// Boots the machine in a mount namespace of its own: arguments are root, image and place of the data.
const BOOT: &str = r#"
set -e
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
group=/sys/fs/cgroup/strategy-agent-test-$$
mkdir "$group"
echo $$ > "$group/cgroup.procs"
mount -o loop "$2" "$1/$3"
exec setpriv --pdeathsig TERM systemd-nspawn --quiet --boot --keep-unit --register=no --private-network \
    --machine=strategy-agent-test --console=pipe --directory="$1"
"#;

/// Removes the control groups of an ended boot, which lie below the one that is named.
const SWEEP: &str = r#"
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
find "/sys/fs/cgroup/strategy-agent-test-$1" -depth -type d -exec rmdir {} +
"#;

/// Why the machine cannot be had here, in words.
pub(crate) fn obstacle() -> Option<String> {
    if !is_root() {
        return Some("it needs root: debootstrap, mount and systemd-nspawn do".to_owned());
    }
    let groups = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !groups.lines().any(|line| line.ends_with("\tcgroup2")) {
        return Some("this kernel has no cgroup v2".to_owned());
    }
    let probe = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "mount",
            "-t",
            "tmpfs",
            "probe",
            "/mnt",
        ])
        .output();
    match probe {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!(
            "nothing can be mounted here: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Some(format!("unshare cannot be run: {error}")),
    }
}

/// Installs what is needed to make and boot the machine.
pub(crate) fn ensure_tools() -> Result<()> {
    let there = |path: &str| Path::new(path).exists();
    if there("/usr/sbin/debootstrap") && there("/usr/bin/systemd-nspawn") && there("/usr/sbin/mkfs.ext4") {
        return Ok(());
    }
    ensure!(
        there("/usr/bin/apt-get"),
        "debootstrap, systemd-nspawn and mkfs.ext4 are needed"
    );
    run(Command::new("apt-get").arg("update"))?;
    run(Command::new("apt-get")
        .args([
            "install",
            "-y",
            "--no-install-recommends",
            "debootstrap",
            "systemd-container",
            "e2fsprogs",
        ])
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

/// The machine, off or running.
#[derive(Debug)]
pub(crate) struct Machine {
    root: PathBuf,
    image: PathBuf,
    /// Place of the file system that can be frozen, without a slash at its start.
    data: &'static str,
    console: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    supervisor: Child,
    /// Its first process, as seen from here.
    leader: u32,
}

impl Machine {
    /// A fresh one. The smallest system is fetched once and kept in the target directory.
    pub(crate) fn fresh(data: &'static str) -> Result<Self> {
        let directory = build::target()?.join("systemd-test");
        let (base, root) = (directory.join("base"), directory.join("root"));
        let is_ready = fs::read_to_string(base.join("ready")).is_ok_and(|packages| packages == PACKAGES);
        if !is_ready {
            remove(&base)?;
            fs::create_dir_all(&directory)?;
            println!("Fetching Debian {RELEASE} into {} ...", base.display());
            run(Command::new("timeout")
                .args([
                    FETCH_LIMIT,
                    "debootstrap",
                    "--variant=minbase",
                    &format!("--include={PACKAGES}"),
                    RELEASE,
                ])
                .arg(&base)
                .arg(MIRROR)
                .stdout(Stdio::null()))?;
            fs::write(base.join("ready"), PACKAGES)?;
        }
        remove(&root)?;
        run(Command::new("cp")
            .args(["-a", "--reflink=auto"])
            .arg(&base)
            .arg(&root))?;
        let image = directory.join("data.ext4");
        remove(&image)?;
        fs::File::create(&image)?.set_len(DATA_BYTES)?;
        run(Command::new("mkfs.ext4").arg("-q").arg(&image))?;
        fs::create_dir_all(root.join(data))?;
        Ok(Self {
            root,
            image,
            data,
            console: directory.join("console.log"),
            running: None,
        })
    }

    /// A path of the machine, seen from here. Not for what is on the data's file system.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    /// Boots and waits until everything is started.
    pub(crate) fn boot(&mut self) -> Result<Duration> {
        let began = Instant::now();
        let console = fs::File::create(&self.console)?;
        let supervisor = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", BOOT, "boot"])
            .arg(&self.root)
            .arg(&self.image)
            .arg(self.data)
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console)
            .spawn()?;
        let mut running = Running {
            supervisor,
            leader: 0,
        };
        let deadline = began + BOOT_LIMIT;
        let booted = loop {
            if let Some(ended) = running.supervisor.try_wait()? {
                let said = fs::read_to_string(&self.console).unwrap_or_default();
                bail!("systemd-nspawn ended with {ended}: {}", said.trim());
            }
            if let Some(leader) = first_process(running.supervisor.id()) {
                running.leader = leader;
                let asked = enter(leader, "systemctl is-system-running").output()?;
                let state = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
                if state == "running" || state == "degraded" {
                    break Ok(());
                }
            }
            if Instant::now() > deadline {
                break Err(anyhow::anyhow!("the machine did not boot within {BOOT_LIMIT:?}"));
            }
            std::thread::sleep(LOOK);
        };
        self.running = Some(running);
        booted.map(|()| began.elapsed())
    }

    /// Runs a command line in the machine; not succeeding is an error.
    pub(crate) fn run(&self, line: &str) -> Result<String> {
        let output = self.output(line)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "`{line}` ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(said)
    }

    /// Runs a command line in the machine and answers how it ended and what it printed.
    pub(crate) fn output(&self, line: &str) -> Result<Output> {
        let running = self.running.as_ref().context("the machine is off")?;
        Ok(enter(running.leader, line).stdin(Stdio::null()).output()?)
    }

    /// Reboots from within and waits until everything is started again.
    pub(crate) fn reboot(&mut self) -> Result<Duration> {
        let began = Instant::now();
        // The machine may be gone before the command has ended.
        drop(self.output("systemctl reboot")?);
        let mut running = self.running.take().context("the machine is off")?;
        match wait(&mut running.supervisor, OFF_LIMIT)? {
            Some(status) if status.code() == Some(REBOOT) => sweep(running.supervisor.id())?,
            other => {
                self.running = Some(running);
                bail!("the machine did not ask to be booted again: {other:?}");
            }
        }
        self.boot()?;
        Ok(began.elapsed())
    }

    /// Stops every write to the data's file system, as a disk that hangs does.
    pub(crate) fn freeze(&self) -> Result<()> {
        self.run(&format!("fsfreeze --freeze /{}", self.data)).map(drop)
    }

    /// Lets writes go on.
    pub(crate) fn thaw(&self) -> Result<()> {
        self.run(&format!("fsfreeze --unfreeze /{}", self.data)).map(drop)
    }

    fn off(&mut self) -> Result<()> {
        if self.running.is_none() {
            return Ok(());
        }
        // It is frozen only if a check ended early.
        drop(self.thaw());
        drop(self.output("systemctl poweroff"));
        let Some(mut running) = self.running.take() else {
            return Ok(());
        };
        if wait(&mut running.supervisor, OFF_LIMIT)?.is_none() {
            running.supervisor.kill()?;
            running.supervisor.wait()?;
        }
        sweep(running.supervisor.id())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Err(error) = self.off() {
            println!("the machine could not be ended in order: {error:#}");
        }
    }
}

/// Removes the control groups of a machine that has ended.
fn sweep(supervisor: u32) -> Result<()> {
    run(Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", SWEEP, "sweep"])
        .arg(supervisor.to_string()))
}

/// A command line in the machine, with an environment of its own.
fn enter(leader: u32, line: &str) -> Command {
    let mut command = Command::new("nsenter");
    command
        .args(["--target", &leader.to_string()])
        .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"])
        .args([
            "env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL=C.UTF-8",
        ])
        .args(["DEBIAN_FRONTEND=noninteractive", "bash", "-c", line]);
    command
}

/// The init process below a running `systemd-nspawn`.
fn first_process(supervisor: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children")).ok()?;
    children
        .split_whitespace()
        .filter_map(|id| id.parse().ok())
        .find(|id: &u32| {
            let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
            name.trim() == "systemd"
        })
}

/// Waits for a process; `None` if it does not end in time.
fn wait(process: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = process.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(LOOK);
    }
    Ok(None)
}

fn remove(path: &Path) -> Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path).with_context(|| format!("{} cannot be removed", path.display()))?;
    } else if path.exists() {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    user.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off(root: &Path) -> Machine {
        Machine {
            root: root.to_owned(),
            image: root.join("image"),
            data: "var/lib/data",
            console: root.join("console"),
            running: None,
        }
    }

    #[test]
    fn a_machine_that_is_off_runs_nothing() {
        let mut machine = off(Path::new("/srv/root"));
        assert_eq!(machine.path("/etc/hostname"), Path::new("/srv/root/etc/hostname"));
        for error in [
            machine.run("true").unwrap_err(),
            machine.freeze().unwrap_err(),
            machine.thaw().unwrap_err(),
            machine.reboot().unwrap_err(),
        ] {
            assert_eq!(error.to_string(), "the machine is off");
        }
        machine.off().unwrap();
    }

    #[test]
    fn a_command_in_the_machine_has_no_part_of_this_environment() {
        let command = enter(7, "echo $HOME");
        let arguments: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        assert_eq!(arguments[..2], ["--target", "7"]);
        let environment = arguments.iter().position(|word| word == "env").unwrap();
        assert_eq!(arguments[environment + 1], "-i");
        assert_eq!(arguments[arguments.len() - 3..], ["bash", "-c", "echo $HOME"]);
    }

    #[test]
    fn an_end_is_waited_for_no_longer_than_is_said() {
        let mut process = Command::new("sleep").arg("600").spawn().unwrap();
        assert_eq!(wait(&mut process, Duration::from_millis(1)).unwrap(), None);
        assert_eq!(first_process(process.id()), None, "it has no child");
        process.kill().unwrap();
        let ended = wait(&mut process, Duration::from_secs(30)).unwrap().unwrap();
        assert_eq!(ended.code(), None, "{ended}");
    }

    #[test]
    fn files_directories_and_nothing_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let (file, directory) = (place.path().join("file"), place.path().join("directory"));
        fs::write(&file, "x").unwrap();
        fs::create_dir_all(directory.join("below")).unwrap();
        for path in [&file, &directory, &file] {
            remove(path).unwrap();
            assert!(!path.exists());
        }
    }

    #[test]
    fn what_hinders_the_machine_is_told_in_words() {
        // Whether something does depends on where this runs.
        match obstacle() {
            Some(why) if is_root() => assert!(why.contains("cgroup") || why.contains("mounted"), "{why}"),
            Some(why) => assert!(why.contains("root"), "{why}"),
            None => assert!(is_root()),
        }
    }
}
