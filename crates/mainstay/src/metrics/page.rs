//! Prometheus' text format, version 0.0.4: a head for each name, then its values with their labels.

use std::fmt::Write;

/// A page that is being written. Names and label names are ours; label values may be anything.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    /// Values that go up and down follow.
    pub(crate) fn gauge(&mut self, name: &'static str, about: &str) -> &mut Self {
        self.head(name, about, "gauge")
    }

    /// Values that only grow follow, until the program is started again.
    pub(crate) fn counter(&mut self, name: &'static str, about: &str) -> &mut Self {
        self.head(name, about, "counter")
    }

    fn head(&mut self, name: &'static str, about: &str, kind: &str) -> &mut Self {
        self.name = name;
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {about}\n# TYPE {name} {kind}");
        self
    }

    /// One value of the name whose head was written last.
    pub(crate) fn value(&mut self, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(self.name);
        for (at, (label, text)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{label}=\"{}\"", escaped(text));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// The whole page.
    pub(crate) fn text(self) -> String {
        self.text
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_when_they_hold_quotes_or_line_ends_then_these_are_escaped() {
        let mut page = Page::default();
        page.gauge("a", "About a.").value(&[], 3.0);
        page.counter("b_total", "About b.")
            .value(&[("x", "1"), ("account", "q\"\\\n")], 0.5);
        assert_eq!(
            page.text(),
            "# HELP a About a.\n# TYPE a gauge\na 3\n\
             # HELP b_total About b.\n# TYPE b_total counter\n\
             b_total{x=\"1\",account=\"q\\\"\\\\\\n\"} 0.5\n"
        );
    }
}
