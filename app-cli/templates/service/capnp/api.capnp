# The service my-service: its config, its interface over RPC, and its messages.
#
# The ids, the ordinals and the types are a contract with files and clients. Extend a struct only at its end.

@0x9d00000000000001;

struct Config @0x9d00000000000002 {
  # The config of the service.

  greeting @0 :Text = "Hello";
  # The word before the name of a guest. Default: "Hello". Bounds: 1 to 100 bytes.

  mostBytes @1 :UInt32 = 100;
  # The longest name of a guest, in bytes. Default: 100. Bounds: 1 to 1000.
}

struct Guest @0x9d00000000000003 {
  # A stored message: a guest is to be greeted.

  name @0 :Text;
  # The name of the guest. A message with a bad one becomes a dead letter.
}

struct HelloParams @0x9d00000000000010 {
  # What to greet.

  name @0 :Text;
  # The name of the guest.
}

struct HelloResults @0x9d00000000000011 {
  # A greeting.

  text @0 :Text;
  # The greeting.

  number @1 :UInt64;
  # The number of this guest, from 1.
}

interface Greeter @0x9d00000000000012 {
  # The service over RPC.

  hello @0 HelloParams -> HelloResults;
  # Greets a guest. A name that is empty or too long is an error.
}
