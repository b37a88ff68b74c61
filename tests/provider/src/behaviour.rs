//! Every way a provider, or what stands before it, may go wrong.

/// The comment of [`Behaviour::FalseRecord`], without its line ends.
pub const FALSE_RECORD: &str = ": quoth receipt AAAA";
/// The trailer field of [`Behaviour::Trailers`] and what it says.
pub const TRAILER: (&str, &str) = ("x-checksum", "0123456789abcdef");

/// What the provider does. Certificates and TLS versions count for connections made from then on, all else for requests
/// that arrive from then on. What concerns streams leaves other answers as they are, where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers as the public APIs do.
    Good,

    /// The certificate names another host.
    WrongName,
    /// The certificate is of an authority that nobody knows.
    UnknownCa,
    /// The certificate ended years ago.
    Expired,
    /// TLS 1.2 and nothing newer; otherwise it is TLS 1.3 and nothing older.
    Tls12Only,
    /// The connection is accepted and closed, before TLS.
    CloseAtAccept,

    /// The request is read, then the connection is closed, without a byte of answer and without `close_notify`.
    CloseBeforeAnswer,
    /// The connection is closed after so many events, or amid an answer that is no stream.
    Cut {
        /// Events sent before; 0 sends the head only.
        after_events: usize,
        /// Whether TLS says goodbye (`close_notify`) before TCP does.
        close_notify: bool,
    },
    /// The stream ends after so many events, properly for HTTP, without the terminal event.
    EndEarly {
        /// Events sent before.
        after_events: usize,
    },
    /// So many requests over HTTP/2 are read and not processed, which it says, and their connections end; then it answers.
    Unprocessed {
        /// How many requests.
        times: u32,
        /// How it says so.
        by: Notice,
    },
    /// The request is read and never answered.
    StallBeforeHead,
    /// Nothing more comes after so many events, or amid an answer that is no stream. The connection stays open.
    StallMidStream {
        /// Events sent before.
        after_events: usize,
    },

    /// The stream is lines that are no events, then the stream as it should be.
    NoEvents,
    /// After the first event, one line that goes on until the client hangs up.
    EndlessLine,
    /// After the first event the stream ends amid a line.
    UnfinishedLine,
    /// After the first event, one whose data is not UTF-8; then the rest.
    InvalidUtf8,
    /// The first event has a comment that looks like a record of a node: its data line, `after`, [`FALSE_RECORD`] and
    /// two line feeds. Then the rest.
    FalseRecord {
        /// What ends the line before.
        after: LineEnd,
        /// Whether the comment comes in two writes, parted amid.
        split: bool,
    },
    /// Streams are these bytes and nothing else.
    Verbatim {
        /// The body.
        stream: String,
    },
    /// Streams are these pieces, each in a write of its own. Then nothing more comes, and the connection stays open.
    Pieces {
        /// The body.
        pieces: Vec<String>,
    },
    /// What it says the answer's media type is, one header field each.
    MediaTypes {
        /// Their values.
        values: Vec<&'static str>,
    },
    /// Another event after the terminal one; another JSON object after an answer that is no stream.
    BytesAfterEnd,

    /// An answer whose header has fields without end, until the client hangs up.
    EndlessFields,
    /// An answer whose header has one field without end, until the client hangs up.
    EndlessField,
    /// The answer comes gzipped, unasked, and so many blanks follow it: a thousandth of that on the wire.
    Gzip {
        /// Blanks after the answer, once inflated.
        blanks: u64,
    },
    /// Goes elsewhere, with the answer's body empty.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Where to.
        location: String,
    },
    /// 429 with the provider's error.
    RateLimited {
        /// Seconds, in `retry-after`.
        retry_after: u64,
    },
    /// The provider's error when it has too much to do: 503 of `OpenAI`, 529 of Anthropic.
    Unavailable,
    /// 500 with a page of HTML, as a proxy on the way would.
    HtmlError,
    /// JSON, or a stream's first event, of more than so many bytes, whole and valid, its length not announced.
    LongJson {
        /// Bytes of padding in one field, rounded up to whole blocks of 16 KiB.
        bytes: u64,
    },
    /// An answer that does not say what it is.
    NoContentType,
    /// [`TRAILER`] after the body, whether asked for or not. Over HTTP/1.1 the answer is chunked, leaves at once and ends
    /// the connection.
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

/// What ends a line before a [`Behaviour::FalseRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// A line feed.
    Lf,
    /// A carriage return.
    Cr,
    /// Both.
    CrLf,
    /// Two line feeds: the comment is a block of its own.
    Blank,
}

impl LineEnd {
    /// The bytes.
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
