//! Selects metrics by a text in their name, help or labels.

/// Most bytes of the two or three comment lines of a metric.
const MOST_ABOUT: usize = 64 * 1024;

/// Selects lines. The comment lines of a metric (`# HELP`, `# TYPE`) come with its first selected line.
#[derive(Debug)]
pub(super) struct Filter {
    wanted: Vec<String>,
    /// Comment lines of the current metric, printed before its first selected line.
    about: String,
    /// Name of the current metric.
    name: String,
    /// Whether the comment lines contain the text, so that the whole metric is selected.
    all: bool,
}

impl Filter {
    pub(super) fn new(wanted: Vec<String>) -> Self {
        Self { wanted, about: String::new(), name: String::new(), all: false }
    }

    /// The selected lines of a text. The text consists of whole lines.
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
    fn selected_lines_come_with_the_comments_of_their_metric() {
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
