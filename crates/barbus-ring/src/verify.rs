//! Verification of a whole ring: whether its parts agree with each other and with their checksums.

use barbus_shm::{Load, Memory};

use crate::arrow_messages::{Message, slot_message};
use crate::columns::FIRST_OPTIONAL;
use crate::layout::*;
use crate::ring::Header;
use crate::{Ring, SymbolId};

/// The result of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RingReport {
    /// Blocks that hold rows.
    pub blocks: u32,
    /// Rows in them.
    pub rows: u64,
    /// Sealed blocks whose checksum was compared.
    pub checksums: u32,
    /// One line for each contradiction or damage found.
    pub problems: Vec<String>,
}

/// How often a slot with problems is checked before they are reported. The writer may have changed
/// the slot during one check; it does not do so during each of them.
const MAX_CHECKS: usize = 3;

/// The result of checking one slot.
#[derive(Default)]
struct SlotReport {
    problems: Vec<String>,
    span: Option<BlockSpan>,
    checksums: u32,
}

/// The rows of a block. Spans are sorted by block.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct BlockSpan {
    block: u64,
    first_seq: u64,
    rows: u32,
    sealed: bool,
}

impl<M: Memory> Ring<M> {
    /// Checks that the directory, the block headers, the cursor, the dictionary, the sequence
    /// numbers and the checksums of sealed blocks agree.
    ///
    /// The writer may run meanwhile. A block that it recycles during the check is skipped.
    pub fn verify(&self) -> RingReport {
        let mut report = RingReport::default();
        let symbols = self.symbol_count();
        for id in 0..symbols {
            if self.symbol(SymbolId(id)).is_none() {
                report.problems.push(format!("symbol {id} of {symbols} cannot be read"));
            }
        }
        let message = slot_message(&self.geometry);
        let mut spans = Vec::new();
        for slot in 0..self.geometry.slots as usize {
            let mut checked = self.check_slot(slot, &message);
            for _ in 1..MAX_CHECKS {
                if checked.problems.is_empty() {
                    break;
                }
                std::thread::yield_now();
                checked = self.check_slot(slot, &message);
            }
            report.problems.append(&mut checked.problems);
            report.checksums += checked.checksums;
            if let Some(span) = checked.span {
                report.blocks += 1;
                report.rows += u64::from(span.rows);
                spans.push(span);
            }
        }
        report.problems.append(&mut gaps(spans));
        report
    }

    fn check_slot(&self, slot: usize, message: &Message) -> SlotReport {
        let (newest, _) = self.cursor();
        let Some(header) = self.header(slot) else { return self.check_empty_slot(slot) };
        let rows = self.committed_rows(slot, header.block);
        let mut found = Vec::new();
        self.check_header(slot, &header, newest, &mut found);
        self.check_rows(slot, &header, rows, &mut found);
        let checksums = self.check_checksums(slot, &header, rows, &mut found);
        if self.u64(self.geometry.slot(slot) + BH_PERSISTED) > 1 {
            found.push("its `persisted` is neither 0 nor 1".to_owned());
        }
        if header.sealed()
            && let Some(byte) = self.first_wrong_byte(slot, message, rows)
        {
            found.push(format!("byte {byte} of its metadata is wrong"));
        }
        if !self.is_current(slot, header.block) {
            return SlotReport::default();
        }
        let name = format!("block {} in slot {slot}", header.block);
        let problems = found.into_iter().map(|what| format!("{name}: {what}")).collect();
        let span = BlockSpan { block: header.block, first_seq: header.first_seq, rows, sealed: header.sealed() };
        SlotReport { problems, span: Some(span), checksums }
    }

    fn check_empty_slot(&self, slot: usize) -> SlotReport {
        let listed = self.u64(DIRECTORY + 8 * slot);
        let unused = self.u64(self.geometry.slot(slot) + BH_BLOCK) == 0 && listed != 0;
        let problem = || format!("block {listed} in slot {slot}: its header marks the slot as unused");
        SlotReport { problems: unused.then(problem).into_iter().collect(), ..SlotReport::default() }
    }

    /// `newest` is the cursor's block, loaded before the header.
    fn check_header(&self, slot: usize, header: &Header, newest: u64, found: &mut Vec<String>) {
        if (header.state & STATE_ROWS) > u64::from(self.geometry.rows_per_block) {
            found.push("sealed with more rows than a slot holds".to_owned());
        }
        // The writer may have opened the block after `newest` was loaded.
        let (newest_now, _) = self.cursor();
        if header.block > newest_now {
            found.push(format!("newer than the cursor, which is in block {newest_now}"));
        } else if header.block < newest && !header.sealed() {
            found.push("not sealed, but not the newest".to_owned());
        }
        if self.u64(DIRECTORY + 8 * slot) != header.block {
            found.push("the directory lists another block".to_owned());
        }
    }

    fn check_rows(&self, slot: usize, header: &Header, rows: u32, found: &mut Vec<String>) {
        let mut copied = Vec::with_capacity(rows as usize);
        self.copy_rows(slot, 0, rows, &mut copied);
        let mut numbered = (0u64..).zip(&copied);
        if let Some((row, _)) = numbered.find(|(i, row)| row.seq != header.first_seq.wrapping_add(*i)) {
            found.push(format!("row {row} has a wrong sequence number"));
        }
        let symbols = self.symbol_count();
        if let Some(row) = copied.iter().position(|row| row.symbol.0 >= symbols) {
            found.push(format!("row {row} has a symbol that is not in the dictionary"));
        }
    }

    /// Returns the number of blocks whose checksum was compared, 0 or 1.
    fn check_checksums(&self, slot: usize, header: &Header, rows: u32, found: &mut Vec<String>) -> u32 {
        let at = self.geometry.slot(slot);
        let (crc, header_crc) = (self.u64(at + BH_CRC), self.u64(at + BH_HEADER_CRC));
        let mut compared = 0;
        if header.sealed() && crc != 0 {
            compared = 1;
            if crc != CRC_VALID | u64::from(self.block_crc(slot, rows)) {
                found.push(format!("its {rows} rows do not match their checksum"));
            }
            // The header's checksum is stored a moment after that of the rows.
            if header_crc != 0 && header_crc != CRC_VALID | u64::from(self.header_crc(slot)) {
                found.push("its header does not match its checksum".to_owned());
            }
        }
        // The block may have been sealed after the header was read: load the state again.
        let open = self.u64(at + BH_STATE) & STATE_SEALED == 0;
        if open && (crc != 0 || header_crc != 0) {
            found.push("it has a checksum, but is not sealed".to_owned());
        }
        compared
    }

    /// The first wrong byte in the metadata page of a sealed block: the Arrow message with the
    /// lengths of its rows, then zeros. The header's fields are checked elsewhere.
    fn first_wrong_byte(&self, slot: usize, message: &Message, rows: u32) -> Option<usize> {
        let mut page = [0u8; SLOT_BODY];
        page[..message.bytes.len()].copy_from_slice(&message.bytes);
        let mut set = |offset: usize, value: u64| page[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
        let nulls = self.null_counts(slot, rows);
        for (column, &node) in message.nodes.iter().enumerate() {
            let optional = column.checked_sub(FIRST_OPTIONAL).filter(|&k| k < self.geometry.optional);
            set(node, rows.into());
            set(node + 8, optional.map_or(0, |k| nulls[k].into()));
        }
        set(message.length, rows.into());
        let found = self.map.words8(self.geometry.slot(slot), SLOT_BODY);
        let in_header = |at: usize| {
            let mut fields = FIELDS.iter().filter(|field| field.part == "block header");
            fields.any(|field| (field.offset..field.offset + field.bytes).contains(&at))
        };
        (0..SLOT_BODY).find(|&at| found[at].get() != page[at] && !in_header(at))
    }
}

/// Where a block does not begin at the row after the last one of the block before it.
fn gaps(mut spans: Vec<BlockSpan>) -> Vec<String> {
    spans.sort_unstable();
    let mut problems = Vec::new();
    for pair in spans.windows(2) {
        let [before, next] = pair else { continue };
        let adjacent = next.block.wrapping_sub(before.block) == 1 && before.sealed;
        if adjacent && next.first_seq.wrapping_sub(before.first_seq) != u64::from(before.rows) {
            problems.push(format!(
                "block {} begins at {}, but block {} has {} rows from {}",
                next.block, next.first_seq, before.block, before.rows, before.first_seq
            ));
        }
    }
    problems
}
