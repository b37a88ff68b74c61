//! Compiled policies.

use super::*;

fn refused(json: &str) -> PolicyError {
    Policy::from_json(json.as_bytes()).unwrap_err()
}

/// The error of the compiled [`simulated`] after `from` is replaced by `to`.
fn changed(from: &str, to: &str) -> PolicyError {
    let json = Policy::compile(&simulated()).unwrap();
    assert!(json.contains(from), "{from}");
    refused(&json.replacen(from, to, 1))
}

fn malformed(message: &str) -> PolicyError {
    PolicyError::Malformed { message: message.into() }
}

#[test]
fn a_compiled_policy_is_the_same_policy() {
    let upstreams = "[upstreams]\naccept = [\"x:2\", \"x:1\"]\n";
    for text in [simulated(), none(), simulated() + upstreams, format!("max_evidence_age = 9\n{}", simulated())] {
        let json = Policy::compile(&text).unwrap();
        assert_eq!(Policy::from_json(json.as_bytes()), Policy::from_toml(&text));
    }
    let json = Policy::compile(
        "version=1\nplatforms=['none']\nmodels.accept='any'\nconfig.accept='any'\nnone.receipt_keys=['00']",
    );
    assert_eq!(json, Err(PolicyError::Hex { field: "none.receipt_keys", expected: 64 }), "only policies are compiled");
    let (keys, digest) = ("ab".repeat(32), "cd".repeat(32));
    let text = format!(
        "version=1\nplatforms=['none']\nmodels.accept='any'\nconfig.accept=['{digest}']\nnone.receipt_keys=['{keys}']"
    );
    let expected = format!(
        r#"{{"config":{{"accept":["{digest}"]}},"models":{{"accept":"any"}},"none":{{"receipt_keys":["{keys}"]}},"platforms":["none"],"version":1}}"#
    );
    assert_eq!(Policy::compile(&text), Ok(expected));
}

#[test]
fn json_is_refused_for_what_toml_is_refused_for() {
    assert_eq!(changed("\"version\":1", "\"version\":2"), PolicyError::Version { expected: 1, actual: 2 });
    assert_eq!(changed("\"version\":1", "\"version\":true"), malformed("`version` is not an integer in its range"));
    assert_eq!(changed("[\"simulated\"]", "\"simulated\""), malformed("`platforms` is not an array of texts"));
    assert_eq!(changed("[\"simulated\"]", "[\"simulated\",1]"), malformed("`platforms` is not a text"));
    assert_eq!(changed("{\"roots\"", "{\"extra\":1,\"roots\""), malformed("`simulated` has no key `extra`"));
    assert_eq!(changed("{\"roots\"", "{\"root\""), malformed("`simulated` has no `roots`"));
    assert_eq!(changed("\"demo\"", "1"), malformed("`name` is not a text"));
    assert_eq!(changed("\"version\":1", "\"version\":1,\"zone\":1"), malformed("`the policy` has no key `zone`"));
    assert_eq!(changed("[\"simulated\"]", "[\"Simulated\"]"), PolicyError::Platform { actual: "Simulated".into() });
    assert_eq!(refused("[]"), malformed("`the policy` is not a table"));
    assert!(matches!(changed("\"1111", "\"x111"), PolicyError::Hex { field: "simulated.roots", .. }));
}

#[test]
fn only_canonical_json_is_a_policy() {
    let canonical = malformed("not in canonical form");
    assert_eq!(changed("\"version\":1", "\"version\": 1"), canonical);
    assert_eq!(changed("\"version\":1", "\"version\":1,\"version\":1"), canonical, "a key twice");
    assert_eq!(changed("{\"image\"", "{\"version\":1,\"image\""), canonical, "out of order");
    assert!(matches!(changed("\"version\":1", "\"version\":1.0"), PolicyError::Malformed { .. }));
    assert!(matches!(changed("\"version\":1", "\"version\":null"), PolicyError::Malformed { .. }));
    assert!(matches!(refused(""), PolicyError::Malformed { .. }));
    assert!(matches!(refused(&simulated()), PolicyError::Malformed { .. }), "TOML is compiled first");
    let long = "[".repeat(MAX_FILE + 1);
    assert_eq!(refused(&long), PolicyError::TooLong { limit: MAX_FILE, actual: MAX_FILE + 1 });
}
