//! An answer that is a refusal: a status, and words for the operator.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::releases::ReleaseError;
use crate::api::outcome::ErrorInfo;

/// Why a request is refused.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    /// What the operator is told.
    pub info: ErrorInfo,
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(status: StatusCode, what: String) -> Refusal {
        Refusal { status, info: ErrorInfo { what, hint: None } }
    }

    /// 400.
    pub fn bad(what: String) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, what)
    }

    /// What to do about it.
    pub fn hint(mut self, hint: &str) -> Refusal {
        self.info.hint = Some(hint.to_owned());
        self
    }
}

impl From<ReleaseError> for Refusal {
    fn from(error: ReleaseError) -> Refusal {
        let full = error.is_disk_full();
        let (status, hint) = match &error {
            ReleaseError::Manifest(_) | ReleaseError::NotAHash { .. } => (StatusCode::BAD_REQUEST, None),
            ReleaseError::OtherContent { .. } => (StatusCode::UNPROCESSABLE_ENTITY, None),
            ReleaseError::Missing { .. }
            | ReleaseError::Damaged { .. }
            | ReleaseError::NoBinary { .. }
            | ReleaseError::DamagedBinary { .. } => (StatusCode::CONFLICT, Some("deploy again")),
            ReleaseError::Unknown { .. } | ReleaseError::NoFile { .. } => (StatusCode::NOT_FOUND, None),
            ReleaseError::NoKeys => (StatusCode::NOT_FOUND, None),
            ReleaseError::DamagedKeys(_) => (StatusCode::CONFLICT, Some("deploy again")),
            ReleaseError::Secret { .. } => (StatusCode::FORBIDDEN, None),
            ReleaseError::Io { .. } if full => {
                (StatusCode::INSUFFICIENT_STORAGE, Some("make room on that disk, then deploy again"))
            }
            ReleaseError::Io { .. } => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        let refusal = Refusal::new(status, error.to_string());
        match hint {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.info).expect("two strings are JSON");
        (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}
