//! Topics: made, described and deleted, in every version of what does so.

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Message;

use crate::common::{Client, Running, text, topic_name};

fn create(name: &str, partitions: i32) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
}

fn create_one(client: &mut Client, topic: CreatableTopic) -> i16 {
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    client.call(7, &request).topics[0].error_code
}

fn metadata(client: &mut Client, version: i16, names: &[&str]) -> MetadataResponse {
    let topics = names
        .iter()
        .map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))));
    let request = MetadataRequest::default()
        .with_topics(Some(topics.collect()))
        .with_allow_auto_topic_creation(version < 4);
    client.call(version, &request)
}

#[test]
fn topics_are_made_described_and_deleted_in_every_version() {
    let broker = Running::start();
    let mut client = broker.client();
    let versions = CreateTopicsRequest::VERSIONS;
    for version in versions.min..=versions.max {
        let name = format!("made-by-{version}");
        let config = CreatableTopicConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("60000")));
        let topic = create(&name, 3).with_configs(vec![config]);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let made = client.call(version, &request);
        assert_eq!(made.topics[0].error_code, 0, "{version}");
        if version >= 5 {
            assert_eq!(made.topics[0].num_partitions, 3);
            let configs = made.topics[0].configs.as_deref().expect("settings");
            assert!(
                configs
                    .iter()
                    .any(|it| it.name.as_str() == "retention.ms" && it.config_source == 1)
            );
        }
        assert_eq!(
            client.call(version, &request).topics[0].error_code,
            36,
            "it exists"
        );
    }
    for version in 0..=MetadataRequest::VERSIONS.max {
        let response = metadata(&mut client, version, &["made-by-7"]);
        assert_eq!(response.brokers[0].port, i32::from(broker.address.port()));
        assert_eq!(response.brokers[0].host.as_str(), "127.0.0.1");
        let topic = &response.topics[0];
        assert_eq!(
            (topic.error_code, topic.partitions.len()),
            (0, 3),
            "{version}"
        );
        assert_eq!(topic.partitions[2].leader_id, response.brokers[0].node_id);
    }
    let deletes = DeleteTopicsRequest::VERSIONS;
    for version in deletes.min..=deletes.max {
        let name = topic_name(&format!("made-by-{}", version + 1));
        let request = DeleteTopicsRequest::default();
        let request = if version < 6 {
            request.with_topic_names(vec![name.clone()])
        } else {
            let id = metadata(&mut client, 12, &[&name]).topics[0].topic_id;
            request.with_topics(vec![
                DeleteTopicState::default()
                    .with_name(None)
                    .with_topic_id(id),
            ])
        };
        let deleted = client.call(version, &request);
        assert_eq!(deleted.responses[0].error_code, 0, "{version}");
        assert_eq!(deleted.responses[0].name, Some(name.clone()));
        let gone = metadata(&mut client, 12, &[&name]);
        assert_eq!(gone.topics[0].error_code, 3, "UNKNOWN_TOPIC_OR_PARTITION");
    }
}

#[test]
fn what_cannot_be_a_topic_is_refused() {
    let broker = Running::start();
    let mut client = broker.client();
    let assignment = |index| {
        create_topics_request::CreatableReplicaAssignment::default()
            .with_partition_index(index)
            .with_broker_ids(vec![BrokerId(1)])
    };
    let setting = |name: &'static str, value: &'static str| {
        CreatableTopicConfig::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
    };
    let cases = [
        (create("a b", 1), 17, "INVALID_TOPIC_EXCEPTION"),
        (create("..", 1), 17, "INVALID_TOPIC_EXCEPTION"),
        (create("__consumer_offsets", 1), 36, "TOPIC_ALREADY_EXISTS"),
        (create("none", 0), 37, "INVALID_PARTITIONS"),
        (create("many", i32::MAX), 37, "INVALID_PARTITIONS"),
        (
            create("copies", 1).with_replication_factor(3),
            38,
            "INVALID_REPLICATION_FACTOR",
        ),
        (
            create("both", 1).with_assignments(vec![assignment(0)]),
            42,
            "INVALID_REQUEST",
        ),
        (
            create("gap", -1)
                .with_replication_factor(-1)
                .with_assignments(vec![assignment(1)]),
            39,
            "INVALID_REPLICA_ASSIGNMENT",
        ),
        (
            create("set", 1).with_configs(vec![setting("retention.ms", "soon")]),
            40,
            "INVALID_CONFIG",
        ),
        (
            create("key", 1).with_configs(vec![setting("retention.mx", "1")]),
            40,
            "INVALID_CONFIG",
        ),
    ];
    for (topic, code, what) in cases {
        assert_eq!(
            create_one(&mut client, topic.clone()),
            code,
            "{what}: {}",
            topic.name.as_str()
        );
    }
    // Twice in one request, and only on trial.
    let twice = CreateTopicsRequest::default().with_topics(vec![create("t", 1), create("t", 1)]);
    let twice = client.call(7, &twice);
    assert_eq!((twice.topics.len(), twice.topics[0].error_code), (1, 42));
    let trial = CreateTopicsRequest::default()
        .with_topics(vec![create("t", 1)])
        .with_validate_only(true);
    assert_eq!(client.call(7, &trial).topics[0].error_code, 0);
    assert_eq!(metadata(&mut client, 12, &["t"]).topics[0].error_code, 3);
}

#[test]
fn a_topic_that_is_asked_for_is_made_unless_that_is_switched_off() {
    let ask = |broker: &Running, allow: bool| {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name("fresh")));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![topic.clone(), topic]))
            .with_allow_auto_topic_creation(allow);
        let topics = broker.client().call(12, &request).topics;
        assert_eq!(topics.len(), 1, "each once");
        (topics[0].error_code, topics[0].partitions.len())
    };
    let broker = Running::start_with(|config| config.default_partitions = 4);
    assert_eq!(ask(&broker, false), (3, 0));
    assert_eq!(ask(&broker, true), (0, 4));
    assert_eq!(
        ask(&broker.restart(), false),
        (0, 4),
        "it is there after a restart"
    );
    let broker = Running::start_with(|config| config.auto_create_topics = false);
    assert_eq!(ask(&broker, true), (3, 0));
}

#[test]
fn settings_are_described_in_every_version() {
    let broker = Running::start();
    let mut client = broker.client();
    assert_eq!(create_one(&mut client, create("t", 1)), 0);
    let versions = DescribeConfigsRequest::VERSIONS;
    for version in versions.min..=versions.max {
        let resource = |kind, name: &str| {
            DescribeConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
                .with_configuration_keys(None)
        };
        let resources = vec![
            resource(2, "t"),
            resource(4, "1"),
            resource(2, "u"),
            resource(4, "7"),
        ];
        let request = DescribeConfigsRequest::default()
            .with_resources(resources)
            .with_include_synonyms(true);
        let results = client.call(version, &request).results;
        let codes: Vec<_> = results.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [0, 0, 3, 42], "{version}");
        let value = |name: &str| {
            let found = results
                .iter()
                .flat_map(|result| &result.configs)
                .find(|it| it.name.as_str() == name);
            found.and_then(|it| it.value.clone()).expect("a value")
        };
        assert_eq!(value("retention.ms").as_str(), "604800000");
        assert_eq!(value("broker.id").as_str(), "1");
    }
}

fn setting(broker: &Running, name: &str) -> String {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_configuration_keys(Some(vec![text(name)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let mut results = broker.client().call(4, &request).results;
    results
        .remove(0)
        .configs
        .remove(0)
        .value
        .expect("a value")
        .to_string()
}

#[test]
fn settings_are_changed_in_every_version_and_last() {
    use alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let broker = Running::start();
    let mut client = broker.client();
    assert_eq!(create_one(&mut client, create("t", 1)), 0);
    for version in 0..=AlterConfigsRequest::VERSIONS.max {
        let entry = AlterableConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text(&format!("{}", 1000 + version))));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("t"))
            .with_configs(vec![entry]);
        let request = AlterConfigsRequest::default().with_resources(vec![resource]);
        assert_eq!(client.call(version, &request).responses[0].error_code, 0);
        assert_eq!(
            setting(&broker, "retention.ms"),
            format!("{}", 1000 + version)
        );
    }
    let mut change = |version, operation, name: &str, value: Option<&str>| {
        use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
        let entry = AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(operation)
            .with_value(value.map(text));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("t"))
            .with_configs(vec![entry]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        client.call(version, &request).responses[0].error_code
    };
    assert_eq!(change(0, 0, "segment.bytes", Some("2048")), 0);
    assert_eq!(
        setting(&broker, "retention.ms"),
        "1002",
        "what is not given stays"
    );
    assert_eq!(change(1, 2, "cleanup.policy", Some("compact")), 0);
    assert_eq!(setting(&broker, "cleanup.policy"), "compact,delete");
    assert_eq!(change(1, 3, "cleanup.policy", Some("delete")), 0);
    assert_eq!(setting(&broker, "cleanup.policy"), "compact");
    assert_eq!(change(1, 1, "retention.ms", None), 0);
    assert_eq!(setting(&broker, "retention.ms"), "604800000");
    assert_eq!(
        change(1, 0, "retention.ms", Some("soon")),
        40,
        "INVALID_CONFIG"
    );
    assert_eq!(change(1, 2, "retention.ms", Some("1")), 40, "it is no list");
    let broker = broker.restart();
    assert_eq!(setting(&broker, "segment.bytes"), "2048");
    assert_eq!(setting(&broker, "cleanup.policy"), "compact");
}

#[test]
fn a_topic_gets_more_partitions_and_never_fewer() {
    use create_partitions_request::CreatePartitionsTopic;
    let broker = Running::start();
    let mut client = broker.client();
    assert_eq!(create_one(&mut client, create("t", 1)), 0);
    let mut grow = |version, name, count| {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(count)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
        client.call(version, &request).results[0].error_code
    };
    for version in 0..=CreatePartitionsRequest::VERSIONS.max {
        assert_eq!(grow(version, "t", 2 + i32::from(version)), 0);
    }
    assert_eq!(grow(3, "t", 5), 37, "INVALID_PARTITIONS");
    assert_eq!(grow(3, "t", i32::MAX), 37, "INVALID_PARTITIONS");
    assert_eq!(grow(3, "u", 2), 3, "UNKNOWN_TOPIC_OR_PARTITION");
    let broker = broker.restart();
    let response = metadata(&mut broker.client(), 12, &["t"]);
    assert_eq!(response.topics[0].partitions.len(), 5);
}

#[test]
fn the_cluster_and_its_coordinator_are_this_node() {
    let broker = Running::start();
    let mut client = broker.client();
    for version in 0..=DescribeClusterRequest::VERSIONS.max {
        let cluster = client.call(
            version,
            &DescribeClusterRequest::default().with_endpoint_type(1),
        );
        assert_eq!(
            (cluster.error_code, cluster.brokers.len()),
            (0, 1),
            "{version}"
        );
        assert_eq!(cluster.cluster_id.len(), 22);
    }
    for version in 0..=FindCoordinatorRequest::VERSIONS.max {
        let request = FindCoordinatorRequest::default();
        let request = if version < 4 {
            request.with_key(text("group"))
        } else {
            request.with_coordinator_keys(vec![text("group"), text("other")])
        };
        let response = client.call(version, &request);
        let port = response
            .coordinators
            .first()
            .map_or(response.port, |it| it.port);
        assert_eq!(port, i32::from(broker.address.port()), "{version}");
        assert_eq!(response.coordinators.len(), if version < 4 { 0 } else { 2 });
    }
}

#[test]
fn topics_are_described_a_page_at_a_time() {
    let broker = Running::start();
    let mut client = broker.client();
    for (name, partitions) in [("a", 2), ("b", 3), ("c", 1)] {
        assert_eq!(create_one(&mut client, create(name, partitions)), 0);
    }
    let mut pages = Vec::new();
    let mut cursor = None;
    loop {
        let topics =
            ["a", "b", "c", "d"].map(|name| TopicRequest::default().with_name(topic_name(name)));
        let request = DescribeTopicPartitionsRequest::default()
            .with_topics(topics.to_vec())
            .with_response_partition_limit(2)
            .with_cursor(cursor);
        let page = client.call(0, &request);
        let told = page.topics.iter().map(|topic| {
            for partition in &topic.partitions {
                // Kafka's own client does not bear null here.
                assert_eq!(partition.eligible_leader_replicas, Some(Vec::new()));
                assert_eq!(partition.last_known_elr, Some(Vec::new()));
            }
            let indexes: Vec<_> = topic
                .partitions
                .iter()
                .map(|it| it.partition_index)
                .collect();
            (
                topic.name.as_ref().expect("a name").to_string(),
                topic.error_code,
                indexes,
            )
        });
        pages.push(told.collect::<Vec<_>>());
        let Some(next) = page.next_cursor else { break };
        cursor = Some(
            Cursor::default()
                .with_topic_name(next.topic_name)
                .with_partition_index(next.partition_index),
        );
    }
    let told = |name: &str, code, indexes: &[i32]| (name.to_owned(), code, indexes.to_vec());
    assert_eq!(
        pages,
        [
            vec![told("a", 0, &[0, 1])],
            vec![told("b", 0, &[0, 1])],
            vec![told("b", 0, &[2]), told("c", 0, &[0])],
            vec![told("d", 3, &[])],
        ]
    );
}

#[test]
fn every_producer_gets_an_id_of_its_own() {
    let broker = Running::start();
    let mut ids = Vec::new();
    let mut init = |broker: &Running| {
        let mut client = broker.client();
        for version in 0..=InitProducerIdRequest::VERSIONS.max {
            let request = InitProducerIdRequest::default().with_transactional_id(None);
            let response = client.call(version, &request);
            assert_eq!(
                (response.error_code, response.producer_epoch),
                (0, 0),
                "{version}"
            );
            ids.push(response.producer_id.0);
        }
    };
    init(&broker);
    init(&broker.restart());
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
