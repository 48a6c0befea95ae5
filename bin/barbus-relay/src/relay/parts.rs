//! Puts the parts of a run of bars together again, in the order of the ring.

use anyhow::{anyhow, bail};
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};

use super::header::Header;
use super::payload::Decoded;

/// Parts of a run that is not whole yet.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    open: Option<OpenRun>,
}

#[derive(Debug)]
struct OpenRun {
    /// The bus, the lineage, the first and the next number, and the number of parts.
    key: (String, u64, u64, u64, u32),
    parts: Vec<Option<Decoded>>,
}

impl Parts {
    /// Adds a message with bars. Returns the bars of the run once all of its parts are there.
    ///
    /// Parts of another run mean that the one before was given up; its bars come again.
    ///
    /// # Errors
    /// The parts contradict each other.
    pub(crate) fn add(&mut self, header: &Header, decoded: Decoded) -> anyhow::Result<Option<RecordBatch>> {
        let Some((part, parts)) = header.part else {
            self.open = None;
            return Ok(Some(decoded.batch));
        };
        let key = (header.bus.clone(), header.lineage, header.first, header.next, parts);
        // A part has at least one bar.
        if u64::from(parts) > header.next - header.first {
            bail!("it has more parts than bars");
        }
        if self.open.as_ref().is_none_or(|open| open.key != key) {
            let parts = (0..parts).map(|_| None).collect();
            self.open = Some(OpenRun { key, parts });
        }
        let open = self.open.as_mut().expect("it was set");
        open.parts[part as usize].get_or_insert(decoded);
        if open.parts.iter().any(Option::is_none) {
            return Ok(None);
        }
        let parts = self.open.take().into_iter().flat_map(|open| open.parts).flatten().collect();
        whole(parts, header.next - header.first).map(Some)
    }

    /// Whether parts of a run are missing.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

/// The bars of all parts of a run of `count` bars.
fn whole(parts: Vec<Decoded>, count: u64) -> anyhow::Result<RecordBatch> {
    let mut places: Vec<u32> = Vec::new();
    for part in &parts {
        places.extend(part.places.as_ref().ok_or_else(|| anyhow!("a part has no places"))?);
    }
    let mut order: Vec<u32> = (0..places.len() as u32).collect();
    order.sort_by_key(|row| places[*row as usize]);
    let is_run = order.iter().enumerate().all(|(i, row)| places[*row as usize] as usize == i);
    if places.len() as u64 != count || !is_run {
        bail!("the parts of a run of bars contradict each other");
    }
    let schema = parts[0].batch.schema();
    let all = concat_batches(&schema, parts.iter().map(|part| &part.batch))?;
    Ok(take_record_batch(&all, &UInt32Array::from(order))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::header::Kind;
    use crate::relay::payload::{decode, encode, wire_schema};
    use arrow::array::AsArray;
    use arrow::datatypes::TimestampMillisecondType;
    use barbus::{Row, SymbolId};
    use barbus_bars::BarSchema;

    fn part(number: u32, of: u32, next: u64, places: &[u32]) -> (Header, Decoded) {
        let schema = wire_schema(&BarSchema::in_zone("UTC").unwrap());
        let row = |place: &u32| Row { symbol: SymbolId(number), frame_ms: i64::from(*place), ..Row::default() };
        let rows: Vec<Row> = places.iter().map(row).collect();
        let payload = encode(&schema, &rows, &["A", "B"].map(String::from), Some(places)).unwrap();
        let header = Header {
            kind: Kind::Bars,
            bus: "bus".into(),
            owner: "o".into(),
            lineage: 1,
            first: 0,
            next,
            rows: rows.len() as u32,
            revised: 0,
            day: None,
            received_ns: 0,
            done_ms: 0,
            closed: None,
            withdrawals: 0,
            part: Some((number, of)),
            fill: None,
        };
        (header, decode(&payload).unwrap())
    }

    #[test]
    fn parts_become_a_run_in_the_order_of_the_ring() {
        let mut parts = Parts::default();
        let mut add = |(header, decoded)| parts.add(&header, decoded).unwrap();
        // A run that was given up, and a part that came twice.
        assert!(add(part(0, 2, 9, &[0, 8])).is_none());
        assert!(add(part(0, 2, 4, &[0, 3])).is_none());
        assert!(add(part(0, 2, 4, &[0, 3])).is_none());
        let run = add(part(1, 2, 4, &[1, 2])).unwrap();
        assert_eq!(run.column(1).as_primitive::<TimestampMillisecondType>().values(), &[0, 1, 2, 3]);
        assert!(!parts.is_open());
    }

    #[test]
    fn parts_that_contradict_each_other_are_errors() {
        for places in [&[1_u32, 3][..], &[1], &[1, 2, 2]] {
            let mut parts = Parts::default();
            let (header, decoded) = part(0, 2, 4, &[0, 3]);
            parts.add(&header, decoded).unwrap();
            let (header, decoded) = part(1, 2, 4, places);
            assert!(parts.add(&header, decoded).is_err(), "{places:?}");
        }
        let (header, decoded) = part(0, 5, 4, &[0]);
        assert!(Parts::default().add(&header, decoded).is_err());
    }
}
