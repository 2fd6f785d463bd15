//! Requests that change or describe topics and their settings.

use crate::wire::shape::Kind::{Array, String, Struct};
use crate::wire::shape::{BOOL, INT8, INT16, INT32, Shape, UUID, field};

pub(crate) const CREATE_TOPICS: Shape = Shape {
    flexible: 5,
    fields: &[
        field(
            "topics",
            Array(&Struct(&[
                field("name", String),
                field("num_partitions", INT32),
                field("replication_factor", INT16),
                field(
                    "assignments",
                    Array(&Struct(&[
                        field("partition_index", INT32),
                        field("broker_ids", Array(&INT32)),
                    ])),
                ),
                field(
                    "configs",
                    Array(&Struct(&[field("name", String), field("value", String)])),
                ),
            ])),
        ),
        field("timeout_ms", INT32),
        field("validate_only", BOOL),
    ],
};

pub(crate) const DELETE_TOPICS: Shape = Shape {
    flexible: 4,
    fields: &[
        field(
            "topics",
            Array(&Struct(&[
                field("name", String).since(6),
                field("topic_id", UUID).since(6),
            ])),
        )
        .since(6),
        field("topic_names", Array(&String)).until(5),
        field("timeout_ms", INT32),
    ],
};

pub(crate) const CREATE_PARTITIONS: Shape = Shape {
    flexible: 2,
    fields: &[
        field(
            "topics",
            Array(&Struct(&[
                field("name", String),
                field("count", INT32),
                field(
                    "assignments",
                    Array(&Struct(&[field("broker_ids", Array(&INT32))])),
                ),
            ])),
        ),
        field("timeout_ms", INT32),
        field("validate_only", BOOL),
    ],
};

pub(crate) const DESCRIBE_LOG_DIRS: Shape = Shape {
    flexible: 2,
    fields: &[field(
        "topics",
        Array(&Struct(&[
            field("topic", String),
            field("partitions", Array(&INT32)),
        ])),
    )],
};

pub(crate) const DESCRIBE_CONFIGS: Shape = Shape {
    flexible: 4,
    fields: &[
        field(
            "resources",
            Array(&Struct(&[
                field("resource_type", INT8),
                field("resource_name", String),
                field("configuration_keys", Array(&String)),
            ])),
        ),
        field("include_synonyms", BOOL),
        field("include_documentation", BOOL).since(3),
    ],
};

pub(crate) const ALTER_CONFIGS: Shape = Shape {
    flexible: 2,
    fields: &[
        field(
            "resources",
            Array(&Struct(&[
                field("resource_type", INT8),
                field("resource_name", String),
                field(
                    "configs",
                    Array(&Struct(&[field("name", String), field("value", String)])),
                ),
            ])),
        ),
        field("validate_only", BOOL),
    ],
};

pub(crate) const INCREMENTAL_ALTER_CONFIGS: Shape = Shape {
    flexible: 1,
    fields: &[
        field(
            "resources",
            Array(&Struct(&[
                field("resource_type", INT8),
                field("resource_name", String),
                field(
                    "configs",
                    Array(&Struct(&[
                        field("name", String),
                        field("config_operation", INT8),
                        field("value", String),
                    ])),
                ),
            ])),
        ),
        field("validate_only", BOOL),
    ],
};
