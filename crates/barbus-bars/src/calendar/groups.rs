//! Product groups: which hours apply to a symbol.

use super::trading_day::{Calendar, Group};

/// The letters of delivery months.
const MONTHS: &str = "FGHJKMNQUVXZ";

impl Calendar {
    /// The names of the product groups with hours of their own, in the order of the table.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.table.groups.iter().map(|group| group.name.as_str())
    }

    /// The product group whose hours these are; `None` for those of the whole market.
    pub fn group(&self) -> Option<&str> {
        self.group.map(|group| self.table.groups[group].name.as_str())
    }

    /// The calendar with the hours of a product group; `None` if it has no such group.
    pub fn of_group(&self, name: &str) -> Option<Calendar> {
        let group = self.table.groups.iter().position(|group| group.name.eq_ignore_ascii_case(name))?;
        Some(Calendar { group: Some(group), ..self.clone() })
    }

    /// The calendar with the hours of a symbol: those of its product group, or of the whole market
    /// if it belongs to none.
    ///
    /// A product's code is followed by a delivery month, as in `rb2410`, `SHFE.rb2410` and
    /// `ESZ24`, by a character that is neither letter nor digit, or by nothing.
    ///
    /// ```
    /// use barbus_bars::{Calendar, Date};
    ///
    /// let futures = Calendar::preset("CN-FUTURES")?;
    /// let rebar = futures.of_symbol("SHFE.rb2410");
    /// assert_eq!(rebar.group(), Some("night-2300"));
    /// // A night session to 23:00, and the day with its break at 10:15.
    /// assert_eq!(rebar.minutes(Date::constant(2024, 7, 4)).len(), 120 + 225);
    /// assert_eq!(futures.of_symbol("IF2409").minutes(Date::constant(2024, 7, 4)).len(), 240);
    /// # Ok::<(), barbus_bars::CalendarError>(())
    /// ```
    pub fn of_symbol(&self, symbol: &str) -> Calendar {
        let symbol = symbol.to_uppercase();
        let parts = symbol.split(['.', ':']).collect::<Vec<_>>();
        // The exchange is before the product or after it.
        let group = parts.iter().find_map(|part| self.group_of(part.trim_start_matches('/')));
        Calendar { group, ..self.clone() }
    }

    /// The calendar without the sessions outside the regular hours.
    pub fn regular(&self) -> Calendar {
        Calendar { only_regular: true, ..self.clone() }
    }

    /// The group with the longest code that a symbol in capitals has.
    fn group_of(&self, symbol: &str) -> Option<usize> {
        let groups = self.table.groups.iter().enumerate();
        let lengths = groups.filter_map(|(index, group)| Some((longest_code(group, symbol)?, index)));
        lengths.max().map(|(_, index)| index)
    }
}

fn longest_code(group: &Group, symbol: &str) -> Option<usize> {
    let codes = group
        .products
        .iter()
        .filter(|code| symbol.strip_prefix(code.as_str()).is_some_and(|rest| ends_product(code, rest)));
    codes.map(String::len).max()
}

/// Whether what follows a product's code shows that the code is the whole product. After a code of
/// one letter, another letter is not taken for a month: it may be a product that no group has.
fn ends_product(code: &str, rest: &str) -> bool {
    let mut rest = rest.chars();
    match rest.next() {
        None => true,
        Some(month) if code.len() > 1 && MONTHS.contains(month) => {
            rest.next().is_some_and(|next| next.is_ascii_digit())
        }
        Some(next) => !next.is_alphabetic(),
    }
}
