//! The Python package: its wheel is built, installed without other packages, and tested by pytest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::venv::{environment, step, target};

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/barbus-python")
}

/// The folder of an environment's packages.
fn packages(environment: &Path) -> PathBuf {
    let path = step(
        Command::new(environment.join("bin/python"))
            .args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]),
    );
    PathBuf::from(path.trim())
}

#[test]
fn the_wheel_is_installed_and_passes_its_tests() {
    let tools = environment(&package().join("tests/requirements.txt"));
    let python = tools.join("bin/python");
    let root = tempfile::Builder::new().prefix("barbus-wheel-").tempdir().expect("a temporary directory");

    // This package's lints share the directory; arrow has other features than in the workspace.
    let mut build = Command::new(tools.join("bin/maturin"));
    build.args(["build", "--locked", "--compatibility", "linux", "--manifest-path"]).arg(package().join("Cargo.toml"));
    build.arg("--out").arg(root.path()).env("CARGO_TARGET_DIR", target().join("python-package"));
    step(&mut build);
    let wheels =
        fs::read_dir(root.path()).expect("the folder of the wheel").map(|entry| entry.expect("an entry").path());
    let wheels: Vec<PathBuf> = wheels.filter(|path| path.extension().is_some_and(|found| found == "whl")).collect();
    let [wheel] = &wheels[..] else { panic!("one wheel: {wheels:?}") };
    assert!(wheel.to_string_lossy().contains("-cp310-abi3-"), "one wheel for 3.10 and later: {wheel:?}");

    let clean = root.path().join("clean");
    step(Command::new(&python).args(["-m", "venv", "--without-pip"]).arg(&clean));
    let clean_python = clean.join("bin/python");
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "--python"]).arg(&clean_python).args(["install", "--quiet", "--no-index", "--no-deps"]);
    step(pip.arg(wheel));
    // The package needs no other package.
    step(Command::new(&clean_python).args(["-c", "import barbus; barbus.open, barbus.publish"]));

    // pytest and the libraries that receive bars.
    fs::write(packages(&clean).join("tools.pth"), packages(&tools).to_string_lossy().as_bytes()).expect("a .pth file");
    let mut pytest = Command::new(&clean_python);
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp"]).arg(root.path().join("pytest"));
    pytest.arg(package().join("tests")).current_dir(root.path()).env("BARBUS", env!("CARGO_BIN_EXE_barbus"));
    pytest.env("PYTHONDONTWRITEBYTECODE", "1");
    let run = pytest.output().expect("python runs");
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{}\n{text}{}", run.status, String::from_utf8_lossy(&run.stderr));
    println!("{}", text.lines().last().unwrap_or_default());
}
