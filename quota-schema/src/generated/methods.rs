// @generated from the interfaces in `capnp/` by the example of this crate.

pub(crate) static METHODS: &[(u64, &str, u16, &str)] = &[
    (0xe472019f31e4976f, "Quota", 0, "acquire"),
    (0xe472019f31e4976f, "Quota", 1, "rules"),
];
