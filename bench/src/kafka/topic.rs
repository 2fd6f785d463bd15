//! Topics: made, found and deleted.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, InitProducerIdRequest, ListOffsetsRequest,
    MetadataRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::Target;
use super::batch::Producer;
use super::client::Client;

const CREATE_TOPICS: i16 = 7;
const DELETE_TOPICS: i16 = 6;
const METADATA: i16 = 12;
const LIST_OFFSETS: i16 = 7;
const INIT_PRODUCER_ID: i16 = 4;

/// Asks for the end of a partition.
const LATEST: i64 = -1;

/// Until a topic that was made can be used.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(10);
const TIMEOUT_MS: i32 = 30_000;

#[derive(clap::Args)]
pub(crate) struct Create {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// Settings of the topic.
    #[arg(long, value_name = "NAME=VALUE")]
    config: Vec<String>,
}

#[derive(clap::Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    target: Target,
}

/// A topic that is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Topic {
    pub(super) id: Uuid,
    pub(super) partitions: i32,
}

pub(crate) fn create(options: &Create) -> anyhow::Result<()> {
    let mut client = Client::connect(options.target.address)?;
    let name = &options.target.topic;
    make(&mut client, name, options.partitions, &options.config)?;
    let began = Instant::now();
    while !is_led(&mut client, name)? {
        ensure!(began.elapsed() < PATIENCE, "{name} gets no leaders");
        sleep(LOOK);
    }
    Ok(())
}

/// Whether all partitions are served: Kafka tells of a leader before that leader knows that it is one.
fn is_led(client: &mut Client, topic: &str) -> anyhow::Result<bool> {
    let Some(found) = find(client, topic)? else {
        return Ok(false);
    };
    let partitions = (0..found.partitions).map(|index| {
        ListOffsetsPartition::default()
            .with_partition_index(index)
            .with_timestamp(LATEST)
    });
    let asked = ListOffsetsTopic::default()
        .with_name(name(topic))
        .with_partitions(partitions.collect());
    let request = ListOffsetsRequest::default().with_topics(vec![asked]);
    let answer = client.ask(&request, LIST_OFFSETS)?;
    let told = answer.topics.first().context("no topic in the answer")?;
    Ok(told.partitions.iter().all(|it| it.error_code == 0))
}

pub(crate) fn delete(options: &Delete) -> anyhow::Result<()> {
    let topic = DeleteTopicState::default().with_name(Some(name(&options.target.topic)));
    let request = DeleteTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(TIMEOUT_MS);
    let answer = Client::connect(options.target.address)?.ask(&request, DELETE_TOPICS)?;
    let deleted = answer.responses.first().context("no topic in the answer")?;
    check(deleted.error_code)
}

/// Makes a topic.
pub(super) fn make(
    client: &mut Client,
    topic: &str,
    partitions: i32,
    settings: &[String],
) -> anyhow::Result<()> {
    let config = |setting: &String| {
        let (name, value) = setting.split_once('=').context("NAME=VALUE is expected")?;
        anyhow::Ok(
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.to_owned()))
                .with_value(Some(StrBytes::from_string(value.to_owned()))),
        )
    };
    let topic = CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(settings.iter().map(config).collect::<Result<_, _>>()?);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(TIMEOUT_MS);
    let answer = client.ask(&request, CREATE_TOPICS)?;
    let made = answer.topics.first().context("no topic in the answer")?;
    check(made.error_code)
}

/// The topic, if it is there and all of its partitions have a leader.
pub(super) fn find(client: &mut Client, topic: &str) -> anyhow::Result<Option<Topic>> {
    let asked = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default().with_topics(Some(vec![asked]));
    let answer = client.ask(&request, METADATA)?;
    let found = answer.topics.first().context("no topic in the answer")?;
    let is_led = found.partitions.iter().all(|it| it.error_code == 0);
    let is_there = found.error_code == 0 && !found.partitions.is_empty();
    Ok((is_there && is_led).then_some(Topic {
        id: found.topic_id,
        partitions: i32::try_from(found.partitions.len())?,
    }))
}

/// The topic that is to be there.
pub(super) fn expect(target: &Target) -> anyhow::Result<Topic> {
    let found = find(&mut Client::connect(target.address)?, &target.topic)?;
    found.with_context(|| format!("there is no topic {}", target.topic))
}

/// An identity for an idempotent producer.
pub(super) fn producer(client: &mut Client) -> anyhow::Result<Producer> {
    let answer = client.ask(
        &InitProducerIdRequest::default().with_transactional_id(None),
        INIT_PRODUCER_ID,
    )?;
    check(answer.error_code)?;
    Ok(Producer {
        id: answer.producer_id.0,
        epoch: answer.producer_epoch,
    })
}

/// Fails with the name of what went wrong.
pub(super) fn check(code: i16) -> anyhow::Result<()> {
    match ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(error) => bail!("the broker says {error:?}"),
    }
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}
