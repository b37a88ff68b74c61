//! Frames between enclave and host: a decoded message encodes to the same bytes.
#![no_main]

use std::fmt::Debug;

use bytes::BytesMut;
use quoth_link::Frame;
use quoth_link::egress::Destination;
use quoth_link::endorse::Endorsements;
use quoth_link::event::{Command, Event};
use quoth_link::feed::Request;
use quoth_link::journal::{ToEnclave, ToHost};

/// `exact` says that a message has only one encoding.
fn drain<T: Frame + PartialEq + Debug>(bytes: &[u8], exact: bool) {
    let (mut buffer, mut at) = (BytesMut::from(bytes), 0);
    while let Ok(Some(message)) = T::take(&mut buffer) {
        let (again, end) = (message.to_bytes(), bytes.len() - buffer.len());
        assert!(end > at);
        assert!(!exact || again == bytes[at..end]);
        assert_eq!(T::take(&mut BytesMut::from(&again[..])).unwrap(), Some(message));
        at = end;
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    drain::<ToHost>(bytes, true);
    drain::<ToEnclave>(bytes, true);
    drain::<Endorsements>(bytes, true);
    drain::<Event>(bytes, false);
    drain::<Command>(bytes, false);
    if let Ok(request) = Request::parse(bytes) {
        assert_eq!(request.to_line().as_bytes(), bytes);
    }
    if let Ok(destination) = Destination::parse(bytes) {
        assert_eq!(destination.to_line().as_bytes(), bytes);
    }
});
