//! The parts that time goes into, one by one: `cargo bench --bench parts`.

use beacon_candidates::beacon::detectors::{periodic, repetitive_interval};
use beacon_candidates::beacon::intervals::IntervalDistribution;
use beacon_candidates::beacon::rita;
use beacon_candidates::beacon::sketch::{Outline, encode as encode_sketch};
use beacon_candidates::cache::block::{CAPACITY, decode, decode_times, encode};
use beacon_candidates::cache::{Connection, DecodedBlock, Parts};
use beacon_candidates::journal::reader::{self, Source};
use beacon_candidates::journal::{ConnectionEvent, JournalSink, ProcessEvent, Rejection};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn main() {
    divan::main();
}

/// A day that begins here, in unix milliseconds.
const DAY: (i64, i64) = (1_790_035_200_000, 1_790_121_599_999);

/// Connections of a beacon: every minute, give or take a fifth.
fn beacon(count: usize) -> Vec<i64> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut time_ms = DAY.0;
    let times = std::iter::repeat_with(|| {
        time_ms += random.random_range(48_000..72_000);
        time_ms
    });
    times.take(count).collect()
}

/// Connections at random.
fn at_random(count: usize) -> Vec<i64> {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut times: Vec<i64> =
        (0..count).map(|_| DAY.0 + random.random_range(0..86_400_000)).collect();
    times.sort_unstable();
    times
}

fn block() -> Vec<Connection> {
    let connection = |time_ms: i64| Connection {
        time_ms,
        instance: 1 + (time_ms % 2) as u32,
        domain: 7,
        bytes_sent: Some(time_ms as u64 % 1500),
        bytes_received: Some(time_ms as u64 % 9000),
    };
    at_random(CAPACITY).into_iter().map(connection).collect()
}

mod codec {
    use super::*;

    #[divan::bench]
    fn encode_block(bencher: Bencher<'_, '_>) {
        let connections = block();
        bencher.counter(ItemsCount::new(CAPACITY)).bench(|| encode(black_box(&connections)));
    }

    #[divan::bench]
    fn decode_block(bencher: Bencher<'_, '_>) {
        let (bytes, mut decoded) = (encode(&block()), DecodedBlock::default());
        bencher
            .counter(ItemsCount::new(CAPACITY))
            .bench_local(|| decode(black_box(&bytes), Parts::ALL, &mut decoded));
    }

    #[divan::bench]
    fn decode_times_of_block(bencher: Bencher<'_, '_>) {
        let (bytes, mut scratch, mut times) = (encode(&block()), Vec::new(), Vec::new());
        bencher.counter(ItemsCount::new(CAPACITY)).bench_local(|| {
            times.clear();
            decode_times(black_box(&bytes), &mut scratch, &mut times)
        });
    }
}

mod statistics {
    use super::*;

    #[divan::bench(args = [20, 200, 20_000])]
    fn median_and_deviation(bencher: Bencher<'_, '_>, count: usize) {
        let times = at_random(count);
        let outline = Outline::from_times(&times).unwrap_or_default();
        bencher
            .counter(ItemsCount::new(count))
            .bench(|| IntervalDistribution::from_times(black_box(&times), &outline));
    }

    #[divan::bench(args = [20, 200, 20_000])]
    fn repetitive(bencher: Bencher<'_, '_>, count: usize) {
        const SENTINEL: repetitive_interval::Thresholds =
            repetitive_interval::Thresholds { time_delta: 10.0, total_events: 15, percent: 95.0 };
        let times = at_random(count);
        bencher
            .counter(ItemsCount::new(count))
            .bench(|| repetitive_interval::find(black_box(&times), &SENTINEL));
    }

    #[divan::bench(args = [20, 200, 20_000])]
    fn rita_scores(bencher: Bencher<'_, '_>, count: usize) {
        let times = at_random(count);
        bencher.counter(ItemsCount::new(count)).bench(|| rita::scores(black_box(&times), &[], DAY));
    }
}

mod rhythm {
    use super::*;

    #[divan::bench(args = [20, 200, 20_000])]
    fn sketch(bencher: Bencher<'_, '_>, count: usize) {
        let times = at_random(count);
        bencher.counter(ItemsCount::new(count)).bench(|| {
            let mut sketch = Vec::new();
            encode_sketch(black_box(&times), &mut sketch);
            sketch
        });
    }

    #[divan::bench(args = [20, 200, 20_000])]
    fn score_of_beacon(bencher: Bencher<'_, '_>, count: usize) {
        let times = beacon(count);
        bencher.counter(ItemsCount::new(count)).bench(|| periodic::rhythm(black_box(&times)));
    }
}

mod journal {
    use super::*;

    /// Takes everything and keeps nothing.
    struct Nobody;

    impl JournalSink for Nobody {
        type Error = std::convert::Infallible;

        fn connection(&mut self, event: &ConnectionEvent<'_>) -> Result<(), Self::Error> {
            black_box(event);
            Ok(())
        }

        fn process(&mut self, event: &ProcessEvent<'_>) -> Result<(), Self::Error> {
            black_box(event);
            Ok(())
        }

        fn rejected(&mut self, rejection: Rejection) {
            black_box(rejection);
        }
    }

    fn read(bencher: Bencher<'_, '_>, lines: String) {
        bencher
            .counter(ItemsCount::new(1000_usize))
            .with_inputs(|| Source::from_reader("bench", std::io::Cursor::new(lines.clone())))
            .bench_values(|source| source.map(|source| reader::read(source, None, &mut Nobody)));
    }

    #[divan::bench]
    fn ndjson(bencher: Bencher<'_, '_>) {
        let line = |time: i64| {
            format!(
                "{{\"time\":{}.{:03},\"pathname\":\"/usr/bin/curl\",\"sophosPID\":\"977:1342352\
                 87520000000\",\"destination\":\"203.0.113.9\",\"destinationport\":443,\
                 \"protocol\":\"tcp\",\"bytes_sent\":812,\"bytes_received\":4410}}\n",
                time / 1000,
                time % 1000
            )
        };
        read(bencher, at_random(1000).into_iter().map(line).collect());
    }

    #[divan::bench]
    fn zeek_tsv(bencher: Bencher<'_, '_>) {
        let header = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\t\
                      id.resp_h\tid.resp_p\tproto\tconn_state\torig_ip_bytes\tresp_ip_bytes\n";
        let line = |time: i64| {
            format!(
                "{}.{:03}000\tCk{time}\t10.0.0.5\t5{}\t203.0.113.9\t443\ttcp\tSF\t812\t4410\n",
                time / 1000,
                time % 1000,
                time % 1000
            )
        };
        let lines: String = at_random(1000).into_iter().map(line).collect();
        read(bencher, format!("{header}{lines}"));
    }
}
