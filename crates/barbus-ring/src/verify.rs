use barbus_shm::{Load, Memory};

use crate::arrow_messages::{Message, slot_message};
use crate::columns::FIRST_OPTIONAL;
use crate::layout::*;
use crate::{Ring, SymbolId};

/// What a look at every part of a ring found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RingReport {
    /// Blocks that hold rows.
    pub blocks: u32,
    /// Rows in them.
    pub rows: u64,
    /// Sealed blocks whose checksum was compared.
    pub checksums: u32,
    /// One line for everything that is not as it must be.
    pub problems: Vec<String>,
}

/// Looks at a slot with problems.
const LOOKS: usize = 3;

/// What a look at a slot found.
#[derive(Default)]
struct Look {
    problems: Vec<String>,
    /// The block in it: its number, first row, rows and seal.
    span: Option<(u64, u64, u32, bool)>,
    /// Checksums that were compared.
    checksums: u32,
}

impl<M: Memory> Ring<M> {
    /// Checks that the directory, the block headers, the cursor, the dictionary, the sequence numbers and the checksums of sealed
    /// blocks fit each other. It may run while the bus is written: a block that is reused meanwhile is passed over.
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
            let mut looked = self.look_at(slot, &message);
            // The writer may have been in the middle of something, as it is not again and again.
            for _ in 1..LOOKS {
                if looked.problems.is_empty() {
                    break;
                }
                std::thread::yield_now();
                looked = self.look_at(slot, &message);
            }
            report.problems.append(&mut looked.problems);
            report.checksums += looked.checksums;
            if let Some(span) = looked.span {
                report.blocks += 1;
                report.rows += u64::from(span.2);
                spans.push(span);
            }
        }
        spans.sort_unstable();
        for pair in spans.windows(2) {
            let [(block, first, rows, sealed), (next, next_first, ..)] = pair else { continue };
            if next.wrapping_sub(*block) == 1 && *sealed && next_first.wrapping_sub(*first) != u64::from(*rows) {
                report
                    .problems
                    .push(format!("block {next} begins at {next_first}, block {block} has {rows} rows from {first}"));
            }
        }
        report
    }

    fn look_at(&self, slot: usize, message: &Message) -> Look {
        let (newest, _) = self.cursor();
        let Some(header) = self.header(slot) else {
            let named = self.u64(DIRECTORY + 8 * slot);
            let unused = self.u64(self.geometry.slot(slot) + BH_BLOCK) == 0 && named != 0;
            let problem = || format!("block {named} in slot {slot}: its header says that the slot is unused");
            return Look { problems: unused.then(problem).into_iter().collect(), ..Look::default() };
        };
        let mut problems = Vec::new();
        let named = format!("block {} in slot {slot}", header.block);
        let rows = self.committed(slot, header.block);
        if (header.state & STATE_ROWS) > u64::from(self.geometry.rows_per_block) {
            problems.push(format!("{named}: sealed with more rows than fit"));
        }
        // It may have been begun meanwhile.
        let (now, _) = self.cursor();
        if header.block > now {
            problems.push(format!("{named}: newer than the cursor, which is in block {now}"));
        } else if header.block < newest && !header.sealed() {
            problems.push(format!("{named}: not sealed, but not the newest"));
        }
        if self.map.words64(DIRECTORY + 8 * slot, 1)[0].get() != header.block {
            problems.push(format!("{named}: the directory names another block"));
        }
        let mut copied = Vec::with_capacity(rows as usize);
        self.copy_rows(slot, 0, rows, &mut copied);
        if let Some(row) =
            (0u64..).zip(&copied).find(|(i, row)| row.seq != header.first_seq.wrapping_add(*i)).map(|(i, _)| i)
        {
            problems.push(format!("{named}: row {row} does not have its sequence number"));
        }
        let symbols = self.symbol_count();
        if let Some(row) = copied.iter().position(|row| row.symbol.0 >= symbols) {
            problems.push(format!("{named}: row {row} has a symbol that is not in the dictionary"));
        }
        let crc = self.u64(self.geometry.slot(slot) + BH_CRC);
        let header_crc = self.u64(self.geometry.slot(slot) + BH_HEADER_CRC);
        let mut checksums = 0;
        if header.sealed() && crc != 0 {
            checksums = 1;
            if crc != CRC_VALID | u64::from(self.block_crc(slot, rows)) {
                problems.push(format!("{named}: its {rows} rows do not fit their checksum"));
            }
            // The header's is stored a moment later.
            if header_crc != 0 && header_crc != CRC_VALID | u64::from(self.header_crc(slot)) {
                problems.push(format!("{named}: its header does not fit its checksum"));
            }
        }
        // It may have been sealed meanwhile.
        let open = self.u64(self.geometry.slot(slot) + BH_STATE) & STATE_SEALED == 0;
        if open && (crc != 0 || header_crc != 0) {
            problems.push(format!("{named}: it has a checksum, but is not sealed"));
        }
        if self.u64(self.geometry.slot(slot) + BH_PERSISTED) > 1 {
            problems.push(format!("{named}: its mark of being archived is neither 0 nor 1"));
        }
        if header.sealed()
            && let Some(byte) = self.first_wrong_byte(slot, message, rows)
        {
            problems.push(format!("{named}: byte {byte} of its metadata is not what it must be"));
        }
        if !self.still(slot, header.block) {
            return Look::default();
        }
        let span = Some((header.block, header.first_seq, rows, header.sealed()));
        Look { problems, span, checksums }
    }

    /// The first byte of a sealed block's page of metadata that differs: the Arrow message with the lengths of its rows, and zeros; the header's
    /// words have checks of their own.
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
        // The marks in the header change while this looks.
        let changing = |at: usize| {
            let mut fields = FIELDS.iter().filter(|field| field.part == "block header");
            fields.any(|field| (field.offset..field.offset + field.bytes).contains(&at))
        };
        (0..SLOT_BODY).find(|&at| found[at].get() != page[at] && !changing(at))
    }
}
