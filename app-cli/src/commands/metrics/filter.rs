//! Which metrics are wanted: those that have a text in their name, help or labels.

/// The most bytes of lines about a metric, of which there are two or three.
const MOST_ABOUT: usize = 64 * 1024;

/// Lets lines through; those about a metric (`# HELP`, `# TYPE`) go with what is let through of it.
#[derive(Debug)]
pub(super) struct Filter {
    wanted: Vec<String>,
    /// Lines about the metric that comes, which are printed before its first line that is.
    about: String,
    /// The name in them.
    name: String,
    /// Whether they have the text, so that all of the metric is wanted.
    all: bool,
}

impl Filter {
    pub(super) fn new(wanted: Vec<String>) -> Self {
        Self { wanted, about: String::new(), name: String::new(), all: false }
    }

    /// Those of these lines that are wanted. A line is not divided between calls.
    pub(super) fn lines(&mut self, text: &str) -> String {
        if self.wanted.is_empty() {
            return text.to_owned();
        }
        let mut lines = String::new();
        for line in text.split_inclusive('\n') {
            self.line(line, &mut lines);
        }
        lines
    }

    fn line(&mut self, line: &str, lines: &mut String) {
        let Some(comment) = line.strip_prefix("# ") else {
            if self.all || self.has(line) {
                lines.push_str(&self.about);
                self.about.clear();
                lines.push_str(line);
            }
            return;
        };
        if comment.trim_end() == "EOF" {
            lines.push_str(line);
            return;
        }
        let mut words = comment.splitn(3, ' ');
        let name = words.nth(1).unwrap_or_default().trim_end();
        if self.name != name {
            name.clone_into(&mut self.name);
            self.about.clear();
            self.all = false;
        }
        self.all |= self.has(comment);
        if self.about.len() + line.len() <= MOST_ABOUT {
            self.about.push_str(line);
        }
    }

    fn has(&self, line: &str) -> bool {
        self.wanted.iter().any(|wanted| line.contains(wanted.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;

    const TEXT: &str = "\
# HELP op_1_2 Permits granted.
# TYPE op_1_2 counter
op_1_2{rule=\"default\"} 1
op_1_2{rule=\"mail\"} 2
# HELP process_threads Threads.
# TYPE process_threads gauge
process_threads 7
# EOF
";

    fn filtered(wanted: &[&str]) -> String {
        let mut filter = Filter::new(wanted.iter().map(|text| (*text).to_owned()).collect());
        TEXT.split_inclusive('\n').map(|line| filter.lines(line)).collect()
    }

    #[test]
    fn what_is_wanted_comes_with_what_is_said_of_it() {
        assert_eq!(filtered(&[]), TEXT);
        assert_eq!(
            filtered(&["granted"]),
            TEXT.lines().take(4).map(|line| format!("{line}\n")).collect::<String>() + "# EOF\n"
        );
        let mail = "# HELP op_1_2 Permits granted.\n# TYPE op_1_2 counter\nop_1_2{rule=\"mail\"} 2\n# EOF\n";
        assert_eq!(filtered(&["mail"]), mail);
        assert_eq!(filtered(&["mail", "gauge", "granted"]), TEXT);
        assert_eq!(filtered(&["nothing"]), "# EOF\n");
    }
}
