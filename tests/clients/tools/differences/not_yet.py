"""Differences that users of APIs see which are not served yet."""

from compare import Lines

_KIND = "not served yet"
_CONFIG_FAILED = ("Error while executing config command with args *", "[exit status 1]")


def _refused(api):
    return f"*UnsupportedVersionException: The node does not support {api}"


_QUOTAS = tuple(f"kafka-configs *{entity}*" for entity in ("--user", "--client ", "--client-defaults", "--ip ", "--entity-type users", "--entity-type ips"))

NOT_YET = [
    Lines(_QUOTAS, kafka=("Completed updating *config for *.", "Quota configs for *", "SCRAM credential configs for *", "[exit status 0]"),
          ottla=(_refused("DESCRIBE_CLIENT_QUOTAS"), *_CONFIG_FAILED),
          kind=_KIND, reason="Quotas; the tool asks for them with users, too. The message is the client's own and clear."),
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
