//! Changes of files, as the page shows them.

use std::fs;
use std::path::Path;

/// The change of a file.
pub(crate) struct Change {
    file: String,
    places: Vec<Place>,
}

/// Lines of the file, and the lines that replace them. Without old lines, the new ones come to the end of the file.
#[derive(Default)]
struct Place {
    old: Vec<String>,
    new: Vec<String>,
}

impl Change {
    /// Reads a block: `--- FILE` begins a file, and `@@` another place in it.
    pub(crate) fn parse(block: &[&str]) -> Vec<Self> {
        let mut changes = Vec::<Self>::new();
        for line in block {
            if let Some(file) = line.strip_prefix("--- ") {
                changes.push(Self { file: file.to_owned(), places: vec![Place::default()] });
                continue;
            }
            let places = &mut changes.last_mut().unwrap().places;
            if *line == "@@" {
                places.push(Place::default());
                continue;
            }
            let place = places.last_mut().unwrap();
            let (mark, text) = line.split_at(1.min(line.len()));
            let is_new = mark == "+";
            assert!(is_new || ["-", " ", ""].contains(&mark), "{line:?}: begins with -, + or a space");
            if mark != "+" {
                place.old.push(text.to_owned());
            }
            if mark != "-" {
                place.new.push(text.to_owned());
            }
        }
        changes
    }

    /// Changes the file in a workspace.
    pub(crate) fn apply(&self, workspace: &Path) {
        let path = workspace.join(&self.file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", self.file));
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for place in &self.places {
            place.apply(&self.file, &mut lines);
        }
        fs::write(path, lines.join("\n") + "\n").unwrap();
    }
}

impl Place {
    fn apply(&self, file: &str, lines: &mut Vec<String>) {
        if self.old.is_empty() {
            lines.extend_from_slice(&self.new);
            return;
        }
        let starts = 0..=lines.len().saturating_sub(self.old.len());
        let found: Vec<usize> = starts.filter(|start| lines[*start..].starts_with(&self.old)).collect();
        let [start] = found[..] else {
            panic!("{file} has these lines {} times, not once:\n{}", found.len(), self.old.join("\n"))
        };
        drop(lines.splice(start..start + self.old.len(), self.new.iter().cloned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(block: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "one\ntwo\n\nthree\n").unwrap();
        Change::parse(block).iter().for_each(|change| change.apply(folder.path()));
        fs::read_to_string(folder.path().join("a")).unwrap()
    }

    #[test]
    fn lines_are_added_replaced_and_appended() {
        assert_eq!(after(&["--- a", " one", "+1.5", " two"]), "one\n1.5\ntwo\n\nthree\n");
        assert_eq!(after(&["--- a", "-one", "@@", "-", "-three", "+3"]), "two\n3\n");
        assert_eq!(after(&["--- a", "+four"]), "one\ntwo\n\nthree\nfour\n");
    }

    #[test]
    #[should_panic(expected = "a has these lines 0 times, not once:\none\nthree")]
    fn lines_that_are_not_there_are_reported() {
        after(&["--- a", " one", "-three"]);
    }
}
