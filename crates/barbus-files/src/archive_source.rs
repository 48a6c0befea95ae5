//! The members of a zip archive, read one after the other.

use std::io;

use crate::error::InputError;
use crate::packing::progress::Progress;
use crate::packing::zip_archive::{self, Member, ReadSeek};
use crate::source::{ParsedRows, RowSource};
use crate::understood::Understood;

/// Opens the bytes of an archive again, for each member.
type Reopen = Box<dyn Fn() -> io::Result<Box<dyn ReadSeek>> + Send>;

/// Opens the bytes of a member, given how messages call it and its path.
pub(crate) type OpenMember =
    Box<dyn Fn(&str, &str, Box<dyn io::Read + Send>) -> Result<Box<dyn RowSource>, InputError> + Send>;

/// The rows of every member of an archive.
pub(crate) struct ArchiveSource {
    open_member: OpenMember,
    input: String,
    reopen: Reopen,
    members: std::vec::IntoIter<Member>,
    current: Option<Box<dyn RowSource>>,
    understood: Vec<Understood>,
    /// The first failure of a member; the others are still read.
    failure: Option<InputError>,
    /// The progress of the reading, and the bytes of the archive for each member.
    progress: Progress,
    share: u64,
}

impl ArchiveSource {
    /// Opens the first member.
    ///
    /// # Errors
    /// [`InputError`] if there is none, or it cannot be opened.
    pub(crate) fn open(
        open_member: OpenMember,
        input: &str,
        reopen: Reopen,
        members: Vec<Member>,
        left_out: usize,
        (progress, size): (Progress, u64),
    ) -> Result<Box<dyn RowSource>, InputError> {
        if members.is_empty() {
            let reason = match left_out {
                0 => "the zip archive is empty".to_owned(),
                _ => format!("none of the {left_out} members of the zip archive is a file of bars"),
            };
            return Err(InputError::format(input, &reason));
        }
        let share = size / members.len() as u64;
        let mut source = ArchiveSource {
            open_member,
            input: input.to_owned(),
            reopen,
            members: members.into_iter(),
            current: None,
            understood: Vec::new(),
            failure: None,
            progress,
            share,
        };
        source.open_next()?;
        Ok(Box::new(source))
    }

    fn open_next(&mut self) -> Result<bool, InputError> {
        let Some(member) = self.members.next() else { return Ok(false) };
        let name = format!("{}:{}", self.input, member.name);
        let reader = (self.reopen)().and_then(|file| zip_archive::open(file, &member));
        let reader = reader.map_err(|error| InputError::read(&name, "at its beginning", error))?;
        // Patterns of paths fit the member behind the path of the archive.
        let path = format!("{}/{}", self.input, member.name);
        let source = (self.open_member)(&name, &path, Box::new(reader))?;
        self.understood.extend(source.understood());
        self.progress.add(self.share);
        self.current = Some(source);
        Ok(true)
    }
}

impl RowSource for ArchiveSource {
    fn read(&mut self, parsed: &mut ParsedRows) -> Result<bool, InputError> {
        let read = match &mut self.current {
            Some(current) => current.read(parsed).map(|more| {
                if !more {
                    self.current = None;
                }
                true
            }),
            None => self.open_next(),
        };
        match read {
            Ok(true) => Ok(true),
            Ok(false) => self.failure.take().map_or(Ok(false), Err),
            Err(error) => {
                self.current = None;
                self.failure.get_or_insert(error);
                Ok(true)
            }
        }
    }

    fn understood(&self) -> Vec<Understood> {
        self.understood.clone()
    }
}
