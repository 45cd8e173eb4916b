//! Manifests: every crate takes its lints, version and libraries from the workspace, so that
//! there is one list of each.

use super::tree::File;
use crate::finding::Finding;

const RULE: &str = "manifest";
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license"];

/// A crate that sets for itself what the workspace sets for all.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let is_crate = file.path.ends_with("/Cargo.toml") && !file.path.starts_with("fuzz/");
    if !is_crate {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if !file.text.contains("[lints]\nworkspace = true") {
        findings.push(Finding::of(
            &file.path,
            RULE,
            "add `[lints]` with `workspace = true`",
        ));
    }
    for key in INHERITED {
        if !file.text.contains(&format!("\n{key}.workspace = true")) {
            let text = format!("write `{key}.workspace = true`");
            findings.push(Finding::of(&file.path, RULE, text));
        }
    }
    let mut is_dependency = false;
    for (number, line) in file.lines() {
        if line.starts_with('[') {
            is_dependency = line.contains("dependencies");
        } else if is_dependency && line.contains('=') && !takes_workspace(line) {
            let text = "name the version in the workspace's list and write `NAME.workspace = true`";
            findings.push(Finding::at(&file.path, number, RULE, text));
        }
    }
    findings
}

fn takes_workspace(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('#') || line.contains("workspace = true") || !line.contains('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\n\n[lints]\nworkspace = true\n\n\
        [dependencies]\nserde.workspace = true\ntokio = { workspace = true, features = [\"rt\"] }\n";

    fn texts(text: &str) -> Vec<String> {
        let file = File::planted("crates/a/Cargo.toml", text);
        check(&file)
            .into_iter()
            .map(|finding| finding.text)
            .collect()
    }

    #[test]
    fn check_when_everything_is_inherited_then_silent() {
        assert_eq!(texts(GOOD), Vec::<String>::new());
    }

    #[test]
    fn check_when_a_version_is_named_here_then_found() {
        assert_eq!(texts(&format!("{GOOD}anyhow = \"1\"\n")).len(), 1);
    }

    #[test]
    fn check_when_lints_or_version_are_its_own_then_found() {
        assert_eq!(texts(&GOOD.replace("[lints]", "[other]")).len(), 1);
        assert_eq!(
            texts(&GOOD.replace(
                "version.workspace = true\nedition",
                "version = \"1\"\nedition"
            ))
            .len(),
            1
        );
    }
}
