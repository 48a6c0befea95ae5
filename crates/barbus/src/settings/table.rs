//! The table of all settings, as a new `bus.toml` shows them.

/// A setting in a new `bus.toml`: commented out, with its default.
pub(super) struct Setting {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    pub(super) default: &'static str,
    pub(super) doc: &'static [&'static str],
}

const fn setting(
    section: &'static str,
    key: &'static str,
    default: &'static str,
    doc: &'static [&'static str],
) -> Setting {
    Setting { section, key, default, doc }
}

/// The sections in the order of the file, each with its comment.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    ("bars", "The columns of a bar, and which bars are valid."),
    ("days", "Trading days."),
    ("ring", "The shared-memory ring. Sizes take effect when a ring is created."),
    ("ingest", "What producers send."),
    ("control", "Who may close or withdraw a trading day by a request."),
    ("sources", "Which source's value of a bar stands where several sources give the bar."),
    ("archive", "Closed days as Parquet files."),
    ("quarantine", "Invalid rows, in quarantine/."),
    ("readers", "What readers may hold, the list of readers, and the daemon's warnings about them."),
];

/// All settings, by section.
pub(super) const SETTINGS: &[Setting] = &[
    setting(
        "bars",
        "preset",
        "\"default\"",
        &["A set of columns: \"default\", or \"zillionare\" (float32 prices, money and factor, Asia/Shanghai)."],
    ),
    setting("bars", "price", "\"float64\"", &["Type of open, high, low and close: \"float64\" or \"float32\"."]),
    setting("bars", "optional", "[\"money\", \"factor\"]", &["Optional float64 columns, at most six."]),
    setting("bars", "zone", "\"\"", &["IANA zone in which frames are shown; empty: the calendar's."]),
    setting(
        "bars",
        "label",
        "\"end\"",
        &["What a producer's frames mark by default: the \"start\" or the \"end\" of the bar."],
    ),
    setting("bars", "high_low", "true", &["Quarantine bars with high < max(open, close) or low > min(open, close)."]),
    setting(
        "bars",
        "max_ahead",
        "\"10m\"",
        &[
            "Quarantine bars that end later than the clock plus this: a misdated bar would close the open day.",
            "For simulated bars of the future, such as \"876000h\".",
        ],
    ),
    setting(
        "bars",
        "outside_sessions",
        "\"take\"",
        &[
            "What becomes of bars outside the sessions of their symbol: \"take\" publishes them like others,",
            "\"warn\" counts and logs them as well, \"quarantine\" does not publish them.",
        ],
    ),
    setting("bars", "oldest", "\"1990-01-01\"", &["Quarantine bars of an earlier date."]),
    setting(
        "days",
        "grace",
        "\"5m\"",
        &[
            "The daemon closes a trading day this long after the end of its last session,",
            "and not earlier than this long after its last bar.",
        ],
    ),
    setting(
        "ring",
        "path",
        "\"bars.ring\"",
        &["The ring file. On a tmpfs, such as /dev/shm, it does not survive a reboot."],
    ),
    setting("ring", "size", "\"256MB\"", &["Size of the ring file."]),
    setting("ring", "rows_per_block", "16384", &["Rows per block, a multiple of 64."]),
    setting("ring", "symbols", "8192", &["Symbols that the ring has room for, each of up to 64 bytes."]),
    setting("ring", "max_symbols", "131072", &["The ring is enlarged while it runs for at most this many symbols."]),
    setting("ring", "tip_rows", "8192", &["Rows in the tip, the cache of the newest rows; a power of two."]),
    setting(
        "ring",
        "sync",
        "\"1s\"",
        &["How often the ring is synced to disk. A loss of power may lose the bars of this time."],
    ),
    setting("ingest", "socket", "\"ingest.sock\"", &["The socket on which the daemon listens for producers."]),
    setting("ingest", "max_message", "\"256MB\"", &["Longest message of a producer."]),
    setting(
        "ingest",
        "memory",
        "\"512MB\"",
        &[
            "Most memory for the messages of all producers, decompressed, and their dictionaries.",
            "A user other than the daemon's and root has half of it.",
        ],
    ),
    setting(
        "ingest",
        "quarantine_rate",
        "\"1MB\"",
        &["Bytes a second that the quarantine takes; a minute's worth at once. Rows above it are only counted."],
    ),
    setting("ingest", "quarantine_size", "\"1GB\"", &["Most bytes of all files in quarantine/."]),
    setting(
        "ingest",
        "connections_per_user",
        "128",
        &["Most connections of one user; the daemon's user and root may have all 512."],
    ),
    setting("ingest", "idle", "\"72h\"", &["A producer that sends nothing for this long is disconnected."]),
    setting(
        "ingest",
        "message_timeout",
        "\"30s\"",
        &["A message must arrive within this time, and one second more for each megabyte."],
    ),
    setting(
        "ingest",
        "ack",
        "\"commit\"",
        &[
            "When rows are acknowledged by default: after the \"commit\" to the ring,",
            "or when they are \"durable\", synced to disk.",
        ],
    ),
    setting(
        "ingest",
        "allow_users",
        "[]",
        &[
            "Users that may use the socket, by name or number; groups below. If both are empty, the mode of the",
            "socket decides. The daemon's own user and root may always use it.",
        ],
    ),
    setting("ingest", "allow_groups", "[]", &["Groups whose members may use the socket."]),
    setting(
        "control",
        "allow_users",
        "[]",
        &[
            "Users that may close or withdraw a day, by name or number; groups below. If both are empty, every user",
            "of the socket may. The daemon's own user and root always may.",
        ],
    ),
    setting("control", "allow_groups", "[]", &["Groups whose members may."]),
    setting(
        "sources",
        "priority",
        "[]",
        &[
            "The sources by falling priority, such as [\"feed-a\", \"user backup\"]: the name that a producer states, or",
            "\"user NAME\" for the producers of a user. A lower source's other values for a bar that a higher one gave",
            "are counted as conflicts, kept in conflicts/, and not published. If it is empty, the last value stands.",
        ],
    ),
    setting(
        "sources",
        "silence",
        "\"2m\"",
        &[
            "A source that sent nothing while a symbol went on by this much, by the ends of its bars, is silent: a",
            "lower source may revise that symbol's bars of the open day.",
        ],
    ),
    setting("archive", "path", "\"archive/1m\"", &["The directory of the Parquet files, one per trading day."]),
    setting(
        "archive",
        "late",
        "\"5s\"",
        &["How long late bars of a closed day are collected before its file is rewritten."],
    ),
    setting(
        "archive",
        "spill",
        "\"1m\"",
        &[
            "For a ring on a tmpfs: how often the bars of the open day are written to disk.",
            "A reboot may lose the bars of this time.",
        ],
    ),
    setting(
        "archive",
        "keep",
        "\"\"",
        &[
            "How much of the archive is kept, such as \"400d\" or \"200GB\"; empty: everything. The daemon removes",
            "the oldest days beyond it, which cannot be undone: look first with: barbus keep BUS",
        ],
    ),
    setting(
        "quarantine",
        "keep",
        "\"\"",
        &["How much of the quarantine is kept, in the same way. The file of the present date is always kept."],
    ),
    setting(
        "readers",
        "max_pins",
        "\"25%\"",
        &["The part of the ring's blocks that one reader pins at once. Beyond it, it gets copies."],
    ),
    setting(
        "readers",
        "held_rings",
        "4",
        &[
            "When readers hold all blocks of the ring, it continues in a new file. Not so while they hold this many",
            "replaced files, or this size of them: then the writer goes on in the few blocks that nobody can hold.",
        ],
    ),
    setting("readers", "held_size", "\"1GB\"", &["The size."]),
    setting(
        "readers",
        "positions",
        "true",
        &["Whether readers report their positions in readers/, for `barbus readers` and the daemon."],
    ),
    setting(
        "readers",
        "warn_lag",
        "\"75%\"",
        &["The daemon warns if this part of the ring lies between a reader and the newest bar."],
    ),
    setting("readers", "warn_pins", "\"5m\"", &["The daemon warns if a reader has held a block for this long."]),
];
