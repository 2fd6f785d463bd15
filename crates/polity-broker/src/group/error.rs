//! What a group coordinator refuses, and Kafka's code for each.

use crate::journal::AppendError;

/// Why a request to a group was not done. Unless said otherwise nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// The internal topic refuses writes, or the coordinator is stopping: try again.
    #[error("the group coordinator cannot write at present; try again")]
    CoordinatorNotAvailable,
    /// What would have to be written down is larger than one batch may be.
    #[error("the group is too large to be written down in one batch")]
    RecordTooLarge,
    /// An empty group id.
    #[error("a group id must not be empty")]
    InvalidGroupId,
    /// A request that contradicts itself.
    #[error("the request's fields contradict each other")]
    InvalidRequest,
    /// A commit of more offsets than one batch takes.
    #[error("the commit is larger than one batch may be; commit fewer partitions at once")]
    InvalidCommitOffsetSize,
    /// The commit's metadata is over the limit.
    #[error("the metadata of an offset is too long")]
    OffsetMetadataTooLarge,
    /// The generation is not the group's.
    #[error("the generation is not the group's current one")]
    IllegalGeneration,
    /// No protocol that every member supports, or another protocol type.
    #[error("the member's protocols do not agree with the group's")]
    InconsistentGroupProtocol,
    /// Nobody of that id is in the group.
    #[error("the group has no member of that id; join again")]
    UnknownMemberId,
    /// A session timeout outside the limits.
    #[error("the session timeout is outside the broker's limits")]
    InvalidSessionTimeout,
    /// A rebalance is going on: join again.
    #[error("the group is rebalancing; join again")]
    RebalanceInProgress,
    /// The group has members.
    #[error("the group has members; stop them first")]
    NonEmptyGroup,
    /// There is no such group.
    #[error("there is no such group")]
    GroupIdNotFound,
    /// Join again with the id that came with this answer (KIP-394).
    #[error("join again with the member id given")]
    MemberIdRequired,
    /// The group is at its largest.
    #[error("the group has as many members as it may have")]
    GroupMaxSizeReached,
    /// Another process has taken over the static member's place.
    #[error("another member uses this group.instance.id")]
    FencedInstanceId,
    /// The offset cannot be deleted while a member subscribes to the topic.
    #[error("a member of the group subscribes to the topic")]
    GroupSubscribedToTopic,
    /// A transaction has an offset pending here (asked for with `require_stable`).
    #[error("a transaction's offset is pending; try again")]
    UnstableOffsetCommit,
    /// The member's epoch is not the coordinator's: give up all partitions and join anew (KIP-848).
    #[error("the member has been fenced; join again")]
    FencedMemberEpoch,
    /// The static member before has not left yet (KIP-848).
    #[error("another member still holds this group.instance.id")]
    UnreleasedInstanceId,
    /// No such assignor here (KIP-848).
    #[error("the assignor is not one of `uniform` and `range`")]
    UnsupportedAssignor,
    /// The epoch of a commit is not the member's: heartbeat first (KIP-848).
    #[error("the member epoch is not the member's current one")]
    StaleMemberEpoch,
    /// The subscription's regular expression cannot be used (KIP-848).
    #[error("the regular expression does not compile, or is too large")]
    InvalidRegularExpression,
    /// The broker keeps as many groups as it may, or as much of them.
    #[error("groups take as much room as they may; delete some")]
    TooManyGroups,
}

impl Error {
    /// The error code of Kafka's protocol.
    pub fn code(self) -> i16 {
        match self {
            Self::RecordTooLarge => -1,
            Self::OffsetMetadataTooLarge => 12,
            Self::CoordinatorNotAvailable => 15,
            Self::IllegalGeneration => 22,
            Self::InconsistentGroupProtocol => 23,
            Self::InvalidGroupId => 24,
            Self::UnknownMemberId => 25,
            Self::InvalidSessionTimeout => 26,
            Self::RebalanceInProgress => 27,
            Self::InvalidCommitOffsetSize => 28,
            Self::InvalidRequest => 42,
            Self::TooManyGroups => 44,
            Self::NonEmptyGroup => 68,
            Self::GroupIdNotFound => 69,
            Self::MemberIdRequired => 79,
            Self::GroupMaxSizeReached => 81,
            Self::FencedInstanceId => 82,
            Self::GroupSubscribedToTopic => 86,
            Self::UnstableOffsetCommit => 88,
            Self::FencedMemberEpoch => 110,
            Self::UnreleasedInstanceId => 111,
            Self::UnsupportedAssignor => 112,
            Self::StaleMemberEpoch => 113,
            Self::InvalidRegularExpression => 128,
        }
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Unavailable => Self::CoordinatorNotAvailable,
            AppendError::TooLarge => Self::RecordTooLarge,
        }
    }
}
