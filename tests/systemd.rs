//! The units that ship with barbus: checked by systemd's own tool, and run by a real systemd.
//!
//! The real one is process 1 of a pid namespace of its own, with the units of this project and a
//! few empty targets. It needs root, and a machine that no systemd manages.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::bus::Bus;
use crate::support::{command, market, wait};

const NONE: [&str; 0] = [];
const SYSTEMD: &str = "/lib/systemd/systemd";

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../barbusd/systemd")
}

/// The text of a unit that runs programs of `programs` on buses in `buses`, as this test's user.
fn unit(name: &str, programs: &Path, buses: &Path) -> String {
    let text = std::fs::read_to_string(units().join(name)).expect("the unit ships with the project");
    let text = text.replace("/usr/bin/", &format!("{}/", programs.display()));
    let text = text.replace("/var/lib/barbus", buses.to_str().expect("UTF-8"));
    text.replace("User=barbus\n", "").replace("Group=barbus\n", "")
}

/// A folder with both programs. `barbus daemon BUS` is `barbusd BUS`.
fn programs(folder: &Path) {
    // A copy: the units see no home directory, where this build may be.
    let barbus = folder.join("barbus");
    std::fs::copy(command::barbus().get_program(), &barbus).expect("room for a copy");
    // The server is looked for by the check of its unit, and is not run.
    std::os::unix::fs::symlink(&barbus, folder.join("barbus-serve")).expect("a link");
    let script = format!("#!/bin/sh\nexec {} daemon \"$@\"\n", barbus.display());
    std::fs::write(folder.join("barbusd"), script).expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.join("barbusd"), mode).expect("ours");
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[test]
fn the_units_have_no_fault() {
    if !has("systemd-analyze") {
        return println!("skipped: no systemd-analyze here");
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    programs(folder.path());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(units()).expect("the units ship with the project") {
        let name = entry.expect("a file").file_name().into_string().expect("UTF-8");
        let path = folder.path().join(name.replace('@', "@test"));
        std::fs::write(&path, unit(&name, folder.path(), Path::new("/var/lib/barbus"))).expect("a unit");
        names.push(path);
    }
    assert!(names.len() >= 2, "{names:?}");
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).args(&names);
    let verified = command::finish(&mut verify, None);
    // It exits with 0 for a name that it does not know, and only warns.
    let of_barbus = verified.stderr.lines().filter(|line| line.contains("barbus")).collect::<Vec<_>>();
    assert!(verified.status.success() && of_barbus.is_empty(), "{verified}");
}

/// A systemd that runs nothing but the units of this project.
struct Systemd {
    unshare: Child,
    log: PathBuf,
}

impl Systemd {
    /// Boots it with the units in `folder`; `None`, with a message, where that is not possible.
    fn boot(folder: &Path) -> Option<Self> {
        if Path::new("/run/systemd/system").exists() || !Path::new(SYSTEMD).exists() || !has("systemctl") {
            println!("skipped: this machine has a systemd of its own, or none at all");
            return None;
        }
        for target in ["sysinit", "basic", "shutdown", "local-fs", "network", "multi-user", "default"] {
            let text = format!("[Unit]\nDescription={target}\n");
            std::fs::write(folder.join(format!("{target}.target")), text).expect("a unit");
        }
        let log = folder.join("systemd.log");
        let file = std::fs::File::create(&log).expect("a log");
        let boot = format!(
            "mount -t tmpfs tmpfs /run && exec env -i PATH=\"$PATH\" container=test SYSTEMD_UNIT_PATH={} {SYSTEMD} \
             --system --unit=default.target --log-target=console --show-status=0",
            folder.display()
        );
        let mut unshare = Command::new("unshare");
        unshare.args([
            "--pid",
            "--fork",
            "--kill-child",
            "--mount",
            "--mount-proc",
            "--uts",
            "--ipc",
            "--net",
            "--cgroup",
        ]);
        unshare.args(["sh", "-c", &boot]).stdin(Stdio::null()).stdout(file.try_clone().expect("a log")).stderr(file);
        let mut systemd = Self { unshare: unshare.spawn().expect("unshare runs"), log };
        let mut tries = 0;
        let up = wait::until("systemd, or its end", || {
            tries += 1;
            let ended = systemd.unshare.try_wait().expect("ours").is_some();
            let answers = systemd.control(&["show", "--property=Version"]).is_some_and(|text| text.contains("Version"));
            (answers || ended || tries > 300).then_some(answers)
        });
        if !up {
            println!(
                "skipped: systemd does not start here: {}",
                std::fs::read_to_string(&systemd.log).unwrap_or_default()
            );
            return None;
        }
        Some(systemd)
    }

    /// Its process, as this pid namespace numbers it.
    fn pid(&self) -> Option<String> {
        let own = self.unshare.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).ok()?;
        children.split_whitespace().next().map(str::to_owned)
    }

    /// The output of `systemctl`; `None` where it fails.
    fn control(&self, arguments: &[&str]) -> Option<String> {
        let mut control = Command::new("nsenter");
        control.args(["--target", &self.pid()?, "--pid", "--mount", "systemctl"]).args(arguments);
        let output = control.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn property(&self, name: &str) -> String {
        self.control(&["show", "--value", &format!("--property={name}"), "barbusd@bus.service"]).unwrap_or_default()
    }

    /// Waits until the daemon's unit is in this state.
    fn until(&self, state: &str) {
        wait::until(state, || (self.property("ActiveState") == state).then_some(()));
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        if std::thread::panicking() {
            eprintln!("--- systemd's log\n{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
        // What it has made of control groups; those with a process stay.
        let find = r"find /sys/fs/cgroup -depth -type d \( -path '*/system.slice*' -o -path '*/init.scope*' \) -exec rmdir {} +";
        let _ = Command::new("sh").args(["-c", find]).stderr(Stdio::null()).status();
    }
}

#[test]
fn a_real_systemd_starts_watches_reloads_restarts_and_stops_the_daemon() {
    let bus = Bus::init("XSHG");
    let folder = bus.beside("units");
    std::fs::create_dir(&folder).expect("ours");
    programs(&folder);
    let buses = bus.path().parent().expect("it has one").to_owned();
    let text = unit("barbusd@.service", &folder, &buses);
    // Sooner than in operation, so that the test sees several restarts.
    let text = text.replace("WatchdogSec=30", "WatchdogSec=10").replace("RestartSec=5", "RestartSec=0.2");
    std::fs::write(folder.join("barbusd@.service"), text).expect("a unit");
    let Some(systemd) = Systemd::boot(&folder) else { return };
    let unit = "barbusd@bus.service";

    // `start` returns when the daemon is ready: a bar can be sent at once.
    systemd.control(&["start", unit]).expect("the unit starts");
    let csv = bus.write("bars.csv", market::csv(&market::minutes(&["600000.XSHG"], "2024-03-04T01:31:00Z", 5)));
    bus.barbus("publish", ["--wait", "0", csv.to_str().expect("UTF-8")]).ok();
    wait::until("the status line", || {
        systemd.property("StatusText").starts_with("2024-03-04 is open, 5 bars").then_some(())
    });
    systemd.control(&["reload", unit]).expect("SIGHUP");

    // A daemon that stands still is restarted, and continues the day.
    let pid = |bus: &Bus| bus.barbus("stat", ["--format", "json", "--timeout", "1"]).stdout;
    let process = |text: &str| -> Option<i32> {
        let stat: serde_json::Value = serde_json::from_str(text).ok()?;
        stat["pid"].as_i64().and(stat["pid_here"].as_i64()).map(|pid| pid as i32)
    };
    let first = process(&pid(&bus)).expect("the daemon answers");
    kill(Pid::from_raw(first), Signal::SIGSTOP).expect("ours");
    let second = wait::until("the restart by the watchdog", || process(&pid(&bus)).filter(|second| *second != first));
    assert!(bus.barbus("stat", NONE).ok().contains("2024-03-04"));

    // Whatever keeps it from starting, such as a full disk, uses up no restarts.
    let settings = bus.path().join("bus.toml");
    let good = std::fs::read_to_string(&settings).expect("ours");
    std::fs::write(&settings, "nonsense").expect("ours");
    kill(Pid::from_raw(second), Signal::SIGKILL).expect("ours");
    wait::until("eight restarts", || {
        systemd.property("NRestarts").parse().is_ok_and(|count: u32| count >= 8).then_some(())
    });
    std::fs::write(&settings, good).expect("ours");
    systemd.until("active");
    wait::until("an answer", || process(&pid(&bus)));

    systemd.control(&["stop", unit]).expect("the unit stops");
    systemd.until("inactive");
    assert_eq!(systemd.property("Result"), "success");
    assert!(!bus.path().join("ingest.sock").exists());
}
