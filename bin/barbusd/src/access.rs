//! Checks who may use the socket: the peer's credentials against the lists `ingest.allow_users`,
//! `ingest.allow_groups`, `control.allow_users` and `control.allow_groups`.

use std::collections::{BTreeSet, HashMap};
use std::ffi::CString;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use barbus::{Account, Bus};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// How long the rights of a user are remembered: groups may change.
const REMEMBER: Duration = Duration::from_secs(30);

/// The allow lists. Where both lists of a kind are empty, the mode of the socket alone decides.
#[derive(Debug)]
pub(crate) struct Access {
    /// Who may publish, and send requests.
    ingest: Option<AllowLists>,
    /// Who may close the day.
    control: Option<AllowLists>,
    /// The user of the daemon.
    daemon_user: u32,
    /// The rights of recent peers, by user and group.
    known: Mutex<HashMap<Credentials, (Instant, Rights)>>,
}

/// A user and the group of its process.
type Credentials = (u32, Option<u32>);

#[derive(Debug)]
struct AllowLists {
    users: BTreeSet<u32>,
    groups: BTreeSet<u32>,
}

/// What a peer may do.
#[derive(Debug, Clone)]
pub(crate) struct Rights {
    /// Names the user in a rejection.
    who: String,
    publish: bool,
    close_day: bool,
}

impl Rights {
    /// Whether the peer may do anything at all.
    ///
    /// # Errors
    /// The answer to a peer that may not.
    pub(crate) fn may_connect(&self) -> Result<(), String> {
        if self.close_day { Ok(()) } else { self.may_publish() }
    }

    /// Whether it may send bars.
    ///
    /// # Errors
    /// The answer to a peer that may not.
    pub(crate) fn may_publish(&self) -> Result<(), String> {
        self.check(self.publish, "ingest")
    }

    /// Whether it may close the trading day.
    ///
    /// # Errors
    /// The answer to a peer that may not.
    pub(crate) fn may_close_day(&self) -> Result<(), String> {
        self.check(self.close_day, "control")
    }

    fn check(&self, allowed: bool, section: &str) -> Result<(), String> {
        let who = &self.who;
        match allowed {
            true => Ok(()),
            false => Err(format!("not allowed: {who} is in neither {section}.allow_users nor {section}.allow_groups")),
        }
    }
}

impl Access {
    /// Looks up the users and groups of `bus.toml`. An unknown name is an error.
    pub(crate) fn new(bus: &Bus) -> Result<Self> {
        let settings = bus.settings();
        let at = bus.path().join("bus.toml");
        let lists = |section, users, groups| {
            AllowLists::new(section, users, groups).map_err(|error| anyhow!("{}: {error}", at.display()))
        };
        Ok(Self {
            ingest: lists("ingest", &settings.allow_users, &settings.allow_groups)?,
            control: lists("control", &settings.control_users, &settings.control_groups)?,
            daemon_user: Uid::effective().as_raw(),
            known: Mutex::default(),
        })
    }

    /// The answer to a peer that is known to have no rights. It asks no database.
    pub(crate) fn known_rejection(&self, uid: Option<u32>, gid: Option<u32>) -> Option<String> {
        self.known(uid?, gid)?.may_connect().err()
    }

    /// What a process of this user and group may do.
    ///
    /// It may ask the user database of the system, which may take a while.
    pub(crate) fn rights(&self, uid: Option<u32>, gid: Option<u32>) -> Rights {
        if self.ingest.is_none() && self.control.is_none() {
            return Rights { who: String::new(), publish: true, close_day: true };
        }
        let Some(uid) = uid else {
            let who = "a process of an unknown user".to_owned();
            return Rights { who, publish: false, close_day: false };
        };
        if let Some(known) = self.known(uid, gid) {
            return known;
        }
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let who = user.as_ref().map_or(format!("uid {uid}"), |user| format!("user {} (uid {uid})", user.name));
        let groups = groups_of(user.as_ref(), gid);
        let is_trusted = uid == 0 || uid == self.daemon_user;
        let is_in = |lists: &Option<AllowLists>| lists.as_ref().map(|lists| lists.admit(uid, &groups));
        let publish = is_trusted || is_in(&self.ingest).unwrap_or(true);
        let close_day = is_trusted || is_in(&self.control).unwrap_or(publish);
        let rights = Rights { who, publish, close_day };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| at.elapsed() < REMEMBER);
        known.insert((uid, gid), (Instant::now(), rights.clone()));
        rights
    }

    fn known(&self, uid: u32, gid: Option<u32>) -> Option<Rights> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(uid, gid)).filter(|(at, _)| at.elapsed() < REMEMBER).map(|(_, rights)| rights.clone())
    }
}

impl AllowLists {
    /// `None` where both lists are empty.
    fn new(section: &str, users: &[Account], groups: &[Account]) -> Result<Option<Self>> {
        if users.is_empty() && groups.is_empty() {
            return Ok(None);
        }
        let user = |name: &str| Ok(User::from_name(name)?.map(|user| user.uid.as_raw()));
        let group = |name: &str| Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()));
        let wrong = |key: &str, error: anyhow::Error| anyhow!("{section}.{key}: {error}");
        let users = account_ids(users, "user", user).map_err(|error| wrong("allow_users", error))?;
        let groups = account_ids(groups, "group", group).map_err(|error| wrong("allow_groups", error))?;
        Ok(Some(Self { users, groups }))
    }

    fn admit(&self, uid: u32, groups: &[u32]) -> bool {
        self.users.contains(&uid) || groups.iter().any(|group| self.groups.contains(group))
    }
}

/// The group of the process, and the groups of its user in the group database of the system.
fn groups_of(user: Option<&User>, gid: Option<u32>) -> Vec<u32> {
    let listed = user.and_then(|user| {
        let name = CString::new(user.name.as_str()).ok()?;
        getgrouplist(&name, user.gid).ok()
    });
    listed.unwrap_or_default().iter().map(|group: &Gid| group.as_raw()).chain(gid).collect()
}

fn account_ids(accounts: &[Account], kind: &str, find: impl Fn(&str) -> Result<Option<u32>>) -> Result<BTreeSet<u32>> {
    accounts
        .iter()
        .map(|account| match account {
            Account::Id(id) => Ok(*id),
            Account::Name(name) => match find(name) {
                Ok(Some(id)) => Ok(id),
                Ok(None) => bail!("no {kind} {name:?} on this machine"),
                Err(error) => bail!("{kind} {name:?}: {error}"),
            },
        })
        .collect()
}
