//! Real sockets.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use quoth_link::{Address, LinkError, Port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn addresses_are_strict() {
    assert_eq!(Address::parse("unix:/run/q").unwrap().to_string(), "unix:/run/q");
    for text in ["", "unix:", "/run/q", "tcp:1", "unix:\0"] {
        assert!(matches!(Address::parse(text), Err(LinkError::Address)), "{text:?}");
    }
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_anything_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Unix(folder.path().to_owned());
    assert!(matches!(address.connect(Port::EVENTS, SOON).await, Err(LinkError::Io(_))));
    drop(address.listen(Port::EVENTS).unwrap());
    let listener = address.listen(Port::EVENTS).unwrap();
    let mode = fs::metadata(folder.path().join("7004.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (there, here) = tokio::join!(address.connect(Port::EVENTS, SOON), listener.accept());
    let (mut there, mut here) = (there.unwrap(), here.unwrap());
    there.write_all(b"hi").await.unwrap();
    let mut bytes = [0; 2];
    here.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"hi");

    fs::write(folder.path().join("7003.sock"), "precious").unwrap();
    assert!(address.listen(Port::JOURNAL).is_err());
    assert_eq!(fs::read_to_string(folder.path().join("7003.sock")).unwrap(), "precious");
}
