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

/// A certificate that this authority has signed, with these years.
fn dated(dir: &std::path::Path, years: (i32, i32)) {
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let key = rcgen::KeyPair::from_pem(&read("authority.key")).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(&read("authority.pem"), key).unwrap();
    let loaded = Authority::load(dir).unwrap();
    let applicant = Applicant::new("alpha").unwrap();
    let good = loaded.issue("alpha", applicant.csr()).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(good.as_bytes()).unwrap();
    let name = match pem.parse_x509().unwrap().subject_alternative_name() {
        Ok(Some(names)) => match &names.value.general_names[0] {
            x509_parser::extensions::GeneralName::DNSName(name) => (*name).to_owned(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let mut params = rcgen::CertificateParams::new([name]).unwrap();
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let own = rcgen::KeyPair::generate().unwrap();
    let certificate = params.signed_by(&own, &issuer).unwrap();
    fs::write(dir.join("node.pem"), certificate.pem()).unwrap();
    fs::write(dir.join("node.key"), own.serialize_pem()).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(dir.join("node.key"), mode).unwrap();
}

#[test]
fn identity_when_its_certificate_has_other_dates_then_these_are_named() {
    let dir = tempdir().unwrap();
    let authority = Authority::create("c").unwrap();
    authority.save(dir.path()).unwrap();
    for years in [(1990, 2000), (2100, 2110)] {
        dated(dir.path(), years);
        let told = Identity::load(dir.path()).unwrap_err().to_string();
        assert!(
            told.contains("its dates are not those"),
            "{years:?}: {told}"
        );
    }
    dated(dir.path(), (2020, 2120));
    Identity::load(dir.path()).unwrap();
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
