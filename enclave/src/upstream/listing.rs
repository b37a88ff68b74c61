//! Keeps a provider's own list of models, so that it is asked at most once in some minutes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::CONTENT_ENCODING;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::pool::Answered;
use crate::limits;

/// The names that a provider gave last.
#[derive(Default)]
pub(super) struct Listing(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    names: Arc<[String]>,
    /// When it may be asked again.
    until: Option<Instant>,
}

/// The answer to `GET /v1/models`, in the shape that all APIs share.
#[derive(Deserialize)]
struct Answer {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

impl Listing {
    /// Returns the names that `ask` gives, or gave not long ago. If `ask` fails, the last names stay. Concurrent
    /// callers wait for one question.
    pub(super) async fn names(&self, ask: impl Future<Output = Option<Vec<String>>>) -> Arc<[String]> {
        let mut kept = self.0.lock().await;
        let now = Instant::now();
        if kept.until.is_none_or(|until| until <= now) {
            // This is set before the question, so that the next caller does not ask again if this one leaves.
            kept.until = Some(now + limits::MODELS_RETRY);
            if let Ok(Some(names)) = timeout(limits::MODELS_WAIT, ask).await {
                *kept = Kept { names: names.into(), until: Some(now + limits::MODELS_LIFE) };
            }
        }
        Arc::clone(&kept.names)
    }
}

/// Reads the models that an answer lists. None if it is not a list or is too long.
pub(super) async fn read(answered: Answered) -> Option<Vec<String>> {
    let (head, mut body) = answered.response.into_parts();
    if head.status != StatusCode::OK || head.headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    let mut whole = BytesMut::new();
    while let Some(piece) = body.piece().await {
        let piece = piece.ok()?;
        if piece.len() > limits::MODELS_BYTES - whole.len() {
            return None;
        }
        whole.extend_from_slice(&piece);
    }
    answered.lease.finish();
    names(&whole.freeze())
}

/// The names in a list of models that can stand in a request.
fn names(body: &Bytes) -> Option<Vec<String>> {
    let Answer { data } = serde_json::from_slice(body).ok()?;
    let names = data.into_iter().map(|model| model.id);
    let named = |name: &String| {
        (1..=quoth_attestation::statement::MAX_TEXT).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic())
    };
    Some(names.filter(named).take(limits::MODELS).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_provider_is_asked_seldom_whether_it_answers_or_not() {
        for (answer, life) in [(Some(vec!["a".into()]), limits::MODELS_LIFE), (None, limits::MODELS_RETRY)] {
            let (listing, asked) = (Listing::default(), AtomicUsize::new(0));
            let names = async || {
                let names = listing.names(async {
                    asked.fetch_add(1, Relaxed);
                    answer.clone()
                });
                (names.await.len(), asked.load(Relaxed))
            };
            let known = answer.iter().flatten().count();
            assert_eq!((names().await, names().await), ((known, 1), (known, 1)));
            sleep(life - std::time::Duration::from_millis(1)).await;
            assert_eq!(names().await, (known, 1));
            sleep(std::time::Duration::from_millis(1)).await;
            assert_eq!(names().await, (known, 2));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_leaves_what_was_known() {
        let listing = Listing::default();
        listing.names(async { Some(vec!["a".into()]) }).await;
        sleep(limits::MODELS_LIFE).await;
        let begun = Instant::now();
        assert_eq!(*listing.names(pending()).await, ["a"]);
        assert_eq!(begun.elapsed(), limits::MODELS_WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_does_not_make_the_next_one_ask() {
        let listing = Listing::default();
        let left = timeout(limits::MODELS_WAIT / 2, listing.names(pending())).await;
        assert!(left.is_err());
        assert!(listing.names(async { panic!("asked again") }).await.is_empty());
    }

    #[test]
    fn names_are_bounded() {
        let list = |ids: &[String]| {
            let data: Vec<_> = ids.iter().map(|id| serde_json::json!({ "id": id, "object": "model" })).collect();
            names(&serde_json::json!({ "object": "list", "data": data }).to_string().into())
        };
        let long = "m".repeat(256);
        let ids = ["models/gemma-3", "", "a b", "\u{e9}", &long, &(long.clone() + "m")].map(str::to_owned);
        assert_eq!(list(&ids).unwrap(), ["models/gemma-3", &long]);
        let many: Vec<_> = (0..=limits::MODELS).map(|number| number.to_string()).collect();
        assert_eq!(list(&many).unwrap().len(), limits::MODELS);
        for body in ["", "[]", "{}", r#"{"data":[1]}"#, r#"{"data":[{"id":1}]}"#] {
            assert!(names(&body.into()).is_none(), "{body}");
        }
    }
}
