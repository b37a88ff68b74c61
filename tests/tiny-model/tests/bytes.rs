//! The models' bytes. Recorded answers and comparisons between machines depend on them.
#![allow(clippy::unwrap_used)]

use quoth_tiny_model::{Kind, Model, Shape, gguf};
use sha2::{Digest, Sha256};

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn bytes_stay() {
    let known = [
        ("f32", "cbb2fe7828da190aa13d92bf8c6a002917524f3b3f4d91122b1fcb92dfec88d5"),
        ("f16", "2dc3f5a6857bc124293c44702232324c29f876818ffb55eeb021b28fe1ddb6a4"),
        ("q8_0", "5313b2f13b5c3abb3ccc8b5b36c1937c7fc1080b3cb92cee9c7230e61af404f7"),
        ("q4_0", "34d25d48bfe4441229862f06b903adf5f22f2caf88ece69df0a60bbc2ff21dc5"),
        ("q4_1", "af31d568d54dfacc63e0f685cbc79b02b5af9e101472d63b2b9523c592211907"),
        ("q5_0", "925df012af1b009119dcdb4f3db9b0066e1bbab6613a53b6d983c3ae89ce8dbc"),
        ("q4_k_m", "23ec9ca044d091402b84fcfc3819cddcdc0ebbb72a7091f4912bfc3cd2d26c57"),
        ("q6_k", "49545f81f8040d18112819b64263b26ef290a9c7e455c43b67a470162175854f"),
    ];
    for (name, sha256) in known {
        assert_eq!(hash(&gguf(Kind::from_name(name).unwrap())), sha256, "{name}");
    }
    let wide = "a5a742e6604d5a84344b9438344631ef11144c81148b52902fe95f622452ffe5";
    assert_eq!(hash(&Model::new(Kind::F32).shape(Shape::WIDE).bytes()), wide);
}

#[test]
fn every_kind_fits_the_wide_shape() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.name()), Some(kind));
        assert!(Shape::WIDE.fits(kind));
        assert_eq!(Shape::SMALL.fits(kind), !matches!(kind, Kind::Q4KM | Kind::Q6K));
    }
}
