//! A connection to an instance, for the page.

use app_dashboard::{Answer, AppLink, Asked, Problem, ProblemKind, Question};
use tokio::time::{Instant, timeout_at};

use super::{ask, change, operations};
use crate::connect::Session;

/// A connection to an instance.
pub(super) struct Link {
    session: Session,
}

impl Link {
    pub(super) fn new(session: Session) -> Self {
        Self { session }
    }
}

impl AppLink for Link {
    fn is_connected(&self) -> bool {
        self.session.is_connected()
    }

    fn ask(&self, question: Question, deadline: Instant) -> Asked<'_, Answer> {
        Box::pin(async move {
            let late =
                || Problem::new(ProblemKind::Unknown, "no answer in time; a change may have been made");
            let answered = async {
                match question {
                    Question::Change(change) => change::make(&self.session, change, deadline).await,
                    Question::Operations => operations::list(&self.session, deadline).await,
                    Question::Describe { service, name } => {
                        operations::describe(&self.session, service, name, deadline).await
                    }
                    Question::Call(call) => operations::call(&self.session, *call, deadline).await,
                    question => ask::ask(&self.session, question, deadline).await,
                }
            };
            timeout_at(deadline, answered).await.unwrap_or_else(|_| Err(late()))
        })
    }

    fn close(&self) -> Asked<'_, ()> {
        Box::pin(self.session.disconnect())
    }
}
