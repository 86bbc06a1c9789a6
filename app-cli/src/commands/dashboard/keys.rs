//! The keys of instances, which stay the same while the page runs.
//!
//! An instance has the name of its context as its key. If the context has several instances, the key has the address too:
//! `prod@10.0.0.7:44228`. A page watches an instance by its key, and loses its history with the key. So:
//!
//! 1. A context that had several instances keeps the addresses in the keys when one instance is left.
//! 2. A lookup that fails changes nothing.

use std::collections::HashMap;
use std::net::SocketAddr;

use app_dashboard::Instance;

use crate::connect::instances::{each, split};
use crate::contexts::Address;

/// What the last lookups found.
#[derive(Default)]
pub(super) struct Keys {
    contexts: HashMap<String, Known>,
}

/// What is known of a context.
struct Known {
    addresses: Vec<Behind>,
    /// Whether there were several instances at a time.
    several: bool,
}

/// What is behind an address of the file.
struct Behind {
    address: Address,
    instances: Vec<Address>,
    /// Whether there were several instances at a time. Then even the last one goes by its own address.
    several: bool,
}

impl Keys {
    /// Forgets the contexts that are no longer in the file.
    pub(super) fn keep(&mut self, is_in_file: impl Fn(&str) -> bool) {
        self.contexts.retain(|name, _| is_in_file(name));
    }

    /// The instances of a context, by its addresses in the file and what a lookup of each found.
    pub(super) fn take(
        &mut self,
        context: &str,
        addresses: &[Address],
        found: Vec<Option<Vec<SocketAddr>>>,
    ) -> Vec<Instance> {
        let known = self.contexts.entry(context.to_owned()).or_insert_with(|| Known::of(addresses));
        if !known.addresses.iter().map(|behind| &behind.address).eq(addresses) {
            // Another list in the file is another context.
            *known = Known::of(addresses);
        }
        for (behind, found) in known.addresses.iter_mut().zip(found) {
            if let Some(found) = found {
                behind.take(&found);
            }
        }
        let mut instances: Vec<&Address> = Vec::new();
        for instance in known.addresses.iter().flat_map(|behind| &behind.instances) {
            if !instances.contains(&instance) {
                instances.push(instance);
            }
        }
        known.several |= instances.len() > 1;
        let several = known.several;
        let instances = instances.into_iter().map(|address| {
            let key = if several { format!("{context}@{address}") } else { context.to_owned() };
            Instance { key, context: context.to_owned(), address: address.to_string() }
        });
        instances.collect()
    }
}

impl Known {
    fn of(addresses: &[Address]) -> Self {
        let behind = addresses.iter().map(|address| Behind {
            address: address.clone(),
            instances: vec![address.clone()],
            several: false,
        });
        Self { addresses: behind.collect(), several: false }
    }
}

impl Behind {
    fn take(&mut self, found: &[SocketAddr]) {
        self.instances = if self.several { each(found) } else { split(&self.address, found) };
        self.several |= self.instances.len() > 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(keys: &mut Keys, addresses: &[&str], found: &[Option<&[&str]>]) -> Vec<(String, String)> {
        let addresses: Vec<Address> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let sockets = |found: &[&str]| found.iter().map(|found| found.parse().unwrap()).collect();
        let found = found.iter().map(|found| found.map(sockets)).collect();
        let instances = keys.take("prod", &addresses, found);
        instances.into_iter().map(|instance| (instance.key, instance.address)).collect()
    }

    fn pair(key: &str, address: &str) -> (String, String) {
        (key.to_owned(), address.to_owned())
    }

    #[test]
    fn an_instance_keeps_its_key_when_the_others_go_and_when_a_lookup_fails() {
        let mut keys = Keys::default();
        let mut look = |found| take(&mut keys, &["app:1"], &[found]);
        assert_eq!(look(None), [pair("prod", "app:1")], "nothing is known yet");
        assert_eq!(look(Some(&["10.0.0.1:1"])), [pair("prod", "app:1")]);
        assert_eq!(look(Some(&["127.0.0.1:1", "[::1]:1"])), [pair("prod", "app:1")], "one machine");
        let both = [pair("prod@10.0.0.1:1", "10.0.0.1:1"), pair("prod@10.0.0.2:1", "10.0.0.2:1")];
        assert_eq!(look(Some(&["10.0.0.1:1", "10.0.0.2:1"])), both);
        assert_eq!(look(None), both);
        assert_eq!(look(Some(&["10.0.0.1:1"])), both[..1], "the other one has gone");
        assert_eq!(look(None), both[..1]);
    }

    #[test]
    fn several_addresses_in_the_file_have_a_key_each_and_another_file_begins_anew() {
        let mut keys = Keys::default();
        let found = [Some(&["10.0.0.1:1"][..]), None];
        let both = [pair("prod@a:1", "a:1"), pair("prod@b:1", "b:1")];
        assert_eq!(take(&mut keys, &["a:1", "b:1"], &found), both);
        assert_eq!(take(&mut keys, &["a:1"], &found[..1]), [pair("prod", "a:1")]);
        keys.keep(|_| false);
        assert!(keys.contexts.is_empty());
    }
}
