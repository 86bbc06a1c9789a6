//! What is read of a segment, and what counts as absent.

use capnp::message::SegmentArray;
use proptest::prelude::*;

use super::*;

fn of(last: &[u8]) -> (Option<Duration>, Option<Vec<u8>>) {
    let segments = [&[0_u8; 8][..], last];
    let segments = SegmentArray::new(&segments);
    let extra = Extra::of(&segments);
    (extra.remaining, extra.error.map(<[u8]>::to_vec))
}

fn nothing() -> (Option<Duration>, Option<Vec<u8>>) {
    (None, None)
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_sent_as_the_time_that_is_left() {
    let sent =
        |micros| of(&deadline_segment(Instant::now() + Duration::from_micros(micros))).0.unwrap().as_millis();
    assert_eq!(
        [sent(0), sent(1), sent(1000), sent(1001), sent(u64::from(u32::MAX) * 4000)],
        [0, 1, 1, 2, 0xffff_ffff]
    );
    tokio::time::advance(Duration::from_millis(5)).await;
    let past = deadline_segment(Instant::now() - Duration::from_millis(1));
    assert_eq!(of(&past).0, Some(Duration::ZERO));
}

#[test]
fn an_error_is_sent_whole_or_not_at_all() {
    for length in [0, 1, 8, 9, MAX_ERROR_BYTES] {
        let error = vec![7; length];
        assert_eq!(of(&error_segment(&error).unwrap()), (None, Some(error)));
    }
    assert_eq!(error_segment(&vec![7; MAX_ERROR_BYTES + 1]), None);
}

#[test]
fn what_is_unknown_is_skipped_and_the_first_of_a_kind_counts() {
    let deadline =
        |millis: u32| [entry(DEADLINE, 4).to_vec(), millis.to_le_bytes().to_vec(), vec![0; 4]].concat();
    let unknown = [entry(900, 3).to_vec(), vec![1; 8]].concat();
    let segment = [MAGIC.to_le_bytes().to_vec(), unknown.clone(), deadline(5), deadline(6), unknown].concat();
    assert_eq!(of(&segment), (Some(Duration::from_millis(5)), None));
    let too_long = [entry(ERROR, MAX_ERROR_BYTES as u32 + 8).to_vec(), vec![0; MAX_ERROR_BYTES + 8]].concat();
    let segment = [MAGIC.to_le_bytes().to_vec(), too_long, deadline(5)].concat();
    assert_eq!(of(&segment), (Some(Duration::from_millis(5)), None));
}

fn caller_of(last: &[u8]) -> Option<CallerTrace> {
    let segments = [&[0_u8; 8][..], last];
    Extra::of(&SegmentArray::new(&segments)).caller()
}

fn caller(state: &str) -> CallerTrace {
    CallerTrace { trace: [0xab; 16], span: [0xcd; 8], sampled: true, trusted: true, state: state.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn the_callers_span_is_sent_with_the_deadline_and_without() {
    let deadline = Instant::now() + Duration::from_millis(5);
    for state in ["", "a=1", "vendor=value,other=2", &"x".repeat(512)] {
        for (sampled, trusted) in [(true, true), (false, true), (true, false), (false, false)] {
            let sent = CallerTrace { sampled, trusted, ..caller(state) };
            let segment = call_segment(Some(deadline), Some(&sent)).unwrap();
            assert_eq!(caller_of(segment.bytes()), Some(sent.clone()));
            assert_eq!(of(segment.bytes()).0, Some(Duration::from_millis(5)));
            assert_eq!(segment.bytes().len() % WORD, 0);
            let segment = call_segment(None, Some(&sent)).unwrap();
            assert_eq!((caller_of(segment.bytes()), of(segment.bytes())), (Some(sent), nothing()));
        }
    }
    let segment = call_segment(Some(deadline), None).unwrap();
    assert_eq!((caller_of(segment.bytes()), segment.bytes()), (None, &deadline_segment(deadline)[..]));
    assert!(call_segment(None, None).is_none());
}

#[test]
fn a_span_that_is_too_short_counts_as_absent_and_spoils_nothing_else() {
    let magic = MAGIC.to_le_bytes().to_vec();
    let short = [magic.clone(), entry(TRACE, 24).to_vec(), vec![1; 24]].concat();
    assert_eq!(caller_of(&short), None);
    let with_deadline = [short, deadline_segment_of(7)[8..].to_vec()].concat();
    assert_eq!((caller_of(&with_deadline), of(&with_deadline).0), (None, Some(Duration::from_millis(7))));
    // A state that is too long is left out.
    for (length, expected) in [(MAX_STATE_BYTES, MAX_STATE_BYTES), (MAX_STATE_BYTES + 1, 0)] {
        let segment = call_segment(None, Some(&caller(&"x".repeat(length)))).unwrap();
        assert_eq!(caller_of(segment.bytes()).unwrap().state.len(), expected);
    }
    // Flags beyond the two lowest bits have no meaning, and a state that is no text is left out.
    let odd = [magic, entry(TRACE, 27).to_vec(), vec![1; 24], vec![0xfc, 0xff, 0xff], vec![0; 5]].concat();
    let read = caller_of(&odd).unwrap();
    assert_eq!((read.sampled, read.trusted, read.state.as_str()), (false, true, ""));
}

#[test]
fn what_is_malformed_counts_as_absent() {
    let magic = MAGIC.to_le_bytes().to_vec();
    let whole = deadline_segment_of(7);
    assert_eq!(of(&whole), (Some(Duration::from_millis(7)), None));
    let bad = [
        vec![],
        whole[8..].to_vec(),
        whole[..20].to_vec(),
        whole[..16].to_vec(),
        whole[..12].to_vec(),
        [whole.clone(), vec![1; 8]].concat(),
        [magic.clone(), entry(DEADLINE, 8).to_vec(), vec![0; 8]].concat(),
        [magic.clone(), entry(DEADLINE, 0).to_vec()].concat(),
        [magic.clone(), entry(ERROR, u32::MAX).to_vec(), vec![0; 8]].concat(),
        [magic.clone(), entry(900, 0).repeat(MAX_ENTRIES + 1)].concat(),
        [magic.clone(), vec![0; MAX_BYTES]].concat(),
    ];
    for segment in bad {
        assert_eq!(of(&segment), nothing(), "{segment:x?}");
    }
    assert_eq!(of(&magic), nothing());
    // A message of one segment has none beside.
    let only = [&whole[..]];
    assert_eq!(Extra::of(&SegmentArray::new(&only)), Extra::default());
}

fn deadline_segment_of(millis: u32) -> Vec<u8> {
    [MAGIC.to_le_bytes().to_vec(), entry(DEADLINE, 4).to_vec(), millis.to_le_bytes().to_vec(), vec![0; 4]]
        .concat()
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(rest in prop::collection::vec(any::<u8>(), 0..200)) {
        let segment = [MAGIC.to_le_bytes().to_vec(), rest].concat();
        let (_, error) = of(&segment);
        let _ = caller_of(&segment);
        prop_assert!(error.is_none_or(|error| error.len() <= segment.len()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_belongs_to_its_task_and_inner_calls_end_with_it() {
    assert_eq!(deadline(), None);
    let outer = Instant::now() + Duration::from_secs(2);
    with_deadline(outer, async {
        assert_eq!(deadline(), Some(outer));
        assert_eq!(deadline_within(Duration::from_secs(10)), outer);
        assert_eq!(deadline_within(Duration::from_secs(1)), Instant::now() + Duration::from_secs(1));
    })
    .await;
    assert_eq!(deadline_within(Duration::from_secs(10)), Instant::now() + Duration::from_secs(10));
}
