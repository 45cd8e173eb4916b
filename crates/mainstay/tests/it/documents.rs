//! What the program writes about itself.

use crate::program::{mainstay, said};

#[test]
fn documents_when_written_twice_then_the_same_and_every_verb_is_there() {
    let write = || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display().to_string();
        let output = mainstay("/nonexistent".as_ref())
            .args(["docs", "--dir", &path])
            .output()
            .unwrap();
        let (code, out, err) = said(&output);
        assert_eq!((code, out.as_str()), (0, ""), "{err}");
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let pages = [
            "docs/reference/cli.md",
            "docs/reference/configuration.md",
            "packaging/man/mainstay.1",
            "packaging/man/mainstay-init.1",
            "packaging/completions/mainstay.bash",
        ];
        pages.map(read)
    };
    let first = write();
    assert_eq!(first, write());
    for verb in [
        "demo",
        "init",
        "token",
        "join",
        "run",
        "status",
        "why",
        "explain",
        "switchover",
        "failover",
        "pause",
        "resume",
        "reload",
        "upgrade",
    ] {
        assert!(
            first[0].contains(&format!("## `mainstay {verb}`")),
            "{verb}"
        );
    }
    assert!(!first[0].contains("mainstay docs"));
    assert!(first[1].contains("| `hold_max` |"));
}

#[test]
fn completions_when_asked_for_then_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let output = mainstay("/nonexistent".as_ref())
            .args(["completions", shell])
            .output()
            .unwrap();
        let (code, out, _) = said(&output);
        assert!(code == 0 && out.contains("switchover"), "{shell}");
    }
}
