//! Settings of topics, changed by several at once.

use std::thread;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use crate::common::{Client, Running, create_topic, text};

fn resource(entries: &[(&str, &str)]) -> AlterConfigsResource {
    let entries = entries.iter().map(|(name, value)| {
        AlterableConfig::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
    });
    AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_configs(entries.collect())
}

fn alter(client: &mut Client, resources: Vec<AlterConfigsResource>) -> Vec<i16> {
    let request = IncrementalAlterConfigsRequest::default().with_resources(resources);
    let altered = client.call(1, &request);
    altered.responses.iter().map(|it| it.error_code).collect()
}

fn setting(client: &mut Client, name: &str) -> String {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_configuration_keys(Some(vec![text(name)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let described = client.call(4, &request);
    let value = described.results[0].configs[0].value.as_ref();
    value.expect("it has a value").to_string()
}

#[test]
fn nobody_who_changes_one_setting_undoes_what_others_change() {
    let broker = Running::start();
    create_topic(&mut broker.client(), "t", 1);
    let names = ["retention.ms", "retention.bytes", "segment.ms"];
    thread::scope(|scope| {
        for name in names {
            let mut client = broker.client();
            scope.spawn(move || {
                for value in 100_000..100_050 {
                    let value = value.to_string();
                    assert_eq!(alter(&mut client, vec![resource(&[(name, &value)])]), [0]);
                    assert_eq!(setting(&mut client, name), value, "{name}");
                }
            });
        }
    });
}

#[test]
fn a_resource_is_changed_as_a_whole_or_not_at_all() {
    let broker = Running::start();
    let mut client = broker.client();
    create_topic(&mut client, "t", 1);
    let before = setting(&mut client, "retention.ms");
    let half = [("retention.ms", "5000"), ("segment.bytes", "many")];
    assert_eq!(
        alter(&mut client, vec![resource(&half)]),
        [40],
        "INVALID_CONFIG"
    );
    let twice = [("retention.ms", "5000"), ("retention.ms", "6000")];
    assert_eq!(
        alter(&mut client, vec![resource(&twice)]),
        [42],
        "INVALID_REQUEST"
    );
    let one = || resource(&[("retention.ms", "5000")]);
    assert_eq!(alter(&mut client, vec![one(), one()]), [42, 42]);
    assert_eq!(setting(&mut client, "retention.ms"), before);
    assert_eq!(alter(&mut client, vec![one()]), [0]);
    assert_eq!(setting(&mut client, "retention.ms"), "5000");
}
