"""Differences that users of APIs see which are not served yet."""

from compare import Lines

_KIND = "not served yet"


def _refused(api):
    return f"*UnsupportedVersionException: The node does not support {api}"


NOT_YET = [
    Lines("kafka-share-groups --describe*", kafka=("*GroupIdNotFoundException: Group nobody not found.", "GROUP TOPIC PARTITION START-OFFSET LAG",
                                                   "sharing shared 0 ...", "Share group 'sharing' has no active members.",
                                                   "GROUP COORDINATOR (ID) STATE #MEMBERS", "sharing HOST:PORT (1) Empty 0"),
          ottla=(_refused("SHARE_GROUP_DESCRIBE"),), kind=_KIND, reason="Share groups. Clear."),
    Lines("kafka-share-groups --reset-offsets*", kafka=("GROUP TOPIC PARTITION NEW-OFFSET", "nobody shared 0 0", "[exit status 0]"),
          ottla=("The node does not support SHARE_GROUP_DESCRIBE", "[exit status 1]"), kind=_KIND, reason="As above."),
    Lines("kafka-share-groups --list", kafka=("nobody", "sharing"), kind=_KIND, reason="As above."),
    Lines("kafka-console-share-consumer*", kafka=("org.apache.kafka.common.errors.TimeoutException",),
          ottla=("ERROR *ShareGroupHeartbeatRequest failed due to The node does not support SHARE_GROUP_HEARTBEAT*",
                 "ERROR *Member ID with epoch 0 transitioned to fatal state*",
                 "*UnsupportedVersionException: The cluster does not support the share group protocol*", _refused("SHARE_GROUP_HEARTBEAT")),
          kind=_KIND, reason="Share groups. Clear; Kafka's line says that no record came within the time."),
    Lines("kafka-streams-groups --describe --group nobody", kafka=("*GroupIdNotFoundException: Group nobody is not a streams group.",),
          ottla=("*GroupIdNotFoundException: Group nobody not found.",), kind=_KIND,
          reason="Share groups: with Kafka an earlier command of the scene made it one."),
]
