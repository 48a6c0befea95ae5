"""The stubs: mypy and pyright understand them, and they say what the package has."""

import os
import subprocess
import sys
from pathlib import Path

import barbus

HERE = Path(__file__).parent


def check(folder, *command):
    run = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=folder)
    assert run.returncode == 0, run.stdout + run.stderr


def test_mypy(tmp_path):
    check(tmp_path, "mypy", "--strict", "--cache-dir", tmp_path, HERE / "typed.py")


def test_the_stubs_are_those_of_the_package(tmp_path):
    # The packages of the conversions have no types of their own.
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\ncache_dir = {tmp_path}\ndisable_error_code = import-untyped, import-not-found\n")
    options = ["--mypy-config-file", config, "--allowlist", HERE / "stubs_allowed.txt"]
    check(tmp_path, "mypy.stubtest", "barbus", *options)


def test_pyright(tmp_path):
    packages = os.pathsep.join([str(Path(barbus.__file__).parent.parent)])
    (tmp_path / "pyrightconfig.json").write_text(f'{{"extraPaths": ["{packages}"], "include": ["{HERE / "typed.py"}"]}}')
    check(tmp_path, "pyright", "--pythonpath", sys.executable)
