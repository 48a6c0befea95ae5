//! Where the fields of many lines end, found for all of them at once.
//!
//! Sixty-four bytes at a time become a word that has a bit for each byte which ends a field; what then is left to do is done for each field, not for each
//! byte.

/// Bytes whose marks make one word.
const BLOCK: usize = 64;
/// Ends that are written at once: more are in few blocks.
const STEP: usize = 12;

/// The ends of the fields of some lines, all of as many fields.
pub(super) struct FieldEnds {
    delimiter: u8,
    /// Fields of a line.
    width: usize,
    /// Place of the byte behind each field, and before them that of the byte before the first.
    ends: Vec<u32>,
    /// Fields that were found.
    count: usize,
}

impl FieldEnds {
    /// For lines of `width` fields.
    pub(super) fn new(delimiter: u8, width: usize) -> FieldEnds {
        assert!(width > 1, "a line of several fields");
        FieldEnds { delimiter, width, ends: Vec::new(), count: 0 }
    }

    /// Finds the lines that `bytes` have from `start` on, `most` at most, up to the first that is not all there or has another number of
    /// fields: how many.
    pub(super) fn find(&mut self, bytes: &[u8], start: usize, most: usize) -> usize {
        self.count = 0;
        let wanted = most * self.width;
        // A block has as many ends as bytes at most.
        self.ends.resize(1 + wanted + BLOCK + STEP, 0);
        self.ends[0] = (start as u32).wrapping_sub(1);
        let (blocks, rest) = bytes[start..].as_chunks::<BLOCK>();
        let mut at = start;
        for block in blocks {
            if self.count >= wanted {
                break;
            }
            self.add(block, at);
            at += BLOCK;
        }
        if self.count < wanted {
            let mut last = [0; BLOCK];
            last[..rest.len()].copy_from_slice(rest);
            self.add(&last, at);
        }
        let lines = self.ends[1..=self.count.min(wanted)].chunks_exact(self.width);
        lines.take_while(|ends| self.is_line(bytes, ends)).count()
    }

    #[inline(always)]
    fn add(&mut self, block: &[u8; BLOCK], at: usize) {
        let mut marks = marks_of(block, self.delimiter);
        let found = marks.count_ones() as usize;
        let mut free = &mut self.ends[1 + self.count..];
        while marks != 0 {
            // As many as there mostly are, without a look at each whether it is the last: those beyond are written over.
            let (step, rest) = free.split_first_chunk_mut::<STEP>().expect("room for a block's");
            for end in step {
                *end = at as u32 + marks.trailing_zeros();
                marks &= marks.wrapping_sub(1);
            }
            free = rest;
        }
        self.count += found;
    }

    /// Whether these are the ends of one line's fields.
    #[inline(always)]
    fn is_line(&self, bytes: &[u8], ends: &[u32]) -> bool {
        let Some((last, others)) = ends.split_last() else { return false };
        others.iter().all(|end| bytes[*end as usize] == self.delimiter) && bytes[*last as usize] == b'\n'
    }

    /// Place of the line feed of a line.
    pub(super) fn line_end(&self, line: usize) -> usize {
        self.ends[(line + 1) * self.width] as usize
    }

    /// Whether there are more fields than those of the first `lines`, enough for another.
    pub(super) fn has_more_than(&self, lines: usize) -> bool {
        self.count >= (lines + 1) * self.width
    }

    /// Where the fields of a column begin and end, of the first `lines`.
    #[inline(always)]
    pub(super) fn fields<'a>(
        &'a self,
        bytes: &'a [u8],
        column: usize,
        lines: usize,
    ) -> impl Iterator<Item = (usize, usize)> + 'a {
        let is_last = column + 1 == self.width;
        self.ends[column..].chunks(self.width).take(lines).map_while(move |ends| {
            let [before, end, ..] = ends else { return None };
            let (start, mut end) = (before.wrapping_add(1) as usize, *end as usize);
            // A line may end by CR LF.
            if is_last && bytes[start..end].ends_with(b"\r") {
                end -= 1;
            }
            Some((start, end))
        })
    }
}

/// A bit for each byte that is the delimiter or a line feed.
#[inline(always)]
fn marks_of(block: &[u8; BLOCK], delimiter: u8) -> u64 {
    // The compiler takes many bytes at once for this one.
    let ends = block.map(|byte| u8::from((byte == delimiter) | (byte == b'\n')));
    let words = ends.as_chunks::<8>().0.iter().enumerate();
    // The product's top byte gathers a word's bytes, the first one's bit lowest.
    words.fold(0, |marks, (i, word)| {
        marks | u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56 << (8 * i)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The fields of the lines that are found.
    fn found(bytes: &[u8], start: usize, width: usize, most: usize) -> Vec<Vec<&[u8]>> {
        let mut ends = FieldEnds::new(b',', width);
        let lines = ends.find(bytes, start, most);
        let mut table = vec![Vec::new(); lines];
        for column in 0..width {
            let fields: Vec<_> = ends.fields(bytes, column, lines).collect();
            assert_eq!(fields.len(), lines);
            fields.into_iter().zip(&mut table).for_each(|((start, end), line)| line.push(&bytes[start..end]));
        }
        table
    }

    /// The same, by std.
    fn split(bytes: &[u8], start: usize, width: usize, most: usize) -> Vec<Vec<&[u8]>> {
        let lines = bytes[start..].split_inclusive(|byte| *byte == b'\n').map_while(|line| line.strip_suffix(b"\n"));
        let table = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line).split(|byte| *byte == b',').collect());
        table.take_while(|line: &Vec<&[u8]>| line.len() == width).take(most).collect()
    }

    #[test]
    fn lines_up_to_the_first_of_another_kind() {
        let long = "x".repeat(200);
        let text = format!("-\na,b,c\r\n,,\n{long},{long},\r\n1,2,3\n1,2\n,3\nq,r,s");
        for most in 0..6 {
            assert_eq!(found(text.as_bytes(), 2, 3, most), split(text.as_bytes(), 2, 3, most));
        }
        assert_eq!(found(text.as_bytes(), 2, 3, 9).len(), 4);
        assert_eq!(found(text.as_bytes(), text.len(), 3, 9).len(), 0);
        assert_eq!(found(b",\n".repeat(300).as_slice(), 0, 2, 999).len(), 300);
    }

    proptest! {
        #[test]
        fn as_std_splits_them(text in "([a-z,\\x00\\xff]{0,9}[,\\n]){0,60}", width in 2..5usize, most in 0..40usize) {
            let text = text.as_bytes();
            prop_assert_eq!(found(text, 0, width, most), split(text, 0, width, most));
        }

        #[test]
        fn a_block_is_marked_byte_by_byte(bytes in proptest::collection::vec("[,\n-.\\x00]", BLOCK)) {
            let block: [u8; BLOCK] = std::array::from_fn(|i| bytes[i].as_bytes()[0]);
            let by_byte = (0..BLOCK).filter(|&i| b",\n".contains(&block[i])).map(|i| 1 << i).sum::<u64>();
            prop_assert_eq!(marks_of(&block, b','), by_byte);
        }
    }
}
