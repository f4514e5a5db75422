//! Why a declaration is none, and why a request has no route although one might be declared.

use thiserror::Error;

/// A declaration that cannot be used: the place in it and one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place}: {message}")]
pub struct RoutesError {
    /// E.g. `routes[3].path`.
    pub place: String,
    pub message: String,
}

impl RoutesError {
    pub(crate) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

/// Why a request is refused before any route is looked at, or because a value that its route needs is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    TargetTooLong,
    TargetNotAPath,
    EmptySegment,
    DotSegment,
    PathCharacter,
    PathEncoding,
    PathEncodedNeedlessly,
    PathEncodedSeparator,
    PathNotUtf8,
    QueryCharacter,
    QueryEncoding,
    QueryTwice,
    QueryOtherwise,
    HeaderTwice,
    HeaderOtherwise,
    HeaderNotText,
    Overridden,
    ValueMissing,
    ValueTooLong,
    ValueCharacter,
    ValuePattern,
}

impl Refusal {
    /// All of them, for tests of tables that name them.
    pub const ALL: [Self; 21] = [
        Self::TargetTooLong,
        Self::TargetNotAPath,
        Self::EmptySegment,
        Self::DotSegment,
        Self::PathCharacter,
        Self::PathEncoding,
        Self::PathEncodedNeedlessly,
        Self::PathEncodedSeparator,
        Self::PathNotUtf8,
        Self::QueryCharacter,
        Self::QueryEncoding,
        Self::QueryTwice,
        Self::QueryOtherwise,
        Self::HeaderTwice,
        Self::HeaderOtherwise,
        Self::HeaderNotText,
        Self::Overridden,
        Self::ValueMissing,
        Self::ValueTooLong,
        Self::ValueCharacter,
        Self::ValuePattern,
    ];

    /// A stable, short text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::TargetTooLong => "the target is too long",
            Self::TargetNotAPath => "the target does not begin with a slash",
            Self::EmptySegment => "the path has an empty segment",
            Self::DotSegment => "the path has a segment of dots or spaces",
            Self::PathCharacter => "the path has a character that may not stand there",
            Self::PathEncoding => "the path has a percent sign without two hexadecimal digits",
            Self::PathEncodedNeedlessly => "the path has an encoded character that needs no encoding",
            Self::PathEncodedSeparator => "the path has an encoded separator or control character",
            Self::PathNotUtf8 => "the path is not UTF-8",
            Self::QueryCharacter => "the query has a character that may not stand there",
            Self::QueryEncoding => "the query has a parameter that cannot be decoded",
            Self::QueryTwice => "a query parameter that the route reads is there twice",
            Self::QueryOtherwise => "a query parameter that the route reads is there in another spelling",
            Self::HeaderTwice => "a header that the route reads is there twice",
            Self::HeaderOtherwise => "a header that the route reads is there in another spelling",
            Self::HeaderNotText => "a header that the route reads is no text",
            Self::Overridden => "the request asks to be taken for one of another method or path",
            Self::ValueMissing => "a value that the route needs is missing",
            Self::ValueTooLong => "a value that the route needs is too long",
            Self::ValueCharacter => "a value that the route needs has a control character",
            Self::ValuePattern => "a value that the route needs is not of its form",
        }
    }
}
