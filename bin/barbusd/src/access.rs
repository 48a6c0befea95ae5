//! Checks who may use the socket: the peer's credentials against `ingest.allow_users` and
//! `ingest.allow_groups`.

use std::collections::BTreeSet;
use std::ffi::CString;

use anyhow::{Result, anyhow, bail};
use barbus::{Account, Bus};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// The allow lists. Where both are empty, the mode of the socket alone decides.
#[derive(Debug)]
pub(crate) struct Access {
    lists: Option<AllowLists>,
}

#[derive(Debug)]
struct AllowLists {
    users: BTreeSet<u32>,
    groups: BTreeSet<u32>,
    /// The user of the daemon.
    daemon_user: u32,
}

impl Access {
    /// Looks up the users and groups of `bus.toml`. An unknown name is an error.
    pub(crate) fn new(bus: &Bus) -> Result<Self> {
        let settings = bus.settings();
        if settings.allow_users.is_empty() && settings.allow_groups.is_empty() {
            return Ok(Self { lists: None });
        }
        let at = bus.path().join("bus.toml");
        let user = |name: &str| Ok(User::from_name(name)?.map(|user| user.uid.as_raw()));
        let group = |name: &str| Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()));
        let wrong = |key: &str, error: anyhow::Error| anyhow!("{}: ingest.{key}: {error}", at.display());
        let users = account_ids(&settings.allow_users, "user", user).map_err(|error| wrong("allow_users", error))?;
        let groups =
            account_ids(&settings.allow_groups, "group", group).map_err(|error| wrong("allow_groups", error))?;
        Ok(Self { lists: Some(AllowLists { users, groups, daemon_user: Uid::effective().as_raw() }) })
    }

    /// Checks whether a process of this user and group may use the socket.
    ///
    /// It asks the user database of the system, which may take a while.
    ///
    /// # Errors
    /// The answer to a peer that may not use it.
    pub(crate) fn check(&self, uid: Option<u32>, gid: Option<u32>) -> Result<(), String> {
        let Some(lists) = &self.lists else { return Ok(()) };
        let Some(uid) = uid else {
            return Err("not allowed: the system does not report the user of this process".to_owned());
        };
        if uid == 0 || uid == lists.daemon_user || lists.users.contains(&uid) {
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

impl AllowLists {
    /// Whether the group database of the system lists the user in one of the groups.
    fn has_group_of(&self, user: &User) -> bool {
        if self.groups.is_empty() {
            return false;
        }
        let Ok(name) = CString::new(user.name.as_str()) else { return false };
        let groups: Vec<Gid> = getgrouplist(&name, user.gid).unwrap_or_default();
        groups.iter().any(|gid| self.groups.contains(&gid.as_raw()))
    }
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
