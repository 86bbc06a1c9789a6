// @generated from the comments in `capnp/` by the example of this crate.

pub(crate) static DOCS: &[(u64, &str, &str)] = &[
    (0x9d00000000000002, "", "The config of the service."),
    (0x9d00000000000002, "greeting", "The word before the name of a guest. Default: \"Hello\". Bounds: 1 to 100 bytes."),
    (0x9d00000000000002, "mostBytes", "The longest name of a guest, in bytes. Default: 100. Bounds: 1 to 1000."),
    (0x9d00000000000003, "", "A stored message: a guest is to be greeted."),
    (0x9d00000000000003, "name", "The name of the guest. A message with a bad one becomes a dead letter."),
    (0x9d00000000000010, "", "What to greet."),
    (0x9d00000000000010, "name", "The name of the guest."),
    (0x9d00000000000011, "", "A greeting."),
    (0x9d00000000000011, "text", "The greeting."),
    (0x9d00000000000011, "number", "The number of this guest, from 1."),
];
