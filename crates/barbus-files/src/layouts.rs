//! The layouts of a reading: the one that the user named, or all that may be recognized.

use crate::layout::description::{Layout, LayoutError};
use crate::layout::recognize::recognize;
use crate::layout::registry;
use crate::sample::Sample;

/// The layouts among which that of an input is found.
#[derive(Debug)]
pub(crate) struct Layouts {
    named: Option<Layout>,
    built_in: &'static [Layout],
}

impl Layouts {
    /// The layout that the user named, or all that barbus brings.
    pub(crate) fn new(named: Option<Layout>) -> Result<Layouts, LayoutError> {
        let built_in = if named.is_some() { &[][..] } else { registry::built_in()? };
        Ok(Layouts { named, built_in })
    }

    /// The layout that the user named.
    pub(crate) fn named(&self) -> Option<&Layout> {
        self.named.as_ref()
    }

    /// The layout of an input and how it was found.
    ///
    /// # Errors
    /// The message that several layouts fit.
    pub(crate) fn of(&self, sample: &Sample) -> Result<Option<(&Layout, &'static str)>, String> {
        if let Some(layout) = &self.named {
            return Ok(Some((layout, "--layout")));
        }
        match recognize(self.built_in, sample) {
            Ok(found) => Ok(found.map(|layout| (layout, "recognized"))),
            Err(names) => {
                let list = names.join(", ");
                Err(format!("may have the layouts {list}: choose one, such as --layout {}", names[0]))
            }
        }
    }

    /// Every encoding that a layout has, for texts that are not UTF-8.
    pub(crate) fn encodings(&self) -> impl Iterator<Item = &'static encoding_rs::Encoding> {
        let layouts = self.named.iter().chain(self.built_in);
        layouts.filter_map(|layout| encoding_rs::Encoding::for_label(layout.text.encoding.as_deref()?.as_bytes()))
    }
}
