//! Lines of JSON of which each is a document with rows in it: recorded messages of a stream.

use std::io::BufRead;

use super::json::{Document, Json};
use super::lines::Lines;
use crate::error::InputError;
use crate::layout::description::SymbolRules;
use crate::records::{Records, Step};
use crate::values::cell::Cell;

/// Where the rows and the symbol of each document are.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The path to the rows.
    pub(crate) rows: String,
    /// The names of the values of lists.
    pub(crate) names: Vec<String>,
    /// Where the symbol is, as a layout says it.
    pub(crate) symbol: SymbolRules,
}

impl Places {
    /// The symbol of a document.
    pub(crate) fn symbol_of(&self, document: &Document) -> Option<String> {
        self.symbol.in_document(document).or_else(|| document.symbol_beside(&self.rows))
    }
}

/// The records of lines of documents.
pub(crate) struct DocumentLines<R> {
    input: String,
    lines: Lines<R>,
    places: Places,
    current: Option<Json>,
    names: Vec<String>,
    symbol: Option<String>,
    problem: String,
}

impl<R: BufRead + Send> DocumentLines<R> {
    /// The records of `lines`; messages call the input `input`.
    pub(crate) fn new(input: &str, lines: Lines<R>, places: Places) -> DocumentLines<R> {
        DocumentLines {
            input: input.to_owned(),
            lines,
            places,
            current: None,
            names: Vec::new(),
            symbol: None,
            problem: String::new(),
        }
    }

    fn open_line(&mut self) -> Result<(), String> {
        let text = std::str::from_utf8(self.lines.text()).map_err(|_| "the line is not UTF-8".to_owned())?;
        let document = Document::parse(text.to_owned())?;
        let blocks = document.blocks(&self.places.rows);
        if blocks.is_empty() {
            return Err(format!("there are no rows under {} in the line", self.places.rows));
        }
        self.symbol = self.places.symbol_of(&document);
        self.current = Some(Json::new(&self.input, document, blocks, &self.places.names));
        Ok(())
    }

    fn bad(&mut self, problem: &str) -> Step {
        problem.clone_into(&mut self.problem);
        Step::Bad
    }
}

impl<R: BufRead + Send> Records for DocumentLines<R> {
    fn advance(&mut self) -> Result<Step, InputError> {
        loop {
            if let Some(json) = &mut self.current {
                match json.advance()? {
                    Step::End => self.current = None,
                    Step::Bad => {
                        let problem = json.problem();
                        return Ok(self.bad(&problem));
                    }
                    Step::NewNames | Step::Record => {
                        let names = json.names();
                        let step = if names == self.names { Step::Record } else { Step::NewNames };
                        self.names = names;
                        return Ok(step);
                    }
                }
            }
            match self.lines.advance() {
                Ok(Some(line)) => {
                    let opened = line.problem().map_or_else(|| self.open_line(), |problem| Err(problem.to_owned()));
                    if let Err(problem) = opened {
                        return Ok(self.bad(&problem));
                    }
                }
                Ok(None) => return Ok(Step::End),
                Err(error) => return Err(InputError::read(&self.input, &self.lines.place(), error)),
            }
        }
    }

    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        self.current.as_ref().map_or(Cell::Missing, |json| json.cell(column))
    }

    fn symbol(&self) -> Option<&str> {
        let by_key = self.current.as_ref().and_then(Json::symbol);
        by_key.or(self.symbol.as_deref())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(self.lines.text()).into_owned()
    }

    fn place(&self) -> String {
        self.lines.number().to_string()
    }

    fn problem(&self) -> String {
        self.problem.clone()
    }
}
