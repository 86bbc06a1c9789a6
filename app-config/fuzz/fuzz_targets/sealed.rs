//! A sealed config file: its header, what opens it, and what is in it.
#![no_main]

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex};

use app_config::{Identities, Recipient, SealedHeader, decode, is_sealed, open, seal};
use app_config_fuzz::memory::{READING_BYTES, within};
use app_config_fuzz::{keys, seal as sealed_file};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static IDENTITIES: LazyLock<Identities> = LazyLock::new(keys::opener);
static RECIPIENTS: LazyLock<Vec<Recipient>> = LazyLock::new(|| IDENTITIES.recipients());

/// Contents that were looked at. There are few: nobody changes the content of a file that still opens.
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
    assert!(header.expect("it was opened").recipients() > 0, "opened by nobody's key");
    if !SEEN.lock().expect("nothing panics with it").insert(plain.to_vec()) {
        return;
    }
    let _either = within(READING_BYTES, || decode(&plain));
    // Of what is sealed itself, or would be too large with a longer header, no file is made.
    if let Ok(again) = seal(&plain, &RECIPIENTS) {
        assert_eq!(*open(&again, &IDENTITIES).expect("it was just sealed"), *plain);
    }
});
