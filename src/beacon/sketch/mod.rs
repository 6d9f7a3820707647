//! Sketches: what is known of connections without their times. Of a block it is kept beside the block,
//! as bytes that the cache does not look into; those of a group's blocks in a window add up.
//!
//! Only facts that follow from the times alone. What they rule out is decided by the detectors.

mod bytes;
mod outline;
mod pauses;
pub mod repetition;
mod spread;
mod sums;
mod variation;
mod version;

pub use self::outline::{Outline, shortest_and_longest};
pub use self::pauses::Pauses;
pub use self::repetition::Repetition;
pub use self::spread::{Median, Spread};
pub use self::sums::RhythmSums;
pub use self::variation::Variation;
pub use self::version::VERSION;
use crate::varint::{DecodeError, put_varint, take_varint};

/// The sketch of one block of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSketch<'d> {
    /// Unix milliseconds of the first and the last connection.
    pub span_ms: (i64, i64),
    /// How many there are.
    pub connections: u64,
    /// The shortest and the longest interval.
    intervals_ms: Option<(i64, i64)>,
    /// `None` if it is not known, as of a block that the window cuts.
    spread: Option<Spread>,
    sums: SumsSource<'d>,
}

/// What the sums are taken from, if somebody asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SumsSource<'d> {
    /// Their bytes.
    Bytes(&'d [u8]),
    /// The times of the connections, sorted.
    Times(&'d [i64]),
}

impl<'d> BlockSketch<'d> {
    /// Of connections at `times_ms` (sorted); `None` of none.
    pub fn from_times(times_ms: &'d [i64]) -> Option<BlockSketch<'d>> {
        Some(BlockSketch {
            span_ms: (*times_ms.first()?, *times_ms.last()?),
            connections: times_ms.len() as u64,
            intervals_ms: shortest_and_longest(times_ms),
            spread: None,
            sums: SumsSource::Times(times_ms),
        })
    }

    /// Of a block with this span and number of connections, for which [`encode`] has made these bytes;
    /// `None` where that was another version of it.
    pub fn decode(
        span_ms: (i64, i64),
        connections: u64,
        bytes: &'d [u8],
    ) -> Result<Option<BlockSketch<'d>>, DecodeError> {
        let Some(mut bytes) = bytes.strip_prefix(&VERSION.to_le_bytes()) else {
            return Ok(None);
        };
        let milliseconds = |number| i64::try_from(number).map_err(|_| DecodeError::Overflow);
        let (mut intervals_ms, mut spread) = (None, Some(Spread::NONE));
        if connections > 1 {
            let shortest_ms = milliseconds(take_varint(&mut bytes)?)?;
            intervals_ms = Some((shortest_ms, milliseconds(take_varint(&mut bytes)?)?));
            spread = Spread::take(&mut bytes)?;
        }
        let sums = SumsSource::Bytes(bytes);
        Ok(Some(BlockSketch { span_ms, connections, intervals_ms, spread, sums }))
    }
}

/// Appends to `out` the sketch of a block with connections at `times_ms` (sorted): [`VERSION`] in two
/// bytes, the bounds and the spread of the intervals if there are any, and the sums of `bytes`.
pub fn encode(times_ms: &[i64], out: &mut Vec<u8>) {
    out.extend(VERSION.to_le_bytes());
    if let Some((shortest_ms, longest_ms)) = shortest_and_longest(times_ms) {
        put_varint(shortest_ms as u64, out);
        put_varint(longest_ms as u64, out);
        Spread::from_times(times_ms, longest_ms as u64).unwrap_or(Spread::NONE).put(out);
    }
    out.extend(bytes::from_times(times_ms));
}

/// The sketch of a group's connections in a window, put together from those of its blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    /// How many there are, and their bounds.
    pub outline: Outline,
    /// What each hypothesis makes of them, with pairs missing.
    pub rhythm: RhythmSums,
    /// How often one interval comes back within an hour, at most.
    pub repetition: Repetition,
}

impl Sketch {
    /// Adds the block that comes next in time.
    pub fn add(&mut self, block: &BlockSketch<'_>) -> Result<(), DecodeError> {
        let gap_ms = self.outline.gap_before(block);
        let hours = match block.sums {
            SumsSource::Bytes(bytes) => bytes::add(bytes, gap_ms, &mut self.rhythm)?,
            SumsSource::Times(times_ms) => {
                bytes::add(&bytes::from_times(times_ms), gap_ms, &mut self.rhythm)?
            }
        };
        self.repetition.add(block.span_ms, &hours);
        self.outline.add(block);
        Ok(())
    }
}
