//! Certificates, keys and secrets that are damaged, foreign, or open to others.

use super::bench::{Bench, Expected, chmod, copy, cut, edit};

#[test]
fn identity_when_a_file_of_it_is_damaged_then_refused() {
    let bench = Bench::new(75);
    let own = |name: &str| bench.data("identity").join(name);
    let check = |case: &str, spoil: &dyn Fn(), what: &str, why: &str| {
        let said = [what, why, "hint: put"];
        bench.run_refuses(
            case,
            spoil,
            &Expected {
                code: 1,
                said: &said,
            },
        );
    };
    let what = "cannot load this node's identity";
    check(
        "certificate cut short",
        &|| cut(&own("node.pem"), 100),
        what,
        "is damaged",
    );
    check(
        "key cut short",
        &|| cut(&own("node.key"), 40),
        what,
        "is damaged",
    );
    check(
        "empty key",
        &|| cut(&own("node.key"), 0),
        what,
        "is damaged",
    );
    check(
        "authority cut short",
        &|| cut(&own("authority.pem"), 300),
        what,
        "is damaged",
    );
    let byte = || edit(&own("node.pem"), "MI", "MQ");
    check("certificate with a byte changed", &byte, what, "is damaged");
    let gone = || std::fs::remove_dir_all(bench.data("identity")).unwrap();
    check("no directory", &gone, what, "No such file");
    let key = || copy(&own("authority.key"), &own("node.key"));
    let why = "does not fit together: the key is not the certificate's";
    check("key of another certificate", &key, what, why);
    let what = "cannot load the cluster's authority";
    check(
        "authority's key cut short",
        &|| cut(&own("authority.key"), 30),
        what,
        "is damaged",
    );
}

#[test]
fn identity_when_of_another_cluster_or_put_together_from_two_then_refused() {
    let (bench, other) = (Bench::new(88), Bench::new(76));
    let own = |name: &str| bench.data("identity").join(name);
    let theirs = |names: &[&str]| {
        for name in names {
            copy(&other.data("identity").join(name), &own(name));
        }
    };
    let check = |case: &str, spoil: &dyn Fn(), said: &[&str]| {
        bench.run_refuses(case, spoil, &Expected { code: 5, said });
    };
    let told = "the certificate of `alpha` belongs to another cluster";
    let authority = || theirs(&["authority.pem", "authority.key"]);
    check(
        "authority of another cluster",
        &authority,
        &[told, "hint: put"],
    );
    check(
        "certificate of another cluster",
        &|| theirs(&["node.pem"]),
        &[told],
    );
    let all = || theirs(&["authority.pem", "authority.key", "node.pem", "node.key"]);
    check(
        "identity of another cluster",
        &all,
        &[
            "cannot open this node's part of the ledger",
            "belongs to node 1 of cluster",
            "hint: put",
        ],
    );
}

#[test]
fn secrets_when_others_can_read_them_then_refused_with_the_command_that_closes_them() {
    let bench = Bench::new(77);
    for name in [
        "identity/node.key",
        "identity/authority.key",
        "secrets.json",
    ] {
        for mode in [0o644, 0o640, 0o604] {
            let open = || chmod(&bench.data(name), mode);
            let hint = format!("hint: `chmod 600 {}`", bench.data(name).display());
            let told = format!("(mode {mode:04o})");
            bench.run_refuses(
                name,
                open,
                &Expected {
                    code: 5,
                    said: &[&told, &hint],
                },
            );
        }
    }
}

#[test]
fn secret_when_its_file_is_damaged_then_nothing_of_it_is_shown() {
    let bench = Bench::new(78);
    let path = bench.data("secrets.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let password: serde_json::Value = serde_json::from_str(&text).unwrap();
    let password = password["replication_password"]
        .as_str()
        .unwrap()
        .to_owned();
    for (case, spoiled) in [
        ("cut short", text[..text.len() - 4].to_owned()),
        (
            "of another type",
            text.replace(&format!("\"{password}\""), &format!("[\"{password}\"]")),
        ),
        (
            "under another name",
            text.replace("replication_password", "replication_pasword"),
        ),
        ("bare", password.clone()),
    ] {
        bench.restore();
        std::fs::write(&path, &spoiled).unwrap();
        let output = super::bench::ended(case, bench.place.program(&["run"]));
        let (code, _, err) = crate::program::said(&output);
        super::bench::readable(case, &err);
        assert_eq!(code, 1, "{case}: {err}");
        assert!(err.contains("secrets.json` is damaged"), "{case}: {err}");
        assert!(
            !err.contains(&password[..8]),
            "{case} shows the secret: {err}"
        );
    }
}
