//! Turns a reply of an API into an HTTP response, with the misbehaviour.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER};
use hyper::{Response, StatusCode, Version};

use crate::body::{self, Body};
use crate::errors::Api;
use crate::reply::Reply;
use crate::session::{Seizure, Session};
use crate::steps::{self, Step, Steps};
use crate::{Behaviour, gzip, raw};

/// What a response must know of its request.
pub(crate) struct Asked {
    pub(crate) api: Api,
    /// The identifier that the provider gives the request.
    pub(crate) request: String,
    pub(crate) session: Arc<Session>,
    /// The request's number on its connection.
    pub(crate) ordinal: u32,
    pub(crate) version: Version,
    pub(crate) began: Instant,
}

impl Asked {
    /// Returns a response that does not depend on the question, if the behaviour has one.
    pub(crate) async fn instead(&self, behaviour: &Behaviour) -> Option<Response<Body>> {
        let h2 = self.version == Version::HTTP_2;
        let seizure = match behaviour {
            Behaviour::CloseBeforeAnswer => Seizure::Close { close_notify: false },
            Behaviour::Unprocessed { by, .. } if h2 => Seizure::Write(raw::unprocessed(self.ordinal, *by)),
            Behaviour::EndlessFields if h2 => Seizure::Write(raw::endless_fields_h2(self.ordinal)),
            Behaviour::EndlessFields => Seizure::Write(raw::endless_fields()),
            Behaviour::EndlessField if h2 => Seizure::Write(raw::endless_field_h2(self.ordinal)),
            Behaviour::EndlessField => Seizure::Write(raw::endless_field()),
            Behaviour::StallBeforeHead => std::future::pending().await,

            Behaviour::Redirect { status, location } => {
                let mut response = self.head(StatusCode::from_u16(*status).unwrap(), None, Empty::new().boxed_unsync());
                response.headers_mut().insert(LOCATION, location.parse().unwrap());
                return Some(response);
            }
            Behaviour::RateLimited { retry_after } => {
                let mut response = self.plain(self.api.rate_limited(&self.request));
                response.headers_mut().insert(RETRY_AFTER, (*retry_after).into());
                return Some(response);
            }
            Behaviour::Unavailable => return Some(self.plain(self.api.overloaded(&self.request))),
            Behaviour::HtmlError => {
                let page = "<html>\n<head><title>500 Internal Server Error</title></head>\n\
                            <body><center><h1>500 Internal Server Error</h1></center></body>\n</html>\n";
                let page = Full::from(page).boxed_unsync();
                return Some(self.head(StatusCode::INTERNAL_SERVER_ERROR, Some("text/html"), page));
            }
            _ => return None,
        };
        self.session.seize(seizure).await
    }

    /// Returns the response to the question.
    pub(crate) async fn respond(&self, behaviour: &Behaviour, reply: Reply, pause: Duration) -> Response<Body> {
        match behaviour {
            Behaviour::Gzip { blanks } => self.gzipped(reply, *blanks),
            Behaviour::NoContentType => {
                let mut response = self.usual(behaviour, reply, pause);
                response.headers_mut().remove(CONTENT_TYPE);
                response
            }
            Behaviour::MediaTypes { values } => {
                let mut response = self.usual(behaviour, reply, pause);
                response.headers_mut().remove(CONTENT_TYPE);
                for value in values {
                    response.headers_mut().append(CONTENT_TYPE, value.parse().unwrap());
                }
                response
            }
            Behaviour::Trailers if self.version != Version::HTTP_2 => {
                let response = self.plain_head(&reply);
                let chunks = raw::with_trailer(response.headers(), bytes(reply));
                self.session.seize(Seizure::Write(chunks)).await
            }
            _ => self.usual(behaviour, reply, pause),
        }
    }

    fn usual(&self, behaviour: &Behaviour, reply: Reply, pause: Duration) -> Response<Body> {
        let mut response = self.plain_head(&reply);
        let body = |steps: Steps| body::of(steps, self.session.clone());
        *response.body_mut() = match reply {
            Reply::Events(events) => body(steps::of_events(behaviour, events, pause)),
            Reply::Json(_, value) => {
                let mut json = value.to_string();
                if *behaviour == Behaviour::BytesAfterEnd {
                    json.push_str("\n{\"after\":\"the end\"}");
                }
                let json = Bytes::from(json);
                if matches!(behaviour, Behaviour::Cut { .. } | Behaviour::StallMidStream { .. }) {
                    response.headers_mut().insert(CONTENT_LENGTH, json.len().into());
                }
                steps::of_json(behaviour, &json).map_or_else(|| Full::from(json).boxed_unsync(), body)
            }
        };
        response
    }

    fn plain(&self, reply: Reply) -> Response<Body> {
        self.usual(&Behaviour::Good, reply, Duration::ZERO)
    }

    fn gzipped(&self, reply: Reply, blanks: u64) -> Response<Body> {
        let mut response = self.plain_head(&reply);
        let whole: Vec<u8> = bytes(reply).flatten().collect();
        *response.body_mut() = Full::from(gzip::bomb(&whole, blanks)).boxed_unsync();
        response.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        response
    }

    /// Returns a reply's head without a body.
    fn plain_head(&self, reply: &Reply) -> Response<Body> {
        let (status, kind) = match reply {
            Reply::Json(status, _) => (*status, "application/json"),
            Reply::Events(_) => (StatusCode::OK, "text/event-stream; charset=utf-8"),
        };
        self.head(status, Some(kind), Empty::new().boxed_unsync())
    }

    fn head(&self, status: StatusCode, content_type: Option<&str>, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let mut set = |name: &'static str, value: &str| {
            response.headers_mut().insert(HeaderName::from_static(name), value.parse().unwrap());
        };
        if let Some(kind) = content_type {
            set("content-type", kind);
        }
        match self.api {
            Api::OpenAi => {
                set("x-request-id", &self.request);
                set("openai-processing-ms", &self.began.elapsed().as_millis().to_string());
                set("openai-version", "2020-10-01");
                set("openai-organization", "fake");
            }
            Api::Anthropic => {
                set("request-id", &self.request);
                set("anthropic-organization-id", "00000000-0000-4000-8000-000000000000");
            }
        }
        response
    }
}

/// Returns a reply's correct bytes.
fn bytes(reply: Reply) -> Box<dyn Iterator<Item = Bytes> + Send> {
    match reply {
        Reply::Json(_, value) => Box::new(std::iter::once(value.to_string().into())),
        Reply::Events(events) => {
            Box::new(steps::of_events(&Behaviour::Good, events, Duration::ZERO).filter_map(|step| match step {
                Step::Send(bytes) => Some(bytes),
                _ => None,
            }))
        }
    }
}
