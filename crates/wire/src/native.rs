//! `mysql_native_password`: a proof binds `SHA1(password)` to a salt. Whoever knows the stored
//! `SHA1(SHA1(password))` can verify a proof and, having verified it, knows `SHA1(password)`.

use sha1::{Digest, Sha1};

/// Length of salts, hashes and proofs.
pub const LENGTH: usize = 20;
/// The plugin's name.
pub const PLUGIN: &str = "mysql_native_password";

/// The proof a client with `SHA1(password)` gives for `salt`.
pub fn prove(salt: &[u8; LENGTH], sha1_password: &[u8; LENGTH]) -> [u8; LENGTH] {
    let stored = digest(&[sha1_password]);
    mix(&digest(&[salt, &stored]), sha1_password)
}

/// `SHA1(password)` out of a proof, when the proof matches the stored hash; `None` when it does not.
pub fn recover(
    salt: &[u8; LENGTH],
    proof: &[u8; LENGTH],
    stored: &[u8; LENGTH],
) -> Option<[u8; LENGTH]> {
    let candidate = mix(&digest(&[salt, stored]), proof);
    let differs = digest(&[&candidate])
        .iter()
        .zip(stored)
        .fold(0, |sum, (a, b)| sum | (a ^ b));
    (differs == 0).then_some(candidate)
}

/// The hash in `*D821809F681A40A6E379B50D0463EFAE20BDD122`, as `authentication_string` has it.
pub fn parse_stored(text: &str) -> Option<[u8; LENGTH]> {
    let digits = text.strip_prefix('*')?.as_bytes();
    let mut hash = [0; LENGTH];
    if digits.len() != 2 * LENGTH {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(hash)
}

fn digest(parts: &[&[u8; LENGTH]]) -> [u8; LENGTH] {
    let mut sha1 = Sha1::new();
    for part in parts {
        sha1.update(part);
    }
    sha1.finalize().into()
}

fn mix(a: &[u8; LENGTH], b: &[u8; LENGTH]) -> [u8; LENGTH] {
    std::array::from_fn(|i| a[i] ^ b[i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_hash_of_a_real_server_when_parsed_is_sha1_of_sha1() {
        // MariaDB 10.11.19: `IDENTIFIED BY 'pw'`.
        let stored = parse_stored("*D821809F681A40A6E379B50D0463EFAE20BDD122").unwrap();
        let once: [u8; 20] = Sha1::digest(b"pw").into();
        assert_eq!(digest(&[&once]), stored);
    }

    #[test]
    fn a_hash_that_is_not_one_when_parsed_is_refused() {
        for text in [
            "",
            "*",
            "invalid",
            "*D8",
            "*ZZ21809F681A40A6E379B50D0463EFAE20BDD122",
        ] {
            assert_eq!(parse_stored(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_proof_when_recovered_gives_the_secret_and_only_for_its_salt(salt: [u8; 20], other: [u8; 20], secret: [u8; 20]) {
            let stored = digest(&[&secret]);
            let proof = prove(&salt, &secret);
            prop_assert_eq!(recover(&salt, &proof, &stored), Some(secret));
            if other != salt {
                prop_assert_eq!(recover(&other, &proof, &stored), None);
            }
        }
    }
}
