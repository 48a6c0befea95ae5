//! Who may use the socket: `ingest.allow_users` and `ingest.allow_groups`, held against what the kernel says of the peer.

use std::collections::BTreeSet;
use std::ffi::CString;

use anyhow::{Result, anyhow, bail};
use barbus::{Account, Bus};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// The allow lists, as numbers; `None` where both are empty, and the socket's mode alone decides.
#[derive(Debug)]
pub(crate) struct Access {
    lists: Option<Lists>,
}

#[derive(Debug)]
struct Lists {
    users: BTreeSet<u32>,
    groups: BTreeSet<u32>,
    /// The daemon's own user.
    own: u32,
}

impl Access {
    /// The lists of `bus`; a name that this machine does not know is an error.
    pub(crate) fn new(bus: &Bus) -> Result<Self> {
        let settings = bus.settings();
        if settings.allow_users.is_empty() && settings.allow_groups.is_empty() {
            return Ok(Self { lists: None });
        }
        let at = bus.path().join("bus.toml");
        let user = |name: &str| Ok(User::from_name(name)?.map(|user| user.uid.as_raw()));
        let group = |name: &str| Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()));
        let wrong = |key: &str, error: anyhow::Error| anyhow!("{}: ingest.{key}: {error}", at.display());
        let users = numbers(&settings.allow_users, "user", user).map_err(|error| wrong("allow_users", error))?;
        let groups = numbers(&settings.allow_groups, "group", group).map_err(|error| wrong("allow_groups", error))?;
        Ok(Self { lists: Some(Lists { users, groups, own: Uid::effective().as_raw() }) })
    }

    /// Whether a process of this user and group may use the socket; `Err` is what it is told. Asks the system's user database, which may
    /// take a while.
    pub(crate) fn check(&self, uid: Option<u32>, gid: Option<u32>) -> Result<(), String> {
        let Some(lists) = &self.lists else { return Ok(()) };
        let Some(uid) = uid else {
            return Err("not allowed: the system does not say whose process this is".to_owned());
        };
        if uid == 0 || uid == lists.own || lists.users.contains(&uid) {
            return Ok(());
        }
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        if gid.is_some_and(|gid| lists.groups.contains(&gid))
            || user.as_ref().is_some_and(|user| lists.has_group_of(user))
        {
            return Ok(());
        }
        let who = user.map_or(format!("uid {uid}"), |user| format!("user {} (uid {uid})", user.name));
        Err(format!("not allowed: {who} is in neither ingest.allow_users nor ingest.allow_groups"))
    }
}

impl Lists {
    /// Whether a user is a member of one of the groups, by the system's group database.
    fn has_group_of(&self, user: &User) -> bool {
        if self.groups.is_empty() {
            return false;
        }
        let Ok(name) = CString::new(user.name.as_str()) else { return false };
        let groups: Vec<Gid> = getgrouplist(&name, user.gid).unwrap_or_default();
        groups.iter().any(|gid| self.groups.contains(&gid.as_raw()))
    }
}

fn numbers(accounts: &[Account], kind: &str, find: impl Fn(&str) -> Result<Option<u32>>) -> Result<BTreeSet<u32>> {
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
