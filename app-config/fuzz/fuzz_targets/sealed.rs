//! A sealed config file: its header, opening it, and its content.
#![no_main]

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex};

use app_config::codec::decode;
use app_config::sealing::{SealedHeader, is_sealed};
use app_config_fuzz::memory::{READING_BYTES, within};
use app_config_fuzz::{keys, seal as sealed_file};
use app_sealing::{ConfigIdentities, Recipient, open, seal};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static IDENTITIES: LazyLock<ConfigIdentities> = LazyLock::new(keys::opener);
static RECIPIENTS: LazyLock<Vec<Recipient>> = LazyLock::new(|| IDENTITIES.recipients());

/// Contents that were already checked. There are few: a file with changed content does not open.
static SEEN: LazyLock<Mutex<HashSet<Vec<u8>>>> = LazyLock::new(Mutex::default);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    sealed_file::mutate(data, size, max_size, seed)
});

fuzz_target!(|input: &[u8]| {
    LazyLock::force(&IDENTITIES);
    let header = within(READING_BYTES, || SealedHeader::read(input));
    let opened = within(READING_BYTES, || open(input, &IDENTITIES));
    let Ok(plain) = opened else { return };
    assert!(is_sealed(input));
    assert!(header.expect("it was opened").recipients() > 0, "opened without a recipient");
    if !SEEN.lock().expect("nothing panics with it").insert(plain.to_vec()) {
        return;
    }
    let _either = within(READING_BYTES, || decode(&plain));
    // `seal` refuses content that is sealed, or too large with a longer header.
    if let Ok(again) = seal(&plain, &RECIPIENTS) {
        assert_eq!(*open(&again, &IDENTITIES).expect("it was just sealed"), *plain);
    }
});
