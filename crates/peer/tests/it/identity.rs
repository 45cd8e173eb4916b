//! Identities on disk: what is saved is loaded, and each kind of damage has its own message.

use std::fs;

use peer::{Applicant, Authority, Error, Identity};
use tempfile::tempdir;

#[test]
fn identity_when_saved_then_loads_with_the_same_names() {
    let dir = tempdir().unwrap();
    let authority = Authority::create("example site").unwrap();
    authority.enroll("alpha").unwrap().save(dir.path()).unwrap();
    let loaded = Identity::load(dir.path()).unwrap();
    assert_eq!(
        (loaded.node(), loaded.cluster_name()),
        ("alpha", "example site")
    );
    assert_eq!(loaded.cluster_id(), authority.cluster_id());
    assert_eq!(loaded.authority_fingerprint(), authority.fingerprint());
}

#[test]
fn authority_when_saved_then_issues_for_the_same_cluster() {
    let dir = tempdir().unwrap();
    let authority = Authority::create("example").unwrap();
    authority.save(dir.path()).unwrap();
    let loaded = Authority::load(dir.path()).unwrap();
    let copied = Authority::from_copy(&loaded.copy()).unwrap();
    assert_eq!(copied.fingerprint(), authority.fingerprint());
    let applicant = Applicant::new("bravo").unwrap();
    let certificate = copied.issue("bravo", applicant.csr()).unwrap();
    let identity = applicant
        .into_identity(&certificate, authority.certificate())
        .unwrap();
    assert_eq!(identity.node(), "bravo");
}

#[test]
fn identity_when_a_file_is_damaged_then_that_file_is_named() {
    for file in ["authority.pem", "node.pem", "node.key"] {
        let dir = tempdir().unwrap();
        Authority::create("c")
            .unwrap()
            .enroll("alpha")
            .unwrap()
            .save(dir.path())
            .unwrap();
        let path = dir.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        match Identity::load(dir.path()) {
            Err(Error::Corrupt { path: named, .. }) => assert_eq!(named, path),
            other => panic!("{file}: {other:?}"),
        }
    }
}

#[test]
fn identity_when_files_of_two_clusters_are_mixed_then_foreign() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    Authority::create("one")
        .unwrap()
        .enroll("alpha")
        .unwrap()
        .save(one.path())
        .unwrap();
    Authority::create("two")
        .unwrap()
        .enroll("alpha")
        .unwrap()
        .save(two.path())
        .unwrap();
    fs::copy(
        two.path().join("authority.pem"),
        one.path().join("authority.pem"),
    )
    .unwrap();
    assert!(matches!(
        Identity::load(one.path()),
        Err(Error::Foreign { .. })
    ));
}

#[test]
fn identity_when_the_key_is_another_nodes_then_mismatch() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    let authority = Authority::create("one").unwrap();
    authority.enroll("alpha").unwrap().save(one.path()).unwrap();
    authority.enroll("bravo").unwrap().save(two.path()).unwrap();
    fs::copy(two.path().join("node.key"), one.path().join("node.key")).unwrap();
    assert!(matches!(
        Identity::load(one.path()),
        Err(Error::Mismatch { .. })
    ));
}

#[test]
fn identity_when_the_key_is_readable_by_others_then_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempdir().unwrap();
    Authority::create("c")
        .unwrap()
        .enroll("alpha")
        .unwrap()
        .save(dir.path())
        .unwrap();
    let key = dir.path().join("node.key");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(
        Identity::load(dir.path()),
        Err(Error::Permissions { .. })
    ));
}

#[test]
fn request_when_it_asks_for_more_than_its_name_then_only_the_name_is_given() {
    let authority = Authority::create("c").unwrap();
    let applicant = Applicant::new("bravo").unwrap();
    let certificate = authority.issue("charlie", applicant.csr()).unwrap();
    let refused = applicant.into_identity(&certificate, authority.certificate());
    assert!(matches!(refused, Err(Error::Certificate(_))));
    assert!(authority.issue("bravo", "no request").is_err());
    assert!(
        authority
            .issue("Not A Name", Applicant::new("bravo").unwrap().csr())
            .is_err()
    );
}

#[test]
fn applicant_when_kept_then_the_same_request_is_used_again() {
    let dir = tempdir().unwrap();
    let first = Applicant::load_or_create(dir.path(), "bravo").unwrap();
    let again = Applicant::load_or_create(dir.path(), "bravo").unwrap();
    assert_eq!(first.csr(), again.csr());
    Applicant::forget(dir.path());
    let fresh = Applicant::load_or_create(dir.path(), "bravo").unwrap();
    assert_ne!(first.csr(), fresh.csr());
}
