//! Addresses and connections over real sockets.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use quoth_link::{Address, LinkError, Port, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn addresses_are_strict() {
    for text in ["unix:/run/q", "vsock:3", "vsock:4294967295", "vhost:/run/vm.vsock"] {
        assert_eq!(Address::parse(text).unwrap().to_string(), text);
    }
    for text in
        ["", "unix:", "/run/q", "tcp:1", "unix:\0", "vsock:", "vsock:03", "vsock:4294967296", "vsock:x", "vhost:"]
    {
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

#[tokio::test]
async fn a_device_that_stands_for_a_guest_is_asked_for_its_ports() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vm.vsock");
    let address = Address::Vhost(path.clone());
    let device = tokio::net::UnixListener::bind(&path).unwrap();
    for (answer, taken) in [("OK 1073741824\n", true), ("", false), ("NO\n", false), (&"x".repeat(40), false)] {
        let plays = async {
            let (mut stream, _) = device.accept().await.unwrap();
            let mut asked = [0; 12];
            stream.read_exact(&mut asked).await.unwrap();
            assert_eq!(&asked, b"CONNECT 443\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            if taken {
                stream.write_all(b"hi").await.unwrap();
            }
        };
        let (stream, ()) = tokio::join!(address.connect(Port::CLIENTS, SOON), plays);
        assert_eq!(stream.is_ok(), taken, "{answer}");
        if let Ok(mut stream) = stream {
            let mut bytes = [0; 2];
            stream.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"hi", "nothing of what follows is lost");
        }
    }
    // Connections that the guest opens arrive at a separate socket.
    let listener = address.listen(Port::JOURNAL).unwrap();
    let guest = tokio::net::UnixStream::connect(folder.path().join("vm.vsock_7003"));
    let (guest, here) = tokio::join!(guest, listener.accept());
    assert!(guest.is_ok() && here.is_ok());
}

#[tokio::test]
async fn virtual_sockets_carry_bytes_both_ways() {
    // The machine's own context (VMADDR_CID_LOCAL).
    let address = Address::Vsock(1);
    let Ok(listener) = address.listen(Port::EVENTS) else {
        eprintln!("no virtual sockets here: not tried");
        return;
    };
    let connected = tokio::try_join!(address.connect(Port::EVENTS, SOON), listener.accept());
    let Ok((mut there, mut here)) = connected else {
        eprintln!("no loopback of virtual sockets here: not tried");
        return;
    };
    let sent: Vec<u8> = (0..1_000_000_u32).map(|at| at as u8).collect();
    let echo = async {
        let mut all = Vec::new();
        here.read_to_end(&mut all).await.unwrap();
        here.write_all(&all).await.unwrap();
        drop(here);
    };
    let back = async {
        there.write_all(&sent).await.unwrap();
        there.shutdown().await.unwrap();
        let mut all = Vec::new();
        there.read_to_end(&mut all).await.unwrap();
        all
    };
    let ((), back) = tokio::join!(echo, back);
    assert!(back == sent);
}

#[tokio::test]
async fn a_writer_waits_until_there_is_room() {
    let (mut near, mut far) = Stream::pair().unwrap();
    for length in [8 << 20, 1, 4 << 20] {
        let written = tokio::spawn(async move {
            near.write_all(&vec![7; length]).await.unwrap();
            near
        });
        // Write until the kernel's buffer is full.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(written.is_finished(), length == 1);
        let mut read = vec![0; length];
        far.read_exact(&mut read).await.unwrap();
        assert!(read.iter().all(|byte| *byte == 7));
        near = written.await.unwrap();
    }
    near.shutdown().await.unwrap();
    assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
}
