// @generated from the interfaces in `capnp/` by the example of this crate.

pub(crate) static METHODS: &[(u64, &str, u16, &str)] = &[
    (0x9d00000000000012, "Greeter", 0, "hello"),
];
