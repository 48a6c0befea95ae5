//! The types of the handles in the header.

use super::{Shared, Slot};
use crate::answer::{AnswerState, BusState, PanelState};
use crate::publishing::PublisherState;
use crate::reader::ReaderState;

/// Defines a handle that C sees as an opaque struct.
macro_rules! define_handle {
    ($(#[$doc:meta])* $name:ident, $slot:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[repr(transparent)]
        pub struct $name($slot);

        impl $name {
            /// The handle in a slot.
            pub(crate) fn of(slot: &'static $slot) -> &'static Self {
                // SAFETY: the handle is a transparent struct of the slot.
                unsafe { &*std::ptr::from_ref(slot).cast() }
            }

            /// The slot of the handle.
            #[inline(always)]
            pub(crate) fn slot(&self) -> &$slot {
                &self.0
            }
        }
    };
}

define_handle!(
    /// A reader of a bus, or a replay of archived days.
    barbus_reader, Slot<ReaderState>);
define_handle!(
    /// A producer's connection to the daemon.
    barbus_publisher, Slot<PublisherState>);
define_handle!(
    /// A bus, for questions.
    barbus_bus, Shared<BusState>);
define_handle!(
    /// The answer to a question.
    barbus_answer, Shared<AnswerState>);
define_handle!(
    /// The answer to a question for a panel.
    barbus_panel, Shared<PanelState>);
