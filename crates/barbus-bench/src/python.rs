//! A Python with pyarrow, polars and DuckDB: `BARBUS_BENCH_PYTHON`, or a virtual environment.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail, ensure};

const REQUIREMENTS: &str = include_str!("../../../tests/python/requirements.txt");
const VARIABLE: &str = "BARBUS_BENCH_PYTHON";

/// The interpreter, or an error with the reason why none is available.
fn interpreter() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return Ok(named.into());
    }
    let programs = std::env::current_exe()?;
    let environment = programs.with_file_name("bench-venv");
    let (python, complete) = (environment.join("bin/python"), environment.join("complete"));
    // An environment with other packages, or an unfinished one, is created again.
    if fs::read_to_string(&complete).ok().as_deref() != Some(REQUIREMENTS) {
        let _ = fs::remove_dir_all(&environment);
        step(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        let file = environment.join("requirements.txt");
        fs::write(&file, REQUIREMENTS)?;
        let mut pip = Command::new(&python);
        step(pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-r"]).arg(&file))?;
        fs::write(&complete, REQUIREMENTS)?;
    }
    Ok(python)
}

fn step(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdout(Stdio::null()).status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}: set {VARIABLE} to a Python that has pyarrow, polars and duckdb");
    Ok(())
}

/// A script that answers each line with a line; dropping it ends the script.
pub(crate) struct Script {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Script {
    /// Starts the script, which first prints its versions.
    pub(crate) fn start(text: &str) -> anyhow::Result<(Self, String)> {
        let mut command = Command::new(interpreter()?);
        let mut child = command.args(["-c", text]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let answers = BufReader::new(child.stdout.take().context("it is piped")?);
        let mut script = Self { questions: child.stdin.take(), child, answers };
        let greeting = script.answer()?;
        Ok((script, greeting))
    }

    /// Sends a command and returns the answer.
    pub(crate) fn ask(&mut self, words: &[&str]) -> anyhow::Result<String> {
        let line = words.join("\t") + "\n";
        self.questions.as_mut().context("it runs")?.write_all(line.as_bytes())?;
        self.answer().with_context(|| words.join(" "))
    }

    /// Like [`Script::ask`], for a numeric answer.
    pub(crate) fn number(&mut self, words: &[&str]) -> anyhow::Result<f64> {
        Ok(self.ask(words)?.parse()?)
    }

    fn answer(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the Python script failed");
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.questions = None;
        let _ = self.child.wait();
    }
}
