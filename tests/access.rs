//! Permissions to read a bus and to publish to it, with system users that the test creates.
//!
//! Creating users needs root; without it the tests report that they are skipped.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::command::{self, Finished, Running};
use crate::support::{market, wait};

/// The daemon's group may read and cannot write, and others have no access, for every umask.
///
/// Promise 2: nothing a reader does can corrupt the bus.
#[test]
fn the_group_reads_and_cannot_write() {
    let Some(mut stage) = Stage::set("g") else { return };
    stage.start("umask 077", "");
    let mode = |name: &str| {
        let found = fs::metadata(stage.bus().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name.to_owned(), found.mode() & 0o7777)
    };
    for folder in ["", "archive", "archive/1m", "archive/1m.work", "quarantine"] {
        assert_eq!(mode(folder), (folder.to_owned(), 0o750));
    }
    // A group member may create a file of its own there.
    assert_eq!(mode("readers").1, 0o3770);
    assert_eq!((mode("bars.ring").1, mode("bus.toml").1, mode("ingest.sock").1), (0o640, 0o640, 0o660));

    // A process that can open the lock could acquire it and keep the writer from starting.
    assert_eq!(mode("lock").1, 0o600);

    let bars = market::minutes(&["600000.XSHG"], "2024-03-04T01:31:00Z", 5);
    let csv = stage.write("bars.csv", &market::csv(&bars));
    stage.barbus(&stage.member, "publish", &[csv.as_os_str()]).ok();
    stage.barbus(&stage.member, "close-day", &[]).ok();
    let tail = ["--from", "oldest", "--format", "json", "--until-close"].map(OsStr::new);
    assert_eq!(stage.barbus(&stage.member, "tail", &tail).json_lines().len(), bars.len());

    let ring = stage.bus().join("bars.ring");
    // The fixed part of the head; the writer's heartbeat is stored behind it.
    let head = || fs::read(&ring).expect("root can read")[..4096].to_vec();
    let before = head();
    let write = |user: &str| {
        stage.run_as(user, &["dd", "if=/dev/zero", "count=1", "conv=notrunc", &format!("of={}", ring.display())])
    };
    for user in [&stage.member, &stage.outsider] {
        let run = write(user);
        assert!(!run.status.success() && run.stderr.contains("Permission denied"), "{run}");
    }
    assert!(head() == before, "the head of the ring has changed");

    for verb in ["tail", "stat", "latest", "publish"] {
        let arguments: &[&OsStr] = match verb {
            "latest" => &["600000.XSHG".as_ref()],
            "publish" => &[csv.as_os_str()],
            _ => &[],
        };
        let message = stage.barbus(&stage.outsider, verb, arguments).fails(1, &["Permission denied"]);
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

/// The group sees every reader with the name of its user.
/// A reader that cannot create its position file still reads and prints no message.
#[test]
fn readers_of_the_group_are_listed() {
    let Some(mut stage) = Stage::set("r") else { return };
    stage.start("umask 077", "");
    let program = stage.program();
    let (verb, bus) = (OsStr::new("tail"), stage.bus());
    let tail = |options: &[&str]| {
        let mut line = vec![program.as_os_str(), verb, bus.as_os_str()];
        line.extend(options.iter().map(OsStr::new));
        Running::start(&mut Stage::command_as(&stage.member, &line), false)
    };
    let readers = |user: &str| stage.barbus(user, "readers", &["--format", "json"].map(OsStr::new)).json_lines();
    let running = tail(&[]);
    for user in [&stage.keeper, &stage.other, &stage.member] {
        let seen = wait::until("the member", || readers(user).pop());
        assert_eq!((&seen["user"], &seen["name"]), (&stage.member.as_str().into(), &"barbus tail".into()));
        let file = stage.bus().join("readers").join(seen["id"].as_str().expect("text"));
        assert!(!stage.run_as(&stage.other, &["rm", "-f", file.to_str().expect("text")]).status.success());
    }
    running.signal(Signal::SIGKILL);
    drop(running);
    wait::until("its file to go", || readers(&stage.keeper).is_empty().then_some(()));

    fs::set_permissions(stage.bus().join("readers"), fs::Permissions::from_mode(0o750)).expect("root may");
    let unseen = tail(&["--from", "oldest", "--format", "json", "--until-close"]);
    wait::until("the reader", || unseen.has_mapped(&bus.join("bars.ring")).then_some(()));
    let csv = stage.write("bars.csv", &market::csv(&market::minutes(&["600000.XSHG"], "2024-03-04T01:31:00Z", 5)));
    stage.barbus(&stage.member, "publish", &[csv.as_os_str()]).ok();
    wait::until("it to read", || (unseen.lines_so_far() == 5).then_some(()));
    assert_eq!(readers(&stage.keeper), [] as [Value; 0]);
    stage.barbus(&stage.member, "close-day", &[]).ok();
    let run = unseen.finish();
    assert!(run.stderr.lines().all(|line| line.contains("day_closed")), "{run}");
    assert_eq!(run.json_lines().len(), 5);
}

/// The lists restrict the socket to users and to groups, by name or number.
#[test]
fn the_lists_restrict_the_socket() {
    let Some(mut stage) = Stage::set("l") else { return };
    let csv = stage.write("bars.csv", &market::csv(&market::minutes(&["600000.XSHG"], "2024-03-04T01:31:00Z", 5)));
    let (member, other) = (stage.member.clone(), stage.other.clone());
    // `desk` is a supplementary group of `other`.
    let cases = [
        (format!("allow_users = [{member:?}]"), true, false),
        (format!("allow_users = [{}]", user_id(&member)), true, false),
        (format!("allow_groups = [{:?}]", stage.desk), false, true),
        (format!("allow_users = [{:?}]\nallow_groups = [{:?}]", member, stage.desk), true, true),
        (format!("allow_users = [\"root\"]\nallow_groups = [{}]", group_id(&stage.outsider)), false, false),
        ("allow_users = []\nallow_groups = []".to_owned(), true, true),
    ];
    for (lists, member_may, other_may) in cases {
        stage.start("umask 022", &lists);
        for (user, may) in [(&member, member_may), (&other, other_may)] {
            let publish = stage.barbus(user, "publish", &[csv.as_os_str()]);
            let stat = stage.barbus(user, "stat", &[]);
            let close = stage.barbus(user, "close-day", &[]);
            if may {
                for allowed in [publish, stat, close] {
                    allowed.ok();
                }
                continue;
            }
            let why = format!(
                "not allowed: user {user} (uid {}) is in neither ingest.allow_users nor ingest.allow_groups",
                user_id(user)
            );
            // The report on the file precedes the refusal of `publish`, and nothing else does.
            let message = publish.fails(1, &[&why]);
            let errors: Vec<&str> = message.lines().filter(|line| line.starts_with("barbus: ")).collect();
            assert!(errors.len() == 1 && message.trim_end().ends_with(errors[0]), "{lists}: {message}");
            for refused in [stat, close] {
                let message = refused.fails(1, &[&why]);
                assert_eq!(message.lines().count(), 1, "{lists}: {message}");
            }
            wait::until("the refusal in the log", || stage.log().contains(&why).then_some(()));
            // Reading does not ask the daemon.
            stage.barbus(user, "tail", &["--from", "oldest", "--until-close"].map(OsStr::new)).ok();
        }
        // The lists do not restrict the daemon's own user and root.
        stage.barbus(&stage.keeper, "publish", &[csv.as_os_str()]).ok();
        stage.barbus("root", "publish", &[csv.as_os_str()]).ok();
        stage.barbus(&stage.keeper, "close-day", &[]).ok();
        let stat: Value = stage.barbus("root", "stat", &["--format", "json"].map(OsStr::new)).json();
        assert_eq!((&stat["bars"], &stat["producers"]), (&5.into(), &0.into()), "{lists}: {stat}");
        stage.stop();
    }

    for (lists, words) in [
        ("allow_users = [\"nobody-of-that-name\"]", ["ingest.allow_users", "no user \"nobody-of-that-name\""]),
        ("allow_groups = [\"no-such-group\"]", ["ingest.allow_groups", "no group \"no-such-group\""]),
    ] {
        stage.configure(lists);
        let message = stage.barbus(&stage.keeper, "daemon", &[]).fails(1, &words);
        assert!(message.contains("bus.toml"), "{message}");
    }
}

/// Who may close the day is a setting of its own.
#[test]
fn closing_the_day_has_lists_of_its_own() {
    let Some(mut stage) = Stage::set("c") else { return };
    let csv = stage.write("bars.csv", &market::csv(&market::minutes(&["600000.XSHG"], "2024-03-04T01:31:00Z", 5)));
    let (member, other) = (stage.member.clone(), stage.other.clone());
    // `other` may close the day, and may not publish.
    stage.start("umask 022", &format!("allow_users = [{member:?}]\n[control]\nallow_groups = [{:?}]", stage.desk));
    stage.barbus(&member, "publish", &[csv.as_os_str()]).ok();
    stage.barbus(&member, "stat", &[]).ok();
    let why = format!("user {member} (uid {}) is in neither control.allow_users", user_id(&member));
    stage.barbus(&member, "close-day", &[]).fails(1, &["not allowed", &why]);
    stage.barbus(&other, "publish", &[csv.as_os_str()]).fails(1, &["not allowed", "in neither ingest.allow_users"]);
    stage.barbus(&other, "stat", &[]).ok();
    stage.barbus(&other, "close-day", &[]).ok();
    stage.barbus(&stage.keeper, "close-day", &[]).ok();
    stage.stop();
}

/// The producers of a user are a source, whatever names they state. Another user cannot take its
/// place.
#[test]
fn a_user_is_a_source() {
    let Some(mut stage) = Stage::set("s") else { return };
    let (member, other) = (stage.member.clone(), stage.other.clone());
    stage.start("umask 022", &format!("\n[sources]\npriority = [\"user {member}\", \"user {other}\"]"));
    let mut bars = market::minutes(&["600000.XSHG"], "2024-03-04T01:31:00Z", 5);
    let good = stage.write("good.csv", &market::csv(&bars));
    bars.iter_mut().for_each(|bar| bar.volume += 1.0);
    let differs = stage.write("differs.csv", &market::csv(&bars));
    let publish = |user: &str, csv: &PathBuf, source: &str| {
        let options = ["--format", "json", "--source", source].map(OsStr::new);
        let published = stage.barbus(user, "publish", &[&[csv.as_os_str()], &options[..]].concat()).json();
        ["accepted", "duplicate", "revised", "conflict"].map(|name| published[name].as_u64().unwrap_or(0))
    };
    assert_eq!(publish(&other, &differs, "feed"), [5, 0, 0, 0]);
    assert_eq!(publish(&member, &good, "feed"), [0, 0, 5, 0]);
    assert_eq!(publish(&other, &differs, &format!("user {member}")), [0, 0, 0, 5]);
    assert_eq!(publish(&stage.keeper, &differs, "feed"), [0, 0, 0, 5], "a user that is not listed");
    assert_eq!(publish(&other, &good, "feed"), [0, 5, 0, 0]);
    let mode = |name: &str| fs::metadata(stage.bus().join(name)).expect("it is there").mode() & 0o7777;
    assert_eq!(mode("conflicts"), 0o750);
    stage.stop();
}

/// One user's idle connections, whether it may use the socket or not, shut nobody else out, and do
/// not flood the log.
#[test]
fn idle_connections_of_one_user_shut_nobody_out() {
    let Some(mut stage) = Stage::set("i") else { return };
    let csv = stage.write("bars.csv", &market::csv(&market::minutes(&["600000.XSHG"], "2024-03-04T01:31:00Z", 5)));
    let (member, other) = (stage.member.clone(), stage.other.clone());
    stage.start("umask 022", &format!("allow_users = [{member:?}]"));
    let script = format!(
        "import socket, time\nopen = []\nfor _ in range(2000):\n    s = socket.socket(socket.AF_UNIX)\n    \
         s.connect({:?})\n    open.append(s)\n    if len(open) > 700: open.pop(0)\nprint('full', flush=True)\ntime.sleep(600)\n",
        stage.bus().join("ingest.sock").to_str().expect("text"),
    );
    let flood = |user: &str| {
        // A Python of root's own, earlier in the path, is not for this user.
        let line = ["env", "PATH=/usr/bin:/bin", "python3", "-c", &script].map(OsStr::new);
        let running = Running::start(&mut Stage::command_as(user, &line), false);
        wait::until("the connections", || running.output_has("full").then_some(()));
        running
    };
    for user in [&other, &member] {
        let flooding = flood(user);
        stage.barbus(&stage.keeper, "publish", &[csv.as_os_str()]).ok();
        stage.barbus(&stage.keeper, "stat", &[]).ok();
        stage.barbus(&stage.keeper, "close-day", &[]).ok();
        drop(flooding);
    }
    let lines = stage.log().lines().count();
    assert!(lines < 300, "{lines} lines in the log");
    stage.stop();
}

/// A bus with a user of its own, and further users; dropping it removes all of them.
struct Stage {
    root: TempDir,
    /// The daemon's user; its group is the bus's group.
    keeper: String,
    /// In the keeper's group.
    member: String,
    /// In the keeper's group, and in `desk`.
    other: String,
    /// In neither.
    outsider: String,
    desk: String,
    template: String,
    daemon: Option<Child>,
}

impl Stage {
    /// Creates the users, or reports that the test is skipped.
    fn set(kind: &str) -> Option<Self> {
        for tool in [&["useradd", "--help"][..], &["groupadd", "--help"], &["setpriv", "--version"]] {
            if !Command::new(tool[0]).arg(tool[1]).output().is_ok_and(|output| output.status.success()) {
                println!("skipped: no {} here", tool[0]);
                return None;
            }
        }
        if !nix::unistd::getuid().is_root() {
            println!("skipped: creating users needs root");
            return None;
        }
        // The user database has one lock.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |what: &str| format!("bb-{kind}-{}-{what}", std::process::id());
        let root = tempfile::Builder::new().prefix("barbus-").tempdir().expect("a temporary directory");
        let stage = Self {
            keeper: name("keeper"),
            member: name("member"),
            other: name("other"),
            outsider: name("outsider"),
            desk: name("desk"),
            template: String::new(),
            daemon: None,
            root,
        };
        let add = |command: &mut Command| {
            let output = command.output().expect("it was found above");
            if !output.status.success() {
                println!("skipped: {command:?}: {}", String::from_utf8_lossy(&output.stderr));
            }
            output.status.success()
        };
        let mut made = add(Command::new("groupadd").arg(&stage.desk));
        for (user, groups) in [
            (&stage.keeper, String::new()),
            (&stage.member, stage.keeper.clone()),
            (&stage.other, format!("{},{}", stage.keeper, stage.desk)),
            (&stage.outsider, String::new()),
        ] {
            let mut command = Command::new("useradd");
            command.args(["--no-create-home", "--user-group"]);
            if !groups.is_empty() {
                command.args(["--groups", &groups]);
            }
            made = made && add(command.arg(user));
        }
        if !made {
            return None;
        }
        // Other users need access to the path of the bus and to a program.
        fs::set_permissions(stage.root.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        fs::copy(env!("CARGO_BIN_EXE_barbus"), stage.program()).expect("can be copied");
        let home = stage.root.path().join("home");
        fs::create_dir(&home).expect("can be made");
        let (user, group) = (user_id(&stage.keeper), group_id(&stage.keeper));
        std::os::unix::fs::chown(&home, Some(user), Some(group)).expect("root may");
        Some(stage)
    }

    fn bus(&self) -> PathBuf {
        self.root.path().join("home/bus")
    }

    fn program(&self) -> PathBuf {
        self.root.path().join("barbus")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.root.path().join("log")).unwrap_or_default()
    }

    /// A file that everybody can read.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.root.path().join(name);
        fs::write(&path, text).expect("can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
        path
    }

    /// A command as this user, with the groups that the system's database lists for it.
    fn command_as(user: &str, command: &[&OsStr]) -> Command {
        let mut run = Command::new("setpriv");
        let (user, group) = (user_id(user).to_string(), group_id(user).to_string());
        run.args(["--reuid", &user, "--regid", &group, "--init-groups"]).args(command);
        run.env_remove("RUST_LOG").env("TZ", "UTC").current_dir("/");
        run
    }

    fn run_as(&self, user: &str, command: &[&str]) -> Finished {
        let command: Vec<&OsStr> = command.iter().map(OsStr::new).collect();
        command::finish(&mut Self::command_as(user, &command), None)
    }

    fn barbus(&self, user: &str, verb: &str, arguments: &[&OsStr]) -> Finished {
        let (program, bus) = (self.program(), self.bus());
        let mut command = vec![program.as_os_str(), OsStr::new(verb), bus.as_os_str()];
        command.extend(arguments);
        command::finish(&mut Self::command_as(user, &command), None)
    }

    /// Writes these lines into the section `[ingest]`, and those behind the head of another section
    /// into that.
    fn configure(&mut self, lists: &str) {
        let path = self.bus().join("bus.toml");
        if self.template.is_empty() {
            let text = fs::read_to_string(&path).expect("made by init");
            self.template = text
                .replace("# size = \"256MB\"", "size = \"2MB\"")
                .replace("# rows_per_block = 16384", "rows_per_block = 64");
        }
        let mut text = self.template.clone();
        for section in format!("ingest]\n{lists}").split("\n[") {
            let (name, lines) = section.split_once(']').expect("the head of a section");
            text = text.replace(&format!("[{name}]"), &format!("[{name}]{lines}"));
        }
        fs::write(&path, text).expect("root may");
    }

    /// Creates the bus if it does not exist, and starts its daemon under this umask as the keeper.
    fn start(&mut self, umask: &str, lists: &str) {
        let (program, bus) = (self.program(), self.bus());
        let shell = |line: String| {
            let line = format!("{umask}; exec {line}");
            Self::command_as(&self.keeper, &["sh", "-c", &line].map(OsStr::new))
        };
        if !bus.exists() {
            let init = format!("{} init {} --calendar XSHG", program.display(), bus.display());
            command::finish(&mut shell(init), None).ok();
        }
        let mut daemon = shell(format!("{} daemon {}", program.display(), bus.display()));
        self.configure(lists);
        let log = fs::File::options().create(true).append(true).open(self.root.path().join("log")).expect("ours");
        let daemon =
            daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("setpriv is installed");
        self.daemon = Some(daemon);
        wait::until("the daemon", || {
            let ended = self.daemon.as_mut().expect("just started").try_wait().expect("can be waited for");
            assert_eq!(ended, None, "the daemon ended:\n{}", self.log());
            UnixStream::connect(self.bus().join("ingest.sock")).is_ok().then_some(())
        });
    }

    fn stop(&mut self) {
        let mut daemon = self.daemon.take().expect("it runs");
        kill(Pid::from_raw(daemon.id() as i32), Signal::SIGTERM).expect("a child can be signalled");
        let status = wait::until("the daemon's end", || daemon.try_wait().expect("can be waited for"));
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.log());
        }
        // Removing a user removes its group; the keeper's group is shared and is removed last.
        for user in [&self.outsider, &self.other, &self.member, &self.keeper] {
            let _ = Command::new("userdel").arg(user).output();
        }
        let _ = Command::new("groupdel").arg(&self.keeper).output();
        let _ = Command::new("groupdel").arg(&self.desk).output();
    }
}

/// A user's number.
fn user_id(user: &str) -> u32 {
    id("-u", user)
}

/// The number of a user's first group.
fn group_id(user: &str) -> u32 {
    id("-g", user)
}

fn id(which: &str, user: &str) -> u32 {
    let output = Command::new("id").args([which, user]).output().expect("every system has id");
    let text = String::from_utf8(output.stdout).expect("a number");
    text.trim().parse().unwrap_or_else(|error| panic!("{user}: {error}"))
}
