//! Requests of consumer groups, and of whoever looks after them.

use crate::wire::shape::Kind::{Array, Bytes, String, Struct};
use crate::wire::shape::{BOOL, INT8, INT32, INT64, NEVER, Shape, UUID, field};

pub(crate) const FIND_COORDINATOR: Shape = Shape {
    flexible: 3,
    fields: &[
        field("key", String).until(3),
        field("key_type", INT8).since(1),
        field("coordinator_keys", Array(&String)).since(4),
    ],
};

pub(crate) const JOIN_GROUP: Shape = Shape {
    flexible: 6,
    fields: &[
        field("group_id", String),
        field("session_timeout_ms", INT32),
        field("rebalance_timeout_ms", INT32).since(1),
        field("member_id", String),
        field("group_instance_id", String).since(5),
        field("protocol_type", String),
        field(
            "protocols",
            Array(&Struct(&[field("name", String), field("metadata", Bytes)])),
        ),
        field("reason", String).since(8),
    ],
};

pub(crate) const SYNC_GROUP: Shape = Shape {
    flexible: 4,
    fields: &[
        field("group_id", String),
        field("generation_id", INT32),
        field("member_id", String),
        field("group_instance_id", String).since(3),
        field("protocol_type", String).since(5),
        field("protocol_name", String).since(5),
        field(
            "assignments",
            Array(&Struct(&[
                field("member_id", String),
                field("assignment", Bytes),
            ])),
        ),
    ],
};

pub(crate) const HEARTBEAT: Shape = Shape {
    flexible: 4,
    fields: &[
        field("group_id", String),
        field("generation_id", INT32),
        field("member_id", String),
        field("group_instance_id", String).since(3),
    ],
};

pub(crate) const LEAVE_GROUP: Shape = Shape {
    flexible: 4,
    fields: &[
        field("group_id", String),
        field("member_id", String).until(2),
        field(
            "members",
            Array(&Struct(&[
                field("member_id", String).since(3),
                field("group_instance_id", String).since(3),
                field("reason", String).since(5),
            ])),
        )
        .since(3),
    ],
};

pub(crate) const OFFSET_COMMIT: Shape = Shape {
    flexible: 8,
    fields: &[
        field("group_id", String),
        field("generation_id_or_member_epoch", INT32),
        field("member_id", String),
        field("group_instance_id", String).since(7),
        field("retention_time_ms", INT64).until(4),
        field(
            "topics",
            Array(&Struct(&[
                field("name", String),
                field(
                    "partitions",
                    Array(&Struct(&[
                        field("partition_index", INT32),
                        field("committed_offset", INT64),
                        field("committed_leader_epoch", INT32).since(6),
                        field("committed_metadata", String),
                    ])),
                ),
            ])),
        ),
    ],
};

pub(crate) const OFFSET_FETCH: Shape = Shape {
    flexible: 6,
    fields: &[
        field("group_id", String).until(7),
        field(
            "topics",
            Array(&Struct(&[
                field("name", String).until(7),
                field("partition_indexes", Array(&INT32)).until(7),
            ])),
        )
        .until(7),
        field(
            "groups",
            Array(&Struct(&[
                field("group_id", String).since(8),
                field("member_id", String).since(9),
                field("member_epoch", INT32).since(9),
                field(
                    "topics",
                    Array(&Struct(&[
                        field("name", String).since(8),
                        field("partition_indexes", Array(&INT32)).since(8),
                    ])),
                )
                .since(8),
            ])),
        )
        .since(8),
        field("require_stable", BOOL).since(7),
    ],
};

pub(crate) const OFFSET_DELETE: Shape = Shape {
    flexible: NEVER,
    fields: &[
        field("group_id", String),
        field(
            "topics",
            Array(&Struct(&[
                field("name", String),
                field(
                    "partitions",
                    Array(&Struct(&[field("partition_index", INT32)])),
                ),
            ])),
        ),
    ],
};

pub(crate) const DESCRIBE_GROUPS: Shape = Shape {
    flexible: 5,
    fields: &[
        field("groups", Array(&String)),
        field("include_authorized_operations", BOOL).since(3),
    ],
};

pub(crate) const LIST_GROUPS: Shape = Shape {
    flexible: 3,
    fields: &[
        field("states_filter", Array(&String)).since(4),
        field("types_filter", Array(&String)).since(5),
    ],
};

pub(crate) const DELETE_GROUPS: Shape = Shape {
    flexible: 2,
    fields: &[field("groups_names", Array(&String))],
};

pub(crate) const CONSUMER_GROUP_HEARTBEAT: Shape = Shape {
    flexible: 0,
    fields: &[
        field("group_id", String),
        field("member_id", String),
        field("member_epoch", INT32),
        field("instance_id", String),
        field("rack_id", String),
        field("rebalance_timeout_ms", INT32),
        field("subscribed_topic_names", Array(&String)),
        field("subscribed_topic_regex", String).since(1),
        field("server_assignor", String),
        field(
            "topic_partitions",
            Array(&Struct(&[
                field("topic_id", UUID),
                field("partitions", Array(&INT32)),
            ])),
        ),
    ],
};

pub(crate) const CONSUMER_GROUP_DESCRIBE: Shape = Shape {
    flexible: 0,
    fields: &[
        field("group_ids", Array(&String)),
        field("include_authorized_operations", BOOL),
    ],
};
