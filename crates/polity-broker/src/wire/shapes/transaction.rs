//! Requests of producers that are idempotent or transactional.

use crate::wire::shape::Kind::{Array, String, Struct};
use crate::wire::shape::{BOOL, INT16, INT32, INT64, Shape, field};

pub(crate) const INIT_PRODUCER_ID: Shape = Shape {
    flexible: 2,
    fields: &[
        field("transactional_id", String),
        field("transaction_timeout_ms", INT32),
        field("producer_id", INT64).since(3),
        field("producer_epoch", INT16).since(3),
    ],
};

pub(crate) const ADD_PARTITIONS_TO_TXN: Shape = Shape {
    flexible: 3,
    fields: &[
        field(
            "transactions",
            Array(&Struct(&[
                field("transactional_id", String).since(4),
                field("producer_id", INT64).since(4),
                field("producer_epoch", INT16).since(4),
                field("verify_only", BOOL).since(4),
                field(
                    "topics",
                    Array(&Struct(&[
                        field("name", String),
                        field("partitions", Array(&INT32)),
                    ])),
                )
                .since(4),
            ])),
        )
        .since(4),
        field("v3_and_below_transactional_id", String).until(3),
        field("v3_and_below_producer_id", INT64).until(3),
        field("v3_and_below_producer_epoch", INT16).until(3),
        field(
            "v3_and_below_topics",
            Array(&Struct(&[
                field("name", String),
                field("partitions", Array(&INT32)),
            ])),
        )
        .until(3),
    ],
};

pub(crate) const ADD_OFFSETS_TO_TXN: Shape = Shape {
    flexible: 3,
    fields: &[
        field("transactional_id", String),
        field("producer_id", INT64),
        field("producer_epoch", INT16),
        field("group_id", String),
    ],
};

pub(crate) const END_TXN: Shape = Shape {
    flexible: 3,
    fields: &[
        field("transactional_id", String),
        field("producer_id", INT64),
        field("producer_epoch", INT16),
        field("committed", BOOL),
    ],
};

pub(crate) const TXN_OFFSET_COMMIT: Shape = Shape {
    flexible: 3,
    fields: &[
        field("transactional_id", String),
        field("group_id", String),
        field("producer_id", INT64),
        field("producer_epoch", INT16),
        field("generation_id", INT32).since(3),
        field("member_id", String).since(3),
        field("group_instance_id", String).since(3),
        field(
            "topics",
            Array(&Struct(&[
                field("name", String),
                field(
                    "partitions",
                    Array(&Struct(&[
                        field("partition_index", INT32),
                        field("committed_offset", INT64),
                        field("committed_leader_epoch", INT32).since(2),
                        field("committed_metadata", String),
                    ])),
                ),
            ])),
        ),
    ],
};

pub(crate) const DESCRIBE_PRODUCERS: Shape = Shape {
    flexible: 0,
    fields: &[field(
        "topics",
        Array(&Struct(&[
            field("name", String),
            field("partition_indexes", Array(&INT32)),
        ])),
    )],
};

pub(crate) const DESCRIBE_TRANSACTIONS: Shape = Shape {
    flexible: 0,
    fields: &[field("transactional_ids", Array(&String))],
};

pub(crate) const LIST_TRANSACTIONS: Shape = Shape {
    flexible: 0,
    fields: &[
        field("state_filters", Array(&String)),
        field("producer_id_filters", Array(&INT64)),
        field("duration_filter", INT64).since(1),
        field("transactional_id_pattern", String).since(2),
    ],
};
