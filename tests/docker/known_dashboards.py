"""Series that dashboards and alerts made for Kafka ask for, by dashboard; and those that Ottla does not have, with the reason.

Their files are not kept here. The selectors are those of their queries, without the variables of the dashboard.
"""

KAFKA_EXPORTER = [
    "kafka_topic_partitions",
    "kafka_topic_partition_current_offset",
    "kafka_consumergroup_lag",
    "kafka_consumergroup_current_offset",
]


def of_each_part(*requests):
    """Parts of the time of requests, as kafka-observ-lib shows them."""
    parts = ("requestqueuetimems", "localtimems", "remotetimems", "responsequeuetimems", "responsesendtimems")
    return [f'kafka_network_requestmetrics_{part}{{request="{request}", quantile="0.95"}}' for request in requests for part in parts]


DASHBOARDS = {
    "Kafka Exporter Overview (Grafana 7589)": [
        *KAFKA_EXPORTER,
        # Of the variables, and of alerts that come with them.
        "kafka_brokers",
        "kafka_consumergroup_lag_sum",
        "kafka_consumergroup_members",
    ],
    "Strimzi Kafka Exporter": [
        *KAFKA_EXPORTER,
        "kafka_topic_partition_oldest_offset",
        "kafka_topic_partition_replicas",
        "kafka_topic_partition_in_sync_replica",
        "kafka_topic_partition_under_replicated_partition",
        "kafka_topic_partition_leader_is_preferred",
        "kafka_cluster_partition_atminisr",
        "kafka_cluster_partition_underminisr",
        "kafka_exporter_build_info",
    ],
    "kafka-observ-lib: overview, topics, alerts": [
        *KAFKA_EXPORTER,
        "kafka_server_kafkaserver_brokerstate",
        "kafka_server_brokertopicmetrics_messagesin_total",
        "kafka_server_brokertopicmetrics_bytesin_total",
        "kafka_server_brokertopicmetrics_bytesout_total",
        "kafka_server_brokertopicmetrics_bytesinpersec_count",
        "kafka_server_brokertopicmetrics_bytesoutpersec_count",
        "kafka_server_brokertopicmetrics_producemessageconversions_total",
        "kafka_server_brokertopicmetrics_fetchmessageconversions_total",
        "kafka_server_replicamanager_partitioncount",
        "kafka_server_replicamanager_isrshrinks_total",
        "kafka_server_replicamanager_isrexpands_total",
        "kafka_controller_kafkacontroller_activecontrollercount",
        "kafka_controller_kafkacontroller_offlinepartitionscount",
        "kafka_controller_kafkacontroller_preferredreplicaimbalancecount",
        "kafka_controller_controllerstats_uncleanleaderelections_total",
        "kafka_cluster_partition_underreplicated",
        "kafka_cluster_partition_underminisr",
        "kafka_log_log_logstartoffset",
        "kafka_log_log_logendoffset",
        "kafka_log_log_size",
        *of_each_part("Produce", "Fetch", "FetchFollower"),
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "jvm_memory_used_bytes",
        "jvm_threads_deadlocked",
        "kafka_server_sessionexpirelistener_zookeepersyncconnects_total",
    ],
    "Strimzi Kafka": [
        "kafka_server_brokertopicmetrics_totalproducerequests_total",
        "kafka_server_brokertopicmetrics_totalfetchrequests_total",
        "kafka_server_brokertopicmetrics_failedproducerequests_total",
        "kafka_server_brokertopicmetrics_failedfetchrequests_total",
        "kafka_server_replicamanager_leadercount",
        "kafka_server_replicamanager_underreplicatedpartitions",
        "kafka_server_socket_server_metrics_connection_count",
        "kafka_network_socketserver_networkprocessoravgidle_percent",
        "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
    ],
}

# Series that the broker does not serve, each with the reason. The test fails when the broker serves one of them: then remove it here.
MISSING = {
    "kafka_cluster_partition_atminisr": "not served yet: a partition of one replica is always at its minimum",
    "kafka_cluster_partition_underminisr": "not served yet: 0, unless min.insync.replicas is above 1",
    "kafka_cluster_partition_underreplicated": "not served yet; kafka_topic_partition_under_replicated_partition is",
    "kafka_exporter_build_info": "not served yet: the dashboard takes its variables from it, which stay empty",
    "kafka_server_replicamanager_isrshrinks_total": "not served yet: always 0 with one broker",
    "kafka_server_replicamanager_isrexpands_total": "not served yet: always 0 with one broker",
    "kafka_controller_controllerstats_uncleanleaderelections_total": "not served yet: always 0 with one broker",
    "kafka_server_brokertopicmetrics_producemessageconversions_total": "not served yet: message sets v0 and v1 are converted",
    "kafka_server_brokertopicmetrics_fetchmessageconversions_total": "not served yet: fetches of old clients are converted",
    "kafka_server_brokertopicmetrics_bytesinpersec_count": "a name of another exporter's rules; bytesin_total is served",
    "kafka_server_brokertopicmetrics_bytesoutpersec_count": "a name of another exporter's rules; bytesout_total is served",
    "kafka_network_socketserver_networkprocessoravgidle_percent": "there are no network threads",
    "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent": "there is no pool of request handlers",
    "kafka_server_sessionexpirelistener_zookeepersyncconnects_total": "there is no ZooKeeper",
    "jvm_memory_used_bytes": "there is no JVM",
    "jvm_threads_deadlocked": "there is no JVM",
    **{selector: "there are no followers" for selector in of_each_part("FetchFollower")},
}
