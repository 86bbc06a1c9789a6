//! What an error of another process has beside, and what goes to other processes.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::spec::ErrorSeverity;
use crate::origin::ErrorOrigin;

/// What is known about the process that raised an error, if that is another one.
#[derive(Debug, PartialEq)]
pub(crate) struct RemoteFacts {
    pub(crate) origin: Option<ErrorOrigin>,
    pub(crate) severity: ErrorSeverity,
    pub(crate) location: String,
    pub(crate) stack: Vec<String>,
}

/// Which part of the context may go to other processes.
#[derive(Clone, Debug, Default)]
pub(crate) enum PublicPart {
    #[default]
    Nothing,
    /// These keys, if the context is an object.
    Keys(Arc<[String]>),
    All,
}

impl PublicPart {
    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The public part of a context.
    pub(crate) fn of(&self, context: &Value) -> Option<Value> {
        match self {
            Self::Nothing => None,
            Self::All => Some(context.clone()),
            Self::Keys(keys) => {
                let object = context.as_object()?;
                let part = keys.iter().filter_map(|key| Some((key.clone(), object.get(key)?.clone())));
                let part: serde_json::Map<_, _> = part.collect();
                (!part.is_empty()).then_some(Value::Object(part))
            }
        }
    }
}

/// A cause in another process, as its text.
#[derive(Debug)]
pub(crate) struct CauseText {
    text: String,
    cause: Option<Box<CauseText>>,
}

impl CauseText {
    /// The most causes that are kept.
    const MOST: usize = 32;

    /// A chain of causes with these texts, the direct cause first.
    pub(crate) fn chain(texts: Vec<String>) -> Option<Self> {
        let mut cause = None;
        for text in texts.into_iter().take(Self::MOST).rev() {
            cause = Some(Self { text, cause: cause.map(Box::new) });
        }
        cause
    }
}

impl fmt::Display for CauseText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for CauseText {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}
