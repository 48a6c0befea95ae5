"""Reads every day of a bucket by a glob: read_bucket.py ENDPOINT KEY SECRET URL."""

import importlib.util
import json
import pathlib
import sys

import duckdb
import polars

endpoint, key, secret, url = sys.argv[1:]
files = f"{url}/1m/*.parquet"

options = {
    "aws_endpoint_url": endpoint,
    "aws_access_key_id": key,
    "aws_secret_access_key": secret,
    "aws_region": "us-east-1",
    "aws_allow_http": "true",
}
bars = polars.scan_parquet(files, storage_options=options)
found = bars.select(
    rows=polars.len(),
    days=polars.col("frame").dt.date().n_unique(),
    revised=(polars.col("close") > 400).sum(),
).collect()
answers = {"polars": found.to_dicts()[0]}

# Without a network the extension comes from a package; elsewhere `INSTALL httpfs; LOAD httpfs;` does it.
package = pathlib.Path(importlib.util.find_spec("duckdb_extension_httpfs").origin).parent
(extension,) = package.glob("extensions/*/httpfs.duckdb_extension")
database = duckdb.connect(config={"autoinstall_known_extensions": False})
database.load_extension(str(extension))
host = endpoint.removeprefix("http://")
database.execute(
    f"create secret (type s3, key_id '{key}', secret '{secret}', endpoint '{host}', use_ssl false, url_style 'path')"
)
row = database.execute(
    f"""select count(*), count(distinct cast(frame at time zone 'UTC' as date)), count(*) filter (close > 400)
    from read_parquet('{files}')"""
).fetchone()
answers["duckdb"] = dict(zip(["rows", "days", "revised"], row))
print(json.dumps(answers))
