//! Requests that carry records, and those that find out where and which.

use crate::wire::shape::Kind::{Array, Bytes, OptionStruct, String, Struct};
use crate::wire::shape::{BOOL, INT8, INT16, INT32, INT64, Shape, UUID, field, tagged};

pub(crate) const API_VERSIONS: Shape = Shape {
    flexible: 3,
    fields: &[
        field("client_software_name", String).since(3),
        field("client_software_version", String).since(3),
    ],
};

pub(crate) const METADATA: Shape = Shape {
    flexible: 9,
    fields: &[
        field(
            "topics",
            Array(&Struct(&[
                field("topic_id", UUID).since(10),
                field("name", String),
            ])),
        ),
        field("allow_auto_topic_creation", BOOL).since(4),
        field("include_cluster_authorized_operations", BOOL)
            .since(8)
            .until(10),
        field("include_topic_authorized_operations", BOOL).since(8),
    ],
};

pub(crate) const PRODUCE: Shape = Shape {
    flexible: 9,
    fields: &[
        field("transactional_id", String),
        field("acks", INT16),
        field("timeout_ms", INT32),
        field(
            "topic_data",
            Array(&Struct(&[
                field("name", String).until(12),
                field("topic_id", UUID).since(13),
                field(
                    "partition_data",
                    Array(&Struct(&[field("index", INT32), field("records", Bytes)])),
                ),
            ])),
        ),
    ],
};

pub(crate) const FETCH: Shape = Shape {
    flexible: 12,
    fields: &[
        tagged(0, "cluster_id", String).since(12),
        field("replica_id", INT32).until(14),
        tagged(
            1,
            "replica_state",
            Struct(&[
                field("replica_id", INT32).since(15),
                field("replica_epoch", INT64).since(15),
            ]),
        )
        .since(15),
        field("max_wait_ms", INT32),
        field("min_bytes", INT32),
        field("max_bytes", INT32),
        field("isolation_level", INT8),
        field("session_id", INT32).since(7),
        field("session_epoch", INT32).since(7),
        field(
            "topics",
            Array(&Struct(&[
                field("topic", String).until(12),
                field("topic_id", UUID).since(13),
                field(
                    "partitions",
                    Array(&Struct(&[
                        field("partition", INT32),
                        field("current_leader_epoch", INT32).since(9),
                        field("fetch_offset", INT64),
                        field("last_fetched_epoch", INT32).since(12),
                        field("log_start_offset", INT64).since(5),
                        field("partition_max_bytes", INT32),
                        tagged(0, "replica_directory_id", UUID).since(17),
                        tagged(1, "high_watermark", INT64).since(18),
                    ])),
                ),
            ])),
        ),
        field(
            "forgotten_topics_data",
            Array(&Struct(&[
                field("topic", String).since(7).until(12),
                field("topic_id", UUID).since(13),
                field("partitions", Array(&INT32)).since(7),
            ])),
        )
        .since(7),
        field("rack_id", String).since(11),
    ],
};

pub(crate) const LIST_OFFSETS: Shape = Shape {
    flexible: 6,
    fields: &[
        field("replica_id", INT32),
        field("isolation_level", INT8).since(2),
        field(
            "topics",
            Array(&Struct(&[
                field("name", String),
                field(
                    "partitions",
                    Array(&Struct(&[
                        field("partition_index", INT32),
                        field("current_leader_epoch", INT32).since(4),
                        field("timestamp", INT64),
                    ])),
                ),
            ])),
        ),
        field("timeout_ms", INT32).since(10),
    ],
};

pub(crate) const OFFSET_FOR_LEADER_EPOCH: Shape = Shape {
    flexible: 4,
    fields: &[
        field("replica_id", INT32).since(3),
        field(
            "topics",
            Array(&Struct(&[
                field("topic", String),
                field(
                    "partitions",
                    Array(&Struct(&[
                        field("partition", INT32),
                        field("current_leader_epoch", INT32),
                        field("leader_epoch", INT32),
                    ])),
                ),
            ])),
        ),
    ],
};

pub(crate) const DESCRIBE_TOPIC_PARTITIONS: Shape = Shape {
    flexible: 0,
    fields: &[
        field("topics", Array(&Struct(&[field("name", String)]))),
        field("response_partition_limit", INT32),
        field(
            "cursor",
            OptionStruct(&[field("topic_name", String), field("partition_index", INT32)]),
        ),
    ],
};

pub(crate) const DESCRIBE_CLUSTER: Shape = Shape {
    flexible: 0,
    fields: &[
        field("include_cluster_authorized_operations", BOOL),
        field("endpoint_type", INT8).since(1),
        field("include_fenced_brokers", BOOL).since(2),
    ],
};

pub(crate) const DELETE_RECORDS: Shape = Shape {
    flexible: 2,
    fields: &[
        field(
            "topics",
            Array(&Struct(&[
                field("name", String),
                field(
                    "partitions",
                    Array(&Struct(&[
                        field("partition_index", INT32),
                        field("offset", INT64),
                    ])),
                ),
            ])),
        ),
        field("timeout_ms", INT32),
    ],
};
