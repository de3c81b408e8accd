//! The texts that are neither events nor frames: subscriptions, acknowledgement, errors. Source: `websocket.md` 6 and 7.

use serde_json::value::RawValue;

use crate::cluster::MAX_TOPIC;
use crate::wire::broker_json::quote;

/// The Zeek whose WebSocket API this is: `version` of the acknowledgement.
pub(super) const VERSION: &str = "8.2.2";
/// Most topic prefixes of one client.
pub(super) const MAX_SUBSCRIPTIONS: usize = 4096;

/// Most octets of these, which all nodes remember.
pub(super) const MAX_SUBSCRIPTION_OCTETS: usize = 256 << 10;

/// What is wrong with a message; the connection goes on, unless it is the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) context: &'static str,
}

impl Refusal {
    pub(super) const APPLICATION_NAME: Refusal =
        Refusal { code: "invalid_application_name", context: "Invalid X-Application-Name" };
    pub(super) const NOT_JSON: Refusal = Refusal::message("failed to decode JSON object");
    pub(super) const NO_TOPIC: Refusal = Refusal::message("no topic in top-level JSON object");
    pub(super) const NO_EVENT: Refusal = Refusal::message("failed to create Zeek event");
    pub(super) const TOO_MANY_IN_ALL: Refusal = Refusal::message("too many subscriptions of all clients");
    const NO_ARRAY: Refusal = Refusal::message("subscriptions not an array");
    const NO_STRING: Refusal = Refusal::message("individual subscription not a string");
    const TOO_MANY: Refusal = Refusal::message("more than 4096 subscriptions");
    const TOO_LONG: Refusal = Refusal::message("a subscription of more than 1024 octets");
    const TOO_LARGE: Refusal = Refusal::message("more than 262144 octets of subscriptions");

    const fn message(context: &'static str) -> Refusal {
        Refusal { code: "deserialization_failed", context }
    }

    /// What the client is told.
    pub(super) fn text(self) -> String {
        format!(r#"{{"type":"error","code":"{}","context":"{}"}}"#, self.code, self.context)
    }
}

/// The topic prefixes of a client's first message, as they came. A string ends at its first NUL, as in Zeek.
pub(super) fn subscriptions(text: &[u8]) -> Result<Vec<String>, Refusal> {
    let elements: Vec<&RawValue> = serde_json::from_slice(text).map_err(|_| Refusal::NO_ARRAY)?;
    if elements.len() > MAX_SUBSCRIPTIONS {
        return Err(Refusal::TOO_MANY);
    }
    let topic = |element: &&RawValue| {
        let topic: String = serde_json::from_str(element.get()).map_err(|_| Refusal::NO_STRING)?;
        Ok(topic.split('\0').next().unwrap_or_default().to_owned())
    };
    let topics: Vec<String> = elements.iter().map(topic).collect::<Result<_, _>>()?;
    if topics.iter().any(|topic| topic.len() > MAX_TOPIC) {
        return Err(Refusal::TOO_LONG);
    }
    if topics.iter().map(String::len).sum::<usize>() > MAX_SUBSCRIPTION_OCTETS {
        return Err(Refusal::TOO_LARGE);
    }
    Ok(topics)
}

/// The answer to subscriptions that are in effect.
pub(super) fn acknowledgement(endpoint: &str) -> String {
    format!(r#"{{"type":"ack","endpoint":{},"version":"{VERSION}"}}"#, quote(endpoint.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_message_is_an_array_of_strings() {
        assert_eq!(subscriptions(b"[]"), Ok(vec![]));
        assert_eq!(subscriptions(b"\r\n[ \"a\",\r \"\", \"a\" ]"), Ok(vec!["a".into(), String::new(), "a".into()]));
        assert_eq!(subscriptions(br#"["a\u0000b"]"#), Ok(vec!["a".into()]));
        for text in ["", "hello", "{\"a\": 1}", "\"a\"", "[\"a\"", "[\"a\"] x", "[\"a\",]", "null", "\u{feff}[]"] {
            assert_eq!(subscriptions(text.as_bytes()), Err(Refusal::NO_ARRAY), "{text}");
        }
        for text in ["[1, 2]", "[\"a\", null]", "[[\"a\"]]", "[{}]", "[\"\\ud800\"]"] {
            assert_eq!(subscriptions(text.as_bytes()), Err(Refusal::NO_STRING), "{text}");
        }
        assert_eq!(subscriptions(b"[\"\xff\"]"), Err(Refusal::NO_ARRAY));
    }

    #[test]
    fn hostile_first_messages_are_refused_without_a_fuss() {
        let many = format!("[{}\"\"]", "\"\",".repeat(MAX_SUBSCRIPTIONS));
        assert_eq!(subscriptions(many.as_bytes()), Err(Refusal::TOO_MANY));
        assert!(Refusal::TOO_MANY.context.contains(&MAX_SUBSCRIPTIONS.to_string()));
        let one = |length: usize| format!("[\"{}\"]", "t".repeat(length));
        assert_eq!(subscriptions(one(MAX_TOPIC + 1).as_bytes()), Err(Refusal::TOO_LONG));
        assert!(subscriptions(one(MAX_TOPIC).as_bytes()).is_ok());
        assert!(Refusal::TOO_LONG.context.contains(&MAX_TOPIC.to_string()));
        let large = format!("[{}\"\"]", format!("\"{}\",", "t".repeat(MAX_TOPIC)).repeat(257));
        assert_eq!(subscriptions(large.as_bytes()), Err(Refusal::TOO_LARGE));
        assert!(Refusal::TOO_LARGE.context.contains(&MAX_SUBSCRIPTION_OCTETS.to_string()));
        assert!(subscriptions("[".repeat(1_000_000).as_bytes()).is_err());
        assert!(subscriptions(format!("[{}]", "9".repeat(1_000_000)).as_bytes()).is_err());
    }

    #[test]
    fn texts_are_zeek_s() {
        assert_eq!(
            acknowledgement("zeromq_manager_vm_28266_Nglq3j2CdazqZWKSbd-websocket-0"),
            r#"{"type":"ack","endpoint":"zeromq_manager_vm_28266_Nglq3j2CdazqZWKSbd-websocket-0","version":"8.2.2"}"#
        );
        assert_eq!(
            Refusal::NOT_JSON.text(),
            r#"{"type":"error","code":"deserialization_failed","context":"failed to decode JSON object"}"#
        );
    }
}
