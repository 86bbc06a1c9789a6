# The mail service.

@0xba71ffb2d32c9e3c;

struct MailSpec @0x975f9d32cab14923 {
  # Config of the mail service: how fast it sends.

  perMinute @0 :UInt32 = 60;
  # How many mails it sends in a minute. Default: 60. Bounds: 1 or more.

  footer @1 :Text;
  # The last line of each mail. Default: none. Example: "Sent by a program."
}
