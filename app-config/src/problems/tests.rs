//! Problems: their paths and their texts.

use super::*;

fn lines(problems: Problems) -> Vec<String> {
    problems.into_vec().iter().map(ToString::to_string).collect()
}

#[test]
fn a_problem_prints_the_path_of_its_field() {
    let mut problems = Problems::new();
    problems.at("metricSpecs").field("counterSpecs").index(1).field("help").add("must not be empty");
    problems.at("httpPort").add("is 0");
    problems.add("has no rules");
    assert_eq!(
        lines(problems),
        ["metricSpecs.counterSpecs[1].help: must not be empty", "httpPort: is 0", "has no rules"]
    );
}

#[test]
fn places_of_lists_in_lists_and_of_siblings_keep_apart() {
    let mut problems = Problems::new();
    let mut table = problems.at("table");
    for row in 0..2 {
        let mut row = table.index(row);
        for column in 0..2 {
            row.index(column).add("x");
        }
        row.field("a").field("b").add("x");
        row.add("y");
    }
    drop(table);
    assert_eq!(
        lines(problems),
        [
            "table[0][0]: x",
            "table[0][1]: x",
            "table[0].a.b: x",
            "table[0]: y",
            "table[1][0]: x",
            "table[1][1]: x",
            "table[1].a.b: x",
            "table[1]: y",
        ]
    );
}

#[test]
fn a_reason_is_one_line_of_bounded_length() {
    let mut problems = Problems::new();
    problems.add("two\nlines\u{1b}[31m");
    problems.add(Expected::of_code("x".repeat(10_000)));
    let lines = lines(problems);
    assert_eq!(lines[0], "two\\nlines\\u{1b}[31m");
    assert_eq!(lines[1].len(), MAX_REASON_CHARS + 2);
}

#[test]
fn very_many_problems_are_counted() {
    let mut problems = Problems::new();
    for index in 0..250 {
        problems.at("rules").index(index).add("is bad");
    }
    assert_eq!(problems.len(), 250);
    let lines = lines(problems);
    assert_eq!((lines.len(), lines[100].as_str()), (101, "has 150 more problems"));
}

#[test]
fn text_of_a_file_is_escaped_and_shortened() {
    assert_eq!(quoted("a\"b\nc"), "\"a\\\"b\\nc\"");
    assert_eq!(quoted(&"ü".repeat(100)), format!("\"{}..\"", "ü".repeat(60)));
}

#[test]
fn values_are_left_out_of_the_problems_of_a_sealed_config() {
    let told = |mut problems: Problems| {
        problems.at("port").add_found("must be 1 to 65535", 70_000);
        problems.at("names").index(1).add_in_full("is there twice", "\"hunter2\" is there twice");
        problems.at("burst").add_found(Expected::of_code(format_args!("must be at most {}", 9)), "hunter2");
        problems.at("key").value(capnp::Result::<()>::Err(capnp::Error::failed("hunter2".to_owned())));
        lines(problems)
    };
    assert_eq!(
        told(Problems::hiding_values()),
        [
            "port: must be 1 to 65535",
            "names[1]: is there twice",
            "burst: must be at most 9",
            "key: is malformed"
        ]
    );
    assert_eq!(
        told(Problems::new())[..3],
        [
            "port: must be 1 to 65535, found 70000",
            "names[1]: \"hunter2\" is there twice",
            "burst: must be at most 9, found hunter2"
        ]
    );
}
