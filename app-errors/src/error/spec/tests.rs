//! Types, severities and specs.

use super::*;

const SPEC: ErrSpec = ErrSpec::new(ErrorId::new(0xe1), ErrorType::KnownEdgeCase, ErrorSeverity::Low);

#[test]
fn types_and_severities_have_the_numbers_of_the_wire_format() {
    assert_eq!(
        [ErrorType::Bug, ErrorType::KnownEdgeCase, ErrorType::Config].map(ErrorType::as_u8),
        [0, 1, 2]
    );
    let severities = [ErrorSeverity::Low, ErrorSeverity::Medium, ErrorSeverity::High, ErrorSeverity::Fatal];
    assert_eq!(severities.map(ErrorSeverity::as_u8), [0, 1, 2, 3]);
    assert!(severities.is_sorted());
}

#[test]
fn types_and_severities_print_as_in_json() {
    for error_type in [ErrorType::Bug, ErrorType::KnownEdgeCase, ErrorType::Config] {
        let json = serde_json::to_string(&error_type).unwrap();
        assert_eq!(json, format!("\"{error_type}\""));
        assert_eq!(serde_json::from_str::<ErrorType>(&json).unwrap(), error_type);
    }
    for severity in [ErrorSeverity::Low, ErrorSeverity::Medium, ErrorSeverity::High, ErrorSeverity::Fatal] {
        let json = serde_json::to_string(&severity).unwrap();
        assert_eq!(json, format!("\"{severity}\""));
        assert_eq!(serde_json::from_str::<ErrorSeverity>(&json).unwrap(), severity);
    }
    assert_eq!(ErrorType::KnownEdgeCase.to_string(), "known_edge_case");
    assert_eq!(format!("{:>6}", ErrorSeverity::Low), "   low");
}

#[test]
fn a_spec_captures_the_stack_unless_it_opts_out() {
    let service = ServiceId::new(1);
    assert!(SPEC.error(service).build().stack().is_some());
    assert!(SPEC.without_stack().error(service).build().stack().is_none());
    assert_eq!(ErrSpec { captures_stack: true, ..SPEC.without_stack() }, SPEC);
}

#[test]
fn the_location_is_captured_with_and_without_a_stack() {
    let service = ServiceId::new(1);
    for spec in [SPEC, SPEC.without_stack()] {
        let (error, line) = (spec.error(service).build(), line!());
        assert_eq!((error.location().file(), error.location().line()), (file!(), line));
        let (error, line) = (ServiceErrSpec::new(spec, service).error().build(), line!());
        assert_eq!((error.location().file(), error.location().line()), (file!(), line));
    }
}

#[test]
fn a_service_spec_raises_in_the_name_of_its_service() {
    let error = ServiceErrSpec { spec: SPEC, service: ServiceId::new(0x5e) }.error().build();
    assert_eq!(error.service(), ServiceId::new(0x5e));
    assert_eq!(error.spec(), &SPEC);
}
