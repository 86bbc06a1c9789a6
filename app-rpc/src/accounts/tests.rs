//! Accounts on paused time: one for each certificate, and no longer than necessary.

use super::*;
use crate::connection::Credit;

fn identity(number: u32) -> [u8; 32] {
    let mut identity = [0; 32];
    identity[..4].copy_from_slice(&number.to_be_bytes());
    identity
}

/// Denies calls until their pace lasts for this long.
fn run_up(slot: &AccountSlot, pace: Duration) {
    let now = Instant::now();
    while !slot.account().denials.lock().are_paced(now + pace) {
        slot.account().next_denial(now);
    }
}

/// Opens and closes a connection for each of these certificates. They leave nothing to keep.
fn crowd(accounts: &Accounts, numbers: std::ops::Range<u32>) {
    for number in numbers {
        drop(accounts.enter(identity(number), 1, false).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn all_connections_of_a_certificate_have_one_account() {
    let accounts = Accounts::new(0, 0);
    let first = accounts.enter(identity(1), 2, false).unwrap();
    let second = accounts.enter(identity(1), 2, false).unwrap();
    assert!(Arc::ptr_eq(first.account(), second.account()));
    assert_eq!(accounts.enter(identity(1), 2, false).err(), Some(Full));
    let other = accounts.enter(identity(2), 2, false).unwrap();
    assert!(!Arc::ptr_eq(first.account(), other.account()));
    drop(second);
    assert!(accounts.enter(identity(1), 2, false).is_ok());
}

#[tokio::test(start_paused = true)]
async fn denials_are_paced_over_all_connections_and_by_certificate() {
    let accounts = Accounts::new(0, 0);
    let slots = [1, 1, 2].map(|number| accounts.enter(identity(number), 9, false).unwrap());
    let now = Instant::now();
    for number in 0..20 {
        assert_eq!(slots[number % 2].account().next_denial(now), now, "denial {number}");
    }
    assert_eq!(slots[0].account().next_denial(now), now + Duration::from_millis(100));
    assert_eq!(slots[1].account().next_denial(now), now + Duration::from_millis(200));
    assert_eq!(slots[2].account().next_denial(now), now, "another certificate does not wait");
}

#[tokio::test(start_paused = true)]
async fn to_connect_again_does_not_end_the_pace_of_denials() {
    let accounts = Accounts::new(0, 0);
    let slot = accounts.enter(identity(0), 1, false).unwrap();
    run_up(&slot, REMEMBERED * 2);
    drop(slot);
    crowd(&accounts, 1..1000);
    let slot = accounts.enter(identity(0), 1, false).unwrap();
    assert!(slot.account().next_denial(Instant::now()) > Instant::now() + REMEMBERED);
    drop(slot);
    // The account stays only for a limited time.
    tokio::time::advance(REMEMBERED + Duration::from_secs(1)).await;
    crowd(&accounts, 1..1000);
    let slot = accounts.enter(identity(0), 1, false).unwrap();
    assert_eq!(slot.account().next_denial(Instant::now()), Instant::now());
}

#[tokio::test(start_paused = true)]
async fn accounts_are_bounded_however_many_certificates_there_are() {
    let accounts = Accounts::new(0, 0);
    crowd(&accounts, 0..10_000);
    assert!(accounts.len() <= SPARE, "{} without anything to remember", accounts.len());
    for number in 0..10_000 {
        let slot = accounts.enter(identity(number), 1, false).unwrap();
        run_up(&slot, REMEMBERED);
    }
    assert!(accounts.len() <= MAX_CLOSED * 2 + SPARE, "{} that are paced", accounts.len());
    // The accounts that closed last are kept.
    let last = accounts.enter(identity(9_999), 1, false).unwrap();
    assert!(last.account().next_denial(Instant::now()) > Instant::now());
}

#[tokio::test(start_paused = true)]
async fn clients_with_a_grant_have_memory_when_all_others_have_taken_theirs() {
    let accounts = Accounts::new(4_000_000, 1_000_000);
    let credit = |number, is_granted| {
        let slot = accounts.enter(identity(number), 1, is_granted).unwrap();
        slot.account().memory().set_limit(2_000_000);
        (Credit::of_connection(slot.account().memory().clone()), slot)
    };
    let readers: Vec<_> = (0..8).map(|number| credit(number, false)).collect();
    let taken = readers.iter().filter(|(reader, _)| reader.charge(1_000_000)).count();
    assert_eq!(taken, 2, "what each connection takes of itself is charged too");
    let (operator, _seat) = credit(9, true);
    assert!(operator.charge(900_000));
    accounts.set_memory(8_000_000, 0);
    assert!(readers[7].0.charge(1_000_000));
}
