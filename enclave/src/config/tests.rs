//! Tests of the measured configuration.
#![allow(clippy::unwrap_used)]

use super::{ArithmeticName, Config};
use crate::limits::CONFIG_BYTES;

fn file() -> String {
    format!(
        "version = 1\nplatform = \"none\"\ntls_names = [\"localhost\"]\n\n[[model]]\nname = \"m\"\nsha256 = \"{}\"\n\
         size = 100\ncontext = 512\nparallel = 2\nthreads = 1\n",
        "ab".repeat(32)
    )
}

fn refused(text: &str) -> String {
    Config::parse(text.as_bytes().to_vec()).unwrap_err().to_string()
}

#[test]
fn a_good_file_is_read_and_measured_byte_for_byte() {
    let config = Config::parse(file().into_bytes()).unwrap();
    assert_eq!(config.settings.models[0].sha256.0, [0xab; 32]);
    assert_ne!(config.digest(), Config::parse((file() + "\n").into_bytes()).unwrap().digest());
}

#[test]
fn what_nobody_defined_is_refused() {
    assert!(refused(&(file() + "log_prompts = true\n")).contains("unknown field"));
    assert!(refused(&file().replace("version = 1", "version = 2")).contains("version"));
    assert!(refused(&file().replace("none", "magic")).contains("unknown variant"));
    assert!(refused(&file().replace("abab", "ab")).contains("64 hex digits"));
    let model = file().split_once("[[model]]").unwrap().1.to_owned();
    assert!(refused(&format!("{}[[model]]{model}", file())).contains("one name"));
}

#[test]
fn a_file_has_a_limit() {
    let padded = |length: usize| {
        let mut text = file();
        text.push('#');
        text.extend(std::iter::repeat_n('x', length - text.len()));
        Config::parse(text.into_bytes())
    };
    assert!(padded(CONFIG_BYTES as usize).is_ok());
    assert!(padded(CONFIG_BYTES as usize + 1).is_err());
}

#[test]
fn a_model_is_exact_unless_it_says_otherwise() {
    let arithmetic = |text: String| Config::parse(text.into_bytes()).unwrap().settings.models[0].arithmetic;
    assert_eq!(arithmetic(file()), ArithmeticName::Exact);
    assert_eq!(arithmetic(file() + "arithmetic = \"exact-1\"\n"), ArithmeticName::Exact);
    assert_eq!(arithmetic(file() + "arithmetic = \"cpu-1\"\nmax_tokens = 9\n"), ArithmeticName::Plain);
    assert!(refused(&(file() + "arithmetic = \"exact-2\"\n")).contains("unknown variant"));
}

fn proxy(rest: &str) -> String {
    let upstream = "[[upstream]]\nname = \"a\"\nhost = \"api.example\"\napi = \"openai\"\nmodels = [\"m-*\"]\n";
    format!("version = 1\nplatform = \"none\"\ntls_names = [\"localhost\"]\n{upstream}{rest}")
}

#[test]
fn a_node_may_have_upstreams_and_no_models() {
    let config = Config::parse(proxy("").into_bytes()).unwrap();
    let upstream = &config.settings.upstreams[0];
    assert_eq!((upstream.port, upstream.base_path.as_str()), (443, "/v1"));
    assert_eq!(upstream.timeout().as_secs(), 600);
    assert_eq!(upstream.key_header(), super::KeyHeader::Authorization);
    assert_eq!(upstream.cached_tokens, super::CachedTokens::Pass);
    let hides = Config::parse(proxy("cached_tokens = \"hide\"").into_bytes()).unwrap();
    assert_eq!(hides.settings.upstreams[0].cached_tokens, super::CachedTokens::Hide);
    assert!(Config::parse(proxy("timeout_seconds = 3600\nbase_path = \"\"").into_bytes()).is_ok());
    let anthropic = proxy("").replace("openai", "anthropic");
    let config = Config::parse(anthropic.into_bytes()).unwrap();
    assert_eq!(config.settings.upstreams[0].key_header(), super::KeyHeader::XApiKey);
}

#[test]
fn an_upstream_that_makes_no_sense_is_refused() {
    let nothing = "version = 1\nplatform = \"none\"\ntls_names = [\"localhost\"]\n";
    assert!(refused(nothing).contains("a model or an upstream"));
    for (rest, reason) in [
        ("keep_prompts = true", "unknown field"),
        ("timeout_seconds = 0", "timeout_seconds"),
        ("timeout_seconds = 3601", "timeout_seconds"),
        ("base_path = \"v1\"", "base_path"),
        ("base_path = \"/v1/\"", "base_path"),
        ("base_path = \"/v 1\"", "base_path"),
        ("port = 0", "port"),
        ("aliases = { \"x*\" = \"y\" }", "pattern"),
        ("aliases = { x = \"y*\" }", "pattern"),
        ("key_header = \"cookie\"", "unknown variant"),
        ("cached_tokens = \"round\"", "unknown variant"),
        ("pins = [\"00\"]", "64 hex digits"),
    ] {
        assert!(refused(&proxy(rest)).contains(reason), "{rest}");
    }
    for host in ["API.example", "a_b", "-a", "a..b", "a.", "", "a b", &"a".repeat(64), "a:1"] {
        assert!(refused(&proxy("").replace("api.example", host)).contains("host"), "{host}");
    }
    for models in ["[]", "[\"a*b\"]", "[\"\"]", "[\"a b\"]"] {
        assert!(Config::parse(proxy("").replace("[\"m-*\"]", models).into_bytes()).is_err(), "{models}");
    }
    assert!(refused(&proxy("").replace("\"a\"", "\"A\"")).contains("name"));
}

#[test]
fn names_of_models_are_as_long_as_receipts_can_hold() {
    for (length, fits) in [(256, true), (257, false)] {
        let name = "m".repeat(length);
        for file in [
            proxy("").replace("m-*", &name),
            proxy("").replace("m-*", &format!("{}*", &name[1..])),
            proxy(&format!("aliases = {{ {name} = \"y\" }}")),
            proxy(&format!("aliases = {{ x = \"{name}\" }}")),
            file().replace("\"m\"", &format!("\"{name}\"")),
        ] {
            assert_eq!(Config::parse(file.clone().into_bytes()).is_ok(), fits, "{length}: {file}");
        }
    }
}

#[test]
fn callers_have_names_of_their_own_and_limits_in_range() {
    let hash = format!("token = \"{}:{}\"", "ab".repeat(16), "cd".repeat(32));
    let caller = |rest: &str| proxy(&format!("[[caller]]\nname = \"team-a\"\n{rest}"));
    let config = Config::parse(caller(&format!("{hash}\nrequests_per_minute = 1000000\nconcurrent = 1")).into_bytes());
    assert_eq!(config.unwrap().settings.callers[0].requests_per_minute.unwrap().get(), 1_000_000);
    let operator = |file: String| file.replace("platform", &format!("operator = \"{}\"\nplatform", "ab".repeat(32)));
    assert!(Config::parse(operator(caller("")).into_bytes()).is_ok());
    for (file, reason) in [
        (caller(""), "needs an operator"),
        (caller("token = \"ab:cd\""), "token hash"),
        (caller(&format!("{hash}\nrequests_per_minute = 0")), "nonzero"),
        (caller(&format!("{hash}\nrequests_per_minute = 1000001")), "1000000"),
        (caller(&format!("{hash}\nconcurrent = 0")), "nonzero"),
        (caller(&format!("{hash}\nprompts = 1")), "unknown field"),
        (caller(&hash).replace("team-a", "Team"), "caller's name"),
        (caller(&hash).replace("team-a", "a"), "of another, or of an upstream"),
        (caller(&format!("{hash}\n[[caller]]\nname = \"team-a\"\n{hash}")), "of another"),
    ] {
        assert!(refused(&file).contains(reason), "{file}: {}", refused(&file));
    }
}
