//! Every way in which a provider, or a proxy in front of it, can misbehave.

/// The comment of [`Behaviour::FalseRecord`], without its line ends.
pub const FALSE_RECORD: &str = ": quoth receipt AAAA";
/// Name and value of the trailer field of [`Behaviour::Trailers`].
pub const TRAILER: (&str, &str) = ("x-checksum", "0123456789abcdef");

/// What the provider does. Certificates and TLS versions apply to later connections, everything else to later requests.
/// Behaviour that concerns streams does not change other answers, unless it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers as the public APIs do.
    Good,

    /// The certificate names another host.
    WrongName,
    /// The certificate is signed by an unknown authority.
    UnknownCa,
    /// The certificate ended years ago.
    Expired,
    /// Only TLS 1.2. Otherwise the provider speaks only TLS 1.3.
    Tls12Only,
    /// The connection is accepted and closed, before TLS.
    CloseAtAccept,

    /// The request is read, then the connection is closed without an answer and without `close_notify`.
    CloseBeforeAnswer,
    /// The connection is closed after some events, or in the middle of an answer that is not a stream.
    Cut {
        /// Number of events sent before. 0 sends only the head.
        after_events: usize,
        /// Whether TLS ends properly (`close_notify`) before TCP.
        close_notify: bool,
    },
    /// The stream ends after some events, correctly for HTTP, but without the terminal event.
    EndEarly {
        /// Number of events sent before.
        after_events: usize,
    },
    /// The provider reads some requests over HTTP/2, says that it did not process them, and ends their connections. Then it
    /// answers normally.
    Unprocessed {
        /// Number of requests.
        times: u32,
        /// How the provider says so.
        by: Notice,
    },
    /// The request is read and never answered.
    StallBeforeHead,
    /// The answer stalls after some events, or in the middle if it is not a stream. The connection stays open.
    StallMidStream {
        /// Number of events sent before.
        after_events: usize,
    },

    /// The stream begins with lines that are not events. The correct stream follows.
    NoEvents,
    /// After the first event comes a line that does not end until the client hangs up.
    EndlessLine,
    /// After the first event the stream ends inside a line.
    UnfinishedLine,
    /// After the first event comes one whose data is not UTF-8, then the rest.
    InvalidUtf8,
    /// The first event has a comment that looks like a record of a node: its data line, `after`, [`FALSE_RECORD`] and
    /// two line feeds. The rest follows.
    FalseRecord {
        /// What ends the line before.
        after: LineEnd,
        /// Whether the comment is split into two writes.
        split: bool,
    },
    /// A stream consists of exactly these bytes.
    Verbatim {
        /// The body.
        stream: String,
    },
    /// A stream consists of these pieces, each in a separate write. Then it stalls, and the connection stays open.
    Pieces {
        /// The body.
        pieces: Vec<String>,
    },
    /// The answer has these media types, each in its own header field.
    MediaTypes {
        /// The values of the fields.
        values: Vec<&'static str>,
    },
    /// After the terminal event comes another one. After an answer that is not a stream comes another JSON object.
    BytesAfterEnd,

    /// The header of the answer has endless fields, until the client hangs up.
    EndlessFields,
    /// The header of the answer has one endless field, until the client hangs up.
    EndlessField,
    /// The answer is gzipped without a request for it, and many blanks follow. On the wire they take a thousandth.
    Gzip {
        /// Number of blanks after the answer, once inflated.
        blanks: u64,
    },
    /// A redirect with an empty body.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The target.
        location: String,
    },
    /// Status 429 with the provider's error.
    RateLimited {
        /// Seconds, in `retry-after`.
        retry_after: u64,
    },
    /// The provider's error when it is overloaded: 503 of `OpenAI`, 529 of Anthropic.
    Unavailable,
    /// Status 500 with an HTML page, as a proxy would send.
    HtmlError,
    /// Valid JSON, or a valid first event, that is very long. Its length is not announced.
    LongJson {
        /// Bytes of padding in one field, rounded up to whole blocks of 16 KiB.
        bytes: u64,
    },
    /// An answer without a content type.
    NoContentType,
    /// [`TRAILER`] follows the body, even if not requested. Over HTTP/1.1 the answer is chunked, is sent at once and ends the
    /// connection.
    Trailers,
}

/// How a provider says over HTTP/2 that it did not process a request (RFC 9113 §8.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// GOAWAY that names no stream as processed.
    GoAway,
    /// `RST_STREAM` with `REFUSED_STREAM`.
    RefusedStream,
}

/// The line end before a [`Behaviour::FalseRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// A line feed.
    Lf,
    /// A carriage return.
    Cr,
    /// Both.
    CrLf,
    /// Two line feeds. The comment is then a separate block.
    Blank,
}

impl LineEnd {
    /// Returns the bytes.
    #[must_use]
    pub fn bytes(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::Cr => "\r",
            Self::CrLf => "\r\n",
            Self::Blank => "\n\n",
        }
    }
}
