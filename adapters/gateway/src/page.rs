//! A denial for people: a small page that stands alone, without scripts or anything from elsewhere.

use pdp_core::decision::Decision;

use crate::accept::Language;
use crate::problem;
use crate::verdict::Kind;

/// Allows a page nothing but its own style.
pub const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "body{font:1.125rem/1.6 system-ui,sans-serif;color:#1b1b1b;background:#fff;margin:0}\
main{max-width:42rem;margin:0 auto;padding:2rem 1rem}h1{font-size:1.75rem;line-height:1.25}\
li{margin:.5rem 0}a{color:#0b5394}a:focus-visible{outline:3px solid #0b5394;outline-offset:2px}\
a.action{display:inline-block;padding:.75rem 1.25rem;background:#0b5394;color:#fff;text-decoration:none}\
.about{color:#595959;font-size:1rem;overflow-wrap:anywhere}";

/// What a page says besides the reasons.
struct Texts {
    no_access: &'static str,
    log_in_first: &'static str,
    higher_level: &'static str,
    because: &'static str,
    go_on: &'static str,
    log_in: &'static str,
    step_up: &'static str,
    article: &'static str,
    reference: &'static str,
}

const DUTCH: Texts = Texts {
    no_access: "U hebt nu geen toegang",
    log_in_first: "Log eerst in",
    higher_level: "Log in met een hoger betrouwbaarheidsniveau",
    because: "Dit is waarom:",
    go_on: "Hier kunt u verder:",
    log_in: "Inloggen",
    step_up: "Opnieuw inloggen",
    article: "artikel",
    reference: "Kenmerk van deze beslissing, voor als u contact opneemt:",
};

const ENGLISH: Texts = Texts {
    no_access: "You do not have access now",
    log_in_first: "Log in first",
    higher_level: "Log in at a higher level of assurance",
    because: "This is why:",
    go_on: "You can go on here:",
    log_in: "Log in",
    step_up: "Log in again",
    article: "article",
    reference: "Reference of this decision, should you contact us:",
};

/// The page of a denial, complete HTML.
pub fn document(kind: &Kind, decision: &Decision, language: Language) -> String {
    let texts = match language {
        Language::Dutch => &DUTCH,
        Language::English => &ENGLISH,
    };
    let (title, link) = match kind {
        Kind::NotLoggedIn(url) => (texts.log_in_first, url.as_deref().map(|url| (url, texts.log_in))),
        Kind::StepUp(url) => (texts.higher_level, url.as_deref().map(|url| (url, texts.step_up))),
        _ => (texts.no_access, None),
    };
    let reasons: Vec<String> = decision
        .outcome
        .reasons
        .iter()
        .map(|reason| {
            let article = match &*reason.article {
                "" => String::new(),
                number => format!(" ({} {})", texts.article, escaped(number)),
            };
            format!("<li>{}{article}</li>", escaped(problem::text(reason, language)))
        })
        .collect();
    let action = link.map_or_else(String::new, |(url, name)| {
        format!("<p><a class=\"action\" href=\"{}\">{name}</a></p>", escaped(url))
    });
    format!(
        "<!DOCTYPE html><html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><style>{STYLE}</style></head><body><main><h1>{title}</h1>\
         <p>{}</p><ul>{}</ul>{}{action}<p class=\"about\">{} <code>{}</code></p></main></body></html>\n",
        language.tag(),
        texts.because,
        reasons.concat(),
        places(decision, texts.go_on),
        texts.reference,
        escaped(&decision.decision_id),
    )
}

/// Links to where obligations can be met, for those that name a web address as `url`; empty without any.
fn places(decision: &Decision, title: &str) -> String {
    let urls = decision.outcome.obligations.iter().filter_map(|duty| duty.parameters.get("url")?.as_str());
    let web = urls.filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    let links: Vec<String> = web.map(escaped).map(|url| format!("<li><a href=\"{url}\">{url}</a></li>")).collect();
    if links.is_empty() { String::new() } else { format!("<p>{title}</p><ul>{}</ul>", links.concat()) }
}

/// Text as it may stand between tags and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pdp_core::decision::{Advice, Decision, Outcome};
    use pdp_core::error::FailClosed;
    use serde_json::{Map, json};

    use super::document;
    use crate::accept::Language;
    use crate::verdict::Kind;

    #[test]
    fn nothing_that_a_request_says_becomes_markup() {
        let mut outcome = Outcome::fail_closed(FailClosed::PolicyError);
        outcome.reasons.iter_mut().for_each(|reason| {
            reason.message.nl = "<script>\"'&".to_owned();
            reason.article = "4.2".to_owned();
        });
        let decision = Decision::new(Arc::new(outcome), None, None);
        let page = document(&Kind::NotLoggedIn(Some("/\"><b>".to_owned())), &decision, Language::Dutch);
        assert!(page.contains("<li>&lt;script&gt;&quot;&#39;&amp; (artikel 4.2)</li>"), "{page}");
        assert!(page.contains("href=\"/&quot;&gt;&lt;b&gt;\""), "{page}");
        let page = document(&Kind::Denied, &decision, Language::English);
        assert!(page.contains("lang=\"en\"") && page.contains("We cannot check now"), "{page}");
        assert!(!page.contains("class=\"action\" href"), "{page}");
        assert!(!page.contains("You can go on here"), "{page}");
    }

    #[test]
    fn obligations_lead_to_web_addresses_only() {
        let mut outcome = Outcome::fail_closed(FailClosed::PolicyError);
        outcome.obligations = [json!("https://a.example/?b=1&c=\"2\""), json!("javascript:alert(1)"), json!(1)]
            .into_iter()
            .map(|url| Advice {
                kind: "accept_terms".to_owned(),
                article: "2.3".to_owned(),
                parameters: Map::from_iter([("url".to_owned(), url)]),
            })
            .collect();
        let page = document(&Kind::Denied, &Decision::new(Arc::new(outcome), None, None), Language::Dutch);
        let link = "<a href=\"https://a.example/?b=1&amp;c=&quot;2&quot;\">https://a.example/?b=1&amp;c=&quot;2&quot;</a>";
        assert!(page.contains(&format!("<p>Hier kunt u verder:</p><ul><li>{link}</li></ul>")), "{page}");
        assert!(!page.contains("javascript"), "{page}");
    }

    #[test]
    fn what_the_operator_says_takes_the_place_of_the_usual_sentence() {
        let mut outcome = Outcome::fail_closed(FailClosed::PolicyError);
        outcome.reasons.iter_mut().for_each(|reason| {
            reason.details.insert("message".to_owned(), json!({"nl": "Dicht tot <8 uur>.", "en": 8}));
        });
        let decision = Decision::new(Arc::new(outcome), None, None);
        assert!(document(&Kind::Denied, &decision, Language::Dutch).contains("<li>Dicht tot &lt;8 uur&gt;.</li>"));
        assert!(document(&Kind::Denied, &decision, Language::English).contains("<li>We cannot check now"));
    }
}
