//! ListTransactions: which transactional ids there are, and where each stands (KIP-664).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_transactions_response::TransactionState;
use kafka_protocol::messages::{ListTransactionsRequest, ListTransactionsResponse, ProducerId};
use kafka_protocol::protocol::StrBytes;

use super::group_text::on_wire;
use crate::node::Node;
use crate::pattern;
use crate::transaction::{Filter, State};
use crate::transactions::now;

const STATES: [State; 7] = [
    State::Empty,
    State::Ongoing,
    State::PrepareCommit,
    State::PrepareAbort,
    State::CompleteCommit,
    State::CompleteAbort,
    State::Dead,
];

pub(crate) async fn handle(
    node: &Node,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    let named = |name: &StrBytes| {
        STATES
            .into_iter()
            .find(|state| state.name() == name.as_str())
    };
    let states: Vec<_> = request.state_filters.iter().filter_map(named).collect();
    let unknown = request
        .state_filters
        .iter()
        .filter(|name| named(name).is_none());
    let response =
        ListTransactionsResponse::default().with_unknown_state_filters(unknown.cloned().collect());
    if states.is_empty() && !request.state_filters.is_empty() {
        // None of the states asked for is one, so nothing is in it.
        return response;
    }
    let asked = request.transactional_id_pattern.as_ref();
    let asked = asked.filter(|pattern| !pattern.is_empty());
    let Ok(pattern) = asked.map(|asked| pattern::whole(asked)).transpose() else {
        return response.with_error_code(ResponseError::InvalidRegularExpression.code());
    };
    let filter = Filter {
        pattern,
        states,
        producer_ids: request.producer_id_filters.iter().map(|id| id.0).collect(),
        longer_than_ms: Some(request.duration_filter).filter(|it| *it >= 0),
    };
    let listed = node
        .transactions
        .ask(|transactions, _| Ok(transactions.list(&filter, now())));
    match listed.await {
        Ok(listed) => {
            let states = listed.into_iter().map(|it| {
                TransactionState::default()
                    .with_transactional_id(on_wire(&it.transactional_id).into())
                    .with_producer_id(ProducerId(it.producer_id))
                    .with_transaction_state(on_wire(it.state.name()))
            });
            response.with_transaction_states(states.collect())
        }
        Err(error) => response.with_error_code(error.code()),
    }
}
