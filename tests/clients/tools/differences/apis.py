"""Differences of what the two say they serve."""

from compare import Lines

_COMMAND = "kafka-broker-api-versions"


def _apis(*names):
    return tuple(f"{name}(*" for name in names)


def _absent(kind, reason, *names):
    return Lines(_COMMAND, kafka=_apis(*names), ottla=tuple(f"{name}(*): UNSUPPORTED*" for name in names), kind=kind, reason=reason)


_OLDER = ["Fetch", "ListOffsets", "OffsetCommit", "OffsetFetch", "CreateTopics", "DeleteTopics", "OffsetForLeaderEpoch", "DescribeConfigs", "DescribeLogDirs",
          "DescribeAcls", "CreateAcls", "DeleteAcls", "AlterReplicaLogDirs", "CreateDelegationToken", "RenewDelegationToken", "ExpireDelegationToken",
          "DescribeDelegationToken"]

APIS = [
    Lines(_COMMAND, kafka=_apis(*_OLDER), ottla=tuple(f"{name}(*): 0 to *" for name in _OLDER),
          reason="Served to clients that Kafka 4 turns away."),
    Lines(_COMMAND, kafka=("ApiVersions(18): 0 to 4 [usable: 4],",), ottla=("ApiVersions(18): 0 to 5 [usable: 4],",), reason="Kafka 4.4's clients ask so."),
    Lines(_COMMAND, kafka=("TxnOffsetCommit(28): 0 to 5 [usable: 5],",), ottla=("TxnOffsetCommit(28): 0 to 6 [usable: 5],",), reason="Kafka 4.4's clients ask so."),
    _absent("intended", "Used between brokers and controllers; Ottla is one node.",
            "AddRaftVoter", "RemoveRaftVoter", "InitializeShareGroupState",
            "ReadShareGroupState", "WriteShareGroupState", "DeleteShareGroupState", "ReadShareGroupStateSummary"),
    _absent("not served yet", "Share groups (KIP-932).", "ShareGroupHeartbeat", "ShareGroupDescribe",
            "ShareFetch", "ShareAcknowledge", "DescribeShareGroupOffsets",
            "AlterShareGroupOffsets", "DeleteShareGroupOffsets"),
]
