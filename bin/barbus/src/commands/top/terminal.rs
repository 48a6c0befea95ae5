//! The terminal: entered and left so that a shell finds it as it was, whatever ends the program.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Stdout, stdin, stdout};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::{flag, low_level};

/// The terminal while the screen is shown. Dropping it gives the terminal back.
pub(super) struct Screen {
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// The terminal cannot be addressed, or the system refuses it.
    pub(super) fn enter() -> anyhow::Result<Screen> {
        match std::env::var("TERM").unwrap_or_default().as_str() {
            "" => bail!("TERM is not set: the kind of this terminal is not known: use --once"),
            "dumb" => bail!("TERM=dumb: this terminal can only print lines: use --once"),
            _ => {}
        }
        let report = std::panic::take_hook();
        // The message of a panic must not vanish with the alternate screen.
        std::panic::set_hook(Box::new(move |panic| {
            let _ = leave();
            report(panic);
        }));
        take().context("the terminal")?;
        // From here on the terminal is given back if anything fails.
        let terminal = Terminal::new(CrosstermBackend::new(stdout())).inspect_err(|_| drop(leave()));
        Ok(Screen { terminal: terminal.context("the terminal")? })
    }

    /// Stops the processes of this job as Ctrl-Z does, and takes the terminal again afterwards.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn suspend(&mut self) -> anyhow::Result<()> {
        leave()?;
        // All processes of the job stop, as if the terminal had sent the signal.
        kill(Pid::from_raw(0), Signal::SIGSTOP).context("stop")?;
        self.retake()
    }

    /// Takes the terminal again: another program may have used it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn retake(&mut self) -> anyhow::Result<()> {
        take().context("the terminal")?;
        self.terminal.clear().context("the terminal")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = leave();
    }
}

/// Whether this program has the terminal. Giving it back twice would move the cursor to where it
/// was at first, over what was printed since.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

fn take() -> io::Result<()> {
    IS_TAKEN.store(true, Ordering::Relaxed);
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen)
}

fn leave() -> io::Result<()> {
    if !IS_TAKEN.swap(false, Ordering::Relaxed) {
        return Ok(());
    }
    let left = execute!(stdout(), LeaveAlternateScreen, Show);
    disable_raw_mode().and(left)
}

/// What ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// A key was pressed, or the size has changed.
    Input,
    /// The time is over.
    Timeout,
    /// The terminal is gone: nobody sees the screen.
    Gone,
}

/// Waits for keys and signals. crossterm's own wait would use a whole core after the terminal is
/// gone.
pub(super) struct Waiter {
    terminal: File,
    /// Gets a byte for each signal.
    signalled: UnixStream,
    /// The last signal that ends the program; 0 before.
    end: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    resumed: Arc<AtomicBool>,
}

impl Waiter {
    /// Catches the signals that end or stop the program.
    ///
    /// # Errors
    /// There is no terminal to read keys from, or the system refuses it.
    pub(super) fn start() -> io::Result<Waiter> {
        let terminal = match stdin().is_terminal() {
            true => File::from(stdin().as_fd().try_clone_to_owned()?),
            false => File::open("/dev/tty")?,
        };
        let (signalled, wakes) = UnixStream::pair()?;
        signalled.set_nonblocking(true)?;
        let waiter = Waiter { terminal, signalled, end: Arc::default(), stop: Arc::default(), resumed: Arc::default() };
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
            flag::register_usize(signal, Arc::clone(&waiter.end), signal as usize)?;
        }
        flag::register(SIGTSTP, Arc::clone(&waiter.stop))?;
        flag::register(SIGCONT, Arc::clone(&waiter.resumed))?;
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH] {
            low_level::pipe::register(signal, wakes.try_clone()?)?;
        }
        Ok(waiter)
    }

    /// Waits for a key or a signal for at most `timeout`.
    ///
    /// # Errors
    /// The system refuses it.
    pub(super) fn wait(&mut self, timeout: Duration) -> io::Result<Wake> {
        let mut watched = [
            PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signalled.as_fd(), PollFlags::POLLIN),
        ];
        // A part of a millisecond would become none, and the caller would not wait.
        let timeout = PollTimeout::try_from(timeout + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut watched, timeout) {
            Ok(0) => return Ok(Wake::Timeout),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        let terminal_is_gone = watched[0].revents().is_some_and(|events| events.intersects(is_gone));
        // One byte or many: the flags tell which signals they were.
        let _ = self.signalled.read(&mut [0; 64]);
        Ok(if terminal_is_gone { Wake::Gone } else { Wake::Input })
    }

    /// The signal that ends the program, if one has arrived.
    pub(super) fn end(&self) -> Option<i32> {
        match self.end.load(Ordering::Relaxed) {
            0 => None,
            signal => i32::try_from(signal).ok(),
        }
    }

    /// Whether another process has asked this one to stop, since the last call.
    pub(super) fn take_stop(&self) -> bool {
        self.stop.swap(false, Ordering::Relaxed)
    }

    /// Whether the process went on after it was stopped, since the last call.
    pub(super) fn take_resumed(&self) -> bool {
        self.resumed.swap(false, Ordering::Relaxed)
    }
}

/// Ends the process as `signal` does without a handler, so that its parent sees why it ended.
pub(super) fn end_by(signal: i32) {
    let _ = low_level::emulate_default_handler(signal);
}
