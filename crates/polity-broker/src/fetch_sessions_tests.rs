//! Sessions as their consumers see them.

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::fetch_request::{FetchTopic, ForgottenTopic};

use super::*;

fn request(id: i32, epoch: i32, partitions: &[(i32, i64)]) -> FetchRequest {
    let partitions = partitions.iter().map(|(partition, offset)| {
        FetchPartition::default()
            .with_partition(*partition)
            .with_fetch_offset(*offset)
    });
    let topic = FetchTopic::default()
        .with_topic(name())
        .with_partitions(partitions.collect());
    FetchRequest::default()
        .with_session_id(id)
        .with_session_epoch(epoch)
        .with_topics(vec![topic])
}

fn name() -> TopicName {
    TopicName(StrBytes::from_static_str("orders"))
}

fn read(session: &Session) -> Vec<(i32, i64)> {
    session
        .partitions
        .iter()
        .map(|it| (it.partition, it.offset))
        .collect()
}

#[test]
fn a_session_remembers_what_is_read_and_takes_changes() {
    let sessions = FetchSessions::default();
    let first = sessions
        .begin(&request(0, 0, &[(0, 5), (1, 6), (2, 7)]))
        .expect("it begins");
    let id = first.id;
    assert!(id > 0 && !first.is_incremental);
    drop(first);

    let forgotten = ForgottenTopic::default()
        .with_topic(name())
        .with_partitions(vec![0, 9]);
    let change = request(id, 1, &[(1, 8)]).with_forgotten_topics_data(vec![forgotten]);
    let second = sessions.begin(&change).expect("it goes on");
    assert!(second.is_incremental);
    assert_eq!(read(&second), [(2, 7), (1, 8)]);
    drop(second);

    let third = sessions
        .begin(&request(id, 2, &[(0, 1), (2, 9)]))
        .expect("it goes on");
    assert_eq!(read(&third), [(2, 9), (1, 8), (0, 1)]);
    assert_eq!(sessions.partitions.load(Ordering::Relaxed), 3);
}

#[test]
fn a_request_that_is_not_the_next_of_its_session_is_refused() {
    let sessions = FetchSessions::default();
    let session = sessions
        .begin(&request(0, 0, &[(0, 0)]))
        .expect("it begins");
    let id = session.id;
    let refused = |epoch| sessions.begin(&request(id, epoch, &[])).err();
    assert_eq!(
        refused(1),
        Some(ResponseError::InvalidFetchSessionEpoch),
        "another is under way"
    );
    drop(session);
    assert_eq!(refused(2), Some(ResponseError::InvalidFetchSessionEpoch));
    assert_eq!(refused(1), None);
    assert_eq!(
        refused(1),
        Some(ResponseError::InvalidFetchSessionEpoch),
        "it was before"
    );
    let unknown = sessions.begin(&request(id ^ 1, 1, &[])).err();
    assert_eq!(unknown, Some(ResponseError::FetchSessionIdNotFound));
    // Its end.
    assert!(sessions.begin(&request(id, -1, &[])).is_ok());
    assert_eq!(refused(2), Some(ResponseError::FetchSessionIdNotFound));
    assert_eq!(sessions.partitions.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_session_makes_room_once_it_is_idle() {
    let sessions = FetchSessions::default();
    let begin = || {
        sessions
            .begin(&request(0, 0, &[(0, 0)]))
            .expect("it begins")
            .id
    };
    let oldest = begin();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!((1..MAX_SESSIONS).all(|_| begin() != 0));
    assert_eq!(begin(), 0, "all are in use");
    tokio::time::advance(KEPT).await;
    assert_ne!(begin(), 0);
    let gone = sessions.begin(&request(oldest, 1, &[])).err();
    assert_eq!(gone, Some(ResponseError::FetchSessionIdNotFound));
    assert_eq!(sessions.partitions.load(Ordering::Relaxed), MAX_SESSIONS);
}
