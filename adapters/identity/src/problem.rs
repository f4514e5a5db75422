//! Why a request has no login: a stable code and a sentence without anything from the request.

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $message:literal;)*) => {
        /// Why nobody, or nobody whom eHerkenning vouches for, is logged in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Problem {
            $($(#[$doc])* $name,)*
        }

        impl Problem {
            /// Every problem there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable code: for logs and metric labels.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// One sentence for an operator, without personal data.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
}

problems! {
    /// No credentials at all; the only one that is nobody's fault.
    NotLoggedIn = "not_logged_in", "The request carries no login.";
    CredentialsRepeated = "credentials_repeated", "A header that carries a login stands more than once.";
    CredentialsTooLarge = "credentials_too_large", "The login is larger than is read.";
    CredentialsDisagree = "credentials_disagree", "The token and the gateway's headers name different logins.";
    HeaderVariant = "header_variant", "A header's name differs from a declared one only in its separators.";
    HeaderUntrusted = "header_untrusted", "A gateway's header came from a peer that is not such a gateway.";
    HeaderMalformed = "header_malformed", "A gateway's header is not what its declaration says.";
    SchemeUnsupported = "scheme_unsupported", "The Authorization header is not a bearer token.";
    TokenMalformed = "token_malformed", "The token is not a signed JWT in compact form.";
    TokenAlgorithm = "token_algorithm", "The token's algorithm is not allowed for its issuer and key.";
    TokenCritical = "token_critical", "The token's header asks for an extension that is not known.";
    TokenType = "token_type", "The token's header says that it is another kind of token.";
    TokenIssuer = "token_issuer", "The token's issuer is not declared.";
    TokenAudience = "token_audience", "The token is meant for another audience.";
    TokenKeyUnknown = "token_key_unknown", "The token names no key, or one that its issuer does not have.";
    KeysUnavailable = "keys_unavailable", "The issuer's keys are not there, or too old to be trusted.";
    TokenSignature = "token_signature", "The token's signature is not its issuer's.";
    TokenExpired = "token_expired", "The token has expired.";
    TokenNotYetValid = "token_not_yet_valid", "The token is from the future.";
    TokenTimes = "token_times", "The token's times are missing or no times.";
    ClaimMalformed = "claim_malformed", "A claim of the login has another type or more values than it can have.";
    SourceMissing = "source_missing", "The login does not say by which means it was made, or by unknown means.";
    SourceOther = "source_other", "The login was made by other means than eHerkenning.";
    LevelMissing = "level_missing", "The login does not say which level of assurance was achieved.";
    LevelUnknown = "level_unknown", "The login's level of assurance is not one of eHerkenning.";
    ActingSubjectMissing = "acting_subject_missing", "The login has no persistent pseudonym of the user.";
    ActingSubjectMalformed = "acting_subject_malformed", "The user's pseudonym is of another kind or form.";
    LegalSubjectMissing = "legal_subject_missing", "The login names no organisation.";
    LegalSubjectMalformed = "legal_subject_malformed", "The organisation's number is of unknown kind or wrong form.";
    LegalSubjectContradictory = "legal_subject_contradictory", "The login names more than one organisation to act for.";
    LegalSubjectBsn = "legal_subject_bsn", "The login names a sole trader by a citizen number only.";
    IntermediaryMalformed = "intermediary_malformed", "The intermediary is empty, repeated, or no KvK number.";
    IntermediaryUnmapped = "intermediary_unmapped", "The login has a claim about an intermediary that the mapping does not read.";
    IntermediaryContradictory = "intermediary_contradictory", "The intermediary is the represented organisation itself.";
    RepresentationContradictory = "representation_contradictory", "The login is missing or denies the representation that it shows.";
    BranchMalformed = "branch_malformed", "The branch is empty or no branch number.";
    BranchWithMandate = "branch_with_mandate", "The login has a branch and an intermediary, which cannot go together.";
    MandateMissing = "mandate_missing", "The login by an intermediary does not say for which service.";
    MandateMalformed = "mandate_malformed", "The services of the login are not what they can be.";
    ContextMalformed = "context_malformed", "The authentication context contradicts itself or has another shape.";
}
