//! Numbers: which are kept, and which are refused because they would change.

use proptest::prelude::*;

use super::*;

#[test]
fn whole_numbers_are_exact_to_the_last_of_64_bits() {
    let max = i128::from(u64::MAX);
    assert_eq!(whole("18446744073709551615", 0, max), Ok(max));
    assert_eq!(whole("18446744073709551616", 0, max), Err(Wrong::OutOfRange { min: 0, max }));
    assert_eq!(whole("-0", 0, max), Ok(0));
    let digits = "9".repeat(10_000);
    let refused = whole(&digits, -128, 127).unwrap_err().found(&digits);
    assert_eq!(refused, format!("must be from -128 to 127, found {}..", "9".repeat(40)));
    for text in ["1.0", "1e2", "1E2", "0.5"] {
        assert_eq!(whole(text, 0, max), Err(Wrong::NotWhole), "{text}");
    }
}

#[test]
fn hex_needs_its_prefix_and_fits_64_bits() {
    assert_eq!(hex("0xE3054017c1b1d214"), Ok(0xe305_4017_c1b1_d214));
    assert_eq!(hex("0X0"), Ok(0));
    assert_eq!(hex("0x00000000000000000002"), Ok(2));
    for text in ["", "0x", "12", "x2", "0x+2", "0x-2", "0x2_2", " 0x2", "0x2 ", "0xg"] {
        assert_eq!(hex(text), Err(Wrong::NotHex), "{text}");
    }
    assert_eq!(hex("0x10000000000000000"), Err(Wrong::HexTooLong));
}

#[test]
fn floats_that_come_back_as_they_were_written_are_kept() {
    for text in [
        "0",
        "-0.0",
        "0.1",
        "0.30000000000000004",
        "1e3",
        "100",
        "1.50",
        "9007199254740992",
        "1.7976931348623157e308",
        "5e-324",
        "4.94e-324",
        "1E+2",
        "0e99999999999999999999",
        // All digits of the float.
        "0.1000000000000000055511151231257827021181583404541015625",
        // The shortest digits of a power of two. They are not the nearest number with as many digits.
        "5.684341886080802e-14",
    ] {
        let value: f64 = text.parse().unwrap();
        assert_eq!(float64(text).map(f64::to_bits), Ok(value.to_bits()), "{text}");
    }
}

#[test]
fn floats_that_would_change_are_refused() {
    for (text, nearest) in [
        ("9007199254740993", "9007199254740992.0"),
        ("0.30000000000000001", "0.3"),
        ("0.1000000000000000055511151231257827021181583404541015626", "0.1"),
        ("1e-400", "0.0"),
        ("-1e-99999999999999999999", "-0.0"),
    ] {
        assert_eq!(float64(text), Err(Wrong::Inexact { nearest: nearest.to_owned() }), "{text}");
    }
    assert!(matches!(float64(&format!("0.{}", "3".repeat(100_000))), Err(Wrong::Inexact { .. })));
    for text in ["1e309", "-1e309", "1e99999999999999999999"] {
        assert_eq!(float64(text), Err(Wrong::TooLarge { max: "1.7976931348623157e308".to_owned() }));
    }
}

#[test]
fn short_floats_have_the_limits_of_32_bits() {
    assert_eq!(float32("0.1"), Ok(0.1));
    assert_eq!(float32("16777216"), Ok(16_777_216.0));
    assert_eq!(float32("16777217"), Err(Wrong::Inexact { nearest: "16777216.0".to_owned() }));
    assert_eq!(float32("1e39"), Err(Wrong::TooLarge { max: "3.4028235e38".to_owned() }));
}

proptest! {
    #[test]
    fn every_float_is_kept_in_its_shortest_form(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        prop_assert_eq!(float64(&format!("{value:?}")).map(f64::to_bits), Ok(bits));
        let value = f32::from_bits(bits as u32);
        prop_assume!(value.is_finite());
        prop_assert_eq!(float32(&format!("{value:?}")).map(f32::to_bits), Ok(bits as u32));
    }

    #[test]
    fn powers_of_two_are_kept_in_their_shortest_form(exponent in 1_u64..2047) {
        let value = f64::from_bits(exponent << 52);
        prop_assert_eq!(float64(&format!("{value:?}")).map(f64::to_bits), Ok(value.to_bits()));
    }

    #[test]
    fn whatever_number_is_accepted_is_the_number(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?") {
        if let Ok(value) = float64(&text) {
            prop_assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(value.to_bits()));
        }
        let _no_panic = (float32(&text), whole(&text, -5, 5), hex(&text));
    }
}
