"""SQL over live and archived bars by DuckDB."""

import json

READERS = {
    "name": "VARCHAR",
    "pid": "BIGINT",
    "uid": "BIGINT",
    "started": "TIMESTAMPTZ",
    "state": "VARCHAR",
    "position": "UBIGINT",
    "lag_bars": "UBIGINT",
    "lag_s": "DOUBLE",
    "ring_used": "DOUBLE",
    "pins": "BIGINT",
    "pins_since": "TIMESTAMPTZ",
    "id": "VARCHAR",
}
QUARANTINE = {"received": "TIMESTAMPTZ", "source": "VARCHAR", "code": "VARCHAR", "reason": "VARCHAR", "row": "JSON"}


def run(bus, query):
    try:
        import duckdb
    except ImportError as error:
        raise ImportError("bus.sql needs DuckDB: install it with: pip install duckdb") from error

    files, rest, newest, readers = bus._sql_sources()
    connection = duckdb.connect()
    connection.execute(f"SET TimeZone = {_text(rest.zone)}")
    connection.register("barbus_rest", rest)
    connection.execute(_bars(rest.column_names, files))
    condition = f"day = DATE {_text(newest)}" if newest else "false"
    connection.execute(f"CREATE TEMP VIEW today AS SELECT * FROM bars WHERE {condition}")
    connection.execute(f"CREATE TEMP TABLE readers ({_columns(READERS)})")
    rows = [[reader.get(name) for name in READERS] for reader in json.loads(readers)]
    if rows:
        connection.executemany(f"INSERT INTO readers VALUES ({', '.join('?' * len(READERS))})", rows)
    connection.execute(_quarantine(sorted((bus.path / "quarantine").glob("*.ndjson"))))
    return connection.sql(query)


def _bars(names, files):
    """The view of all bars.

    Files of other columns or price types are read as if they had those of today.
    """
    columns = ", ".join(f'"{name}"' for name in names)
    if not files:
        return f"CREATE TEMP VIEW bars AS SELECT {columns} FROM barbus_rest"
    # The name of a file is its trading day: a condition on `day` prunes files.
    day = "CAST(parse_filename(filename, true) AS DATE) AS day"
    archived = f"SELECT * EXCLUDE (filename), {day} FROM read_parquet({_list(files)}, filename=true, union_by_name=true)"
    return f"CREATE TEMP VIEW bars AS SELECT {columns} FROM ({archived} UNION ALL BY NAME SELECT * FROM barbus_rest)"


def _quarantine(files):
    if not files:
        return f"CREATE TEMP TABLE quarantine ({_columns(QUARANTINE)})"
    columns = ", ".join(f"{name}: {_text(kind)}" for name, kind in QUARANTINE.items())
    # The daemon may be writing the last line.
    options = f"format='newline_delimited', ignore_errors=true, columns={{{columns}}}"
    return f"CREATE TEMP VIEW quarantine AS SELECT * FROM read_json({_list(files)}, {options})"


def _columns(kinds):
    return ", ".join(f"{name} {kind}" for name, kind in kinds.items())


def _list(paths):
    return f"[{', '.join(_text(path) for path in paths)}]"


def _text(value):
    return "'" + str(value).replace("'", "''") + "'"
