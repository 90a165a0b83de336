// Prints crates/codec/tests/golden/java_newest.txt: messages at versions that came after those of the codec's library,
// written by Kafka's own Java classes. To renew the file, with the jars that tools/client-envs.sh fetches:
//   java -cp "$OTTLA_CACHE/java-clients/4.4.0/libs/*:$OTTLA_CACHE/kafka-4.3.0/libs/*" crates/codec/tools/GoldenNewest.java > crates/codec/tests/golden/java_newest.txt
import java.nio.ByteBuffer;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.requests.RequestHeader;

public class GoldenNewest {
    static void print(String name, ByteBuffer bytes) {
        StringBuilder line = new StringBuilder(name).append(' ');
        while (bytes.hasRemaining()) line.append(String.format("%02x", bytes.get()));
        System.out.println(line);
    }

    static ByteBuffer bytes(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        return buffer.flip();
    }

    static void request(ApiKeys api, int version, Message body) {
        RequestHeader header = new RequestHeader(api, (short) version, "golden", 42);
        ByteBuffer head = bytes(header.data(), header.headerVersion());
        ByteBuffer tail = bytes(body, (short) version);
        print("request." + api.name + "." + version, ByteBuffer.allocate(head.remaining() + tail.remaining()).put(head).put(tail).flip());
    }

    public static void main(String[] args) {
        Uuid topicId = new Uuid(0x0102030405060708L, 0x090a0b0c0d0e0f10L);
        request(ApiKeys.API_VERSIONS, 5, new ApiVersionsRequestData().setClientSoftwareName("golden").setClientSoftwareVersion("1.0")
            .setClusterId("cluster").setNodeId(3));
        request(ApiKeys.OFFSET_COMMIT, 10, new OffsetCommitRequestData().setGroupId("group").setMemberId("member")
            .setGenerationIdOrMemberEpoch(3).setGroupInstanceId("static-1").setTopics(List.of(
                new OffsetCommitRequestData.OffsetCommitRequestTopic().setTopicId(topicId).setPartitions(List.of(
                    new OffsetCommitRequestData.OffsetCommitRequestPartition().setPartitionIndex(2).setCommittedOffset(78)
                        .setCommittedLeaderEpoch(4).setCommittedMetadata("note"))))));
        request(ApiKeys.OFFSET_FETCH, 10, new OffsetFetchRequestData().setRequireStable(true).setGroups(List.of(
            new OffsetFetchRequestData.OffsetFetchRequestGroup().setGroupId("group").setMemberId("member").setMemberEpoch(3)
                .setTopics(List.of(new OffsetFetchRequestData.OffsetFetchRequestTopics().setTopicId(topicId).setPartitionIndexes(List.of(2)))))));
        request(ApiKeys.LIST_OFFSETS, 11, new ListOffsetsRequestData().setReplicaId(-1).setTimeoutMs(500).setTopics(List.of(
            new ListOffsetsRequestData.ListOffsetsTopic().setName("orders").setPartitions(List.of(
                new ListOffsetsRequestData.ListOffsetsPartition().setPartitionIndex(2).setTimestamp(-6))))));
        for (int version : new int[] {0, 2, 5, 6}) {
            TxnOffsetCommitRequestData.TxnOffsetCommitRequestTopic topic = new TxnOffsetCommitRequestData.TxnOffsetCommitRequestTopic()
                .setPartitions(List.of(new TxnOffsetCommitRequestData.TxnOffsetCommitRequestPartition().setPartitionIndex(2)
                    .setCommittedOffset(78).setCommittedLeaderEpoch(version >= 2 ? 4 : -1).setCommittedMetadata("note")));
            TxnOffsetCommitRequestData body = new TxnOffsetCommitRequestData().setTransactionalId("payments").setGroupId("group")
                .setProducerId(1000).setProducerEpoch((short) 7).setTopics(List.of(version >= 6 ? topic.setTopicId(topicId) : topic.setName("orders")));
            if (version >= 3) body.setGenerationIdOrMemberEpoch(3).setMemberId("member").setGroupInstanceId("static-1");
            request(ApiKeys.TXN_OFFSET_COMMIT, version, body);
            TxnOffsetCommitResponseData.TxnOffsetCommitResponseTopic answer = new TxnOffsetCommitResponseData.TxnOffsetCommitResponseTopic()
                .setPartitions(List.of(new TxnOffsetCommitResponseData.TxnOffsetCommitResponsePartition().setPartitionIndex(2).setErrorCode((short) 3)));
            print("response.TxnOffsetCommit." + version, bytes(new TxnOffsetCommitResponseData().setThrottleTimeMs(5)
                .setTopics(List.of(version >= 6 ? answer.setTopicId(topicId) : answer.setName("orders"))), (short) version));
        }
        for (int version : new int[] {1, 2}) {
            request(ApiKeys.WRITE_TXN_MARKERS, version, new WriteTxnMarkersRequestData().setMarkers(List.of(
                new WriteTxnMarkersRequestData.WritableTxnMarker().setProducerId(1000).setProducerEpoch((short) 7).setTransactionResult(true)
                    .setCoordinatorEpoch(4).setTransactionVersion((byte) (version >= 2 ? 2 : 0)).setTopics(List.of(
                        new WriteTxnMarkersRequestData.WritableTxnMarkerTopic().setName("orders").setPartitionIndexes(List.of(2, 3)))))));
            print("response.WriteTxnMarkers." + version, bytes(new WriteTxnMarkersResponseData().setMarkers(List.of(
                new WriteTxnMarkersResponseData.WritableTxnMarkerResult().setProducerId(1000).setTopics(List.of(
                    new WriteTxnMarkersResponseData.WritableTxnMarkerTopicResult().setName("orders").setPartitions(List.of(
                        new WriteTxnMarkersResponseData.WritableTxnMarkerPartitionResult().setPartitionIndex(2).setErrorCode((short) 47))))))), (short) version));
        }
        DescribeLogDirsResponseData.DescribeLogDirsResult result = new DescribeLogDirsResponseData.DescribeLogDirsResult()
            .setLogDir("/data").setTotalBytes(1000).setUsableBytes(900).setIsCordoned(false).setTopics(List.of(
                new DescribeLogDirsResponseData.DescribeLogDirsTopic().setName("orders").setPartitions(List.of(
                    new DescribeLogDirsResponseData.DescribeLogDirsPartition().setPartitionIndex(2).setPartitionSize(77)))));
        print("response.DescribeLogDirs.5", bytes(new DescribeLogDirsResponseData().setThrottleTimeMs(5).setResults(List.of(result)), (short) 5));
        streamsGroups();
    }

    static void streamsGroups() {
        request(ApiKeys.STREAMS_GROUP_HEARTBEAT, 0, new StreamsGroupHeartbeatRequestData().setGroupId("group").setMemberId("member")
            .setMemberEpoch(0).setEndpointInformationEpoch(3).setInstanceId("static-1").setRackId("rack").setRebalanceTimeoutMs(300_000)
            .setTopology(new StreamsGroupHeartbeatRequestData.Topology().setEpoch(2).setSubtopologies(List.of(
                new StreamsGroupHeartbeatRequestData.Subtopology().setSubtopologyId("0").setSourceTopics(List.of("orders"))
                    .setSourceTopicRegex(List.of("a.*")).setRepartitionSinkTopics(List.of("sink"))
                    .setStateChangelogTopics(List.of(new StreamsGroupHeartbeatRequestData.TopicInfo().setName("log").setReplicationFactor((short) 1)
                        .setTopicConfigs(List.of(new StreamsGroupHeartbeatRequestData.KeyValue().setKey("k").setValue("v")))))
                    .setRepartitionSourceTopics(List.of(new StreamsGroupHeartbeatRequestData.TopicInfo().setName("source").setPartitions(4)))
                    .setCopartitionGroups(List.of(new StreamsGroupHeartbeatRequestData.CopartitionGroup().setSourceTopics(List.of((short) 0))
                        .setSourceTopicRegex(List.of((short) 0)).setRepartitionSourceTopics(List.of((short) 0)))))))
            .setActiveTasks(List.of(new StreamsGroupHeartbeatRequestData.TaskIds().setSubtopologyId("0").setPartitions(List.of(1, 2))))
            .setStandbyTasks(List.of()).setWarmupTasks(List.of()).setProcessId("process")
            .setUserEndpoint(new StreamsGroupHeartbeatRequestData.Endpoint().setHost("host").setPort(65535))
            .setClientTags(List.of(new StreamsGroupHeartbeatRequestData.KeyValue().setKey("zone").setValue("a")))
            .setTaskOffsets(List.of(new StreamsGroupHeartbeatRequestData.TaskOffset().setSubtopologyId("0").setPartition(1).setOffset(77)))
            .setTaskEndOffsets(List.of()).setShutdownApplication(true));
        print("response.StreamsGroupHeartbeat.0", bytes(new StreamsGroupHeartbeatResponseData().setThrottleTimeMs(5).setErrorCode((short) 1)
            .setErrorMessage("no").setMemberId("member").setMemberEpoch(4).setHeartbeatIntervalMs(5000).setAcceptableRecoveryLag(6)
            .setTaskOffsetIntervalMs(7).setStatus(List.of(new StreamsGroupHeartbeatResponseData.Status().setStatusCode((byte) 3).setStatusDetail("missing")))
            .setActiveTasks(List.of(new StreamsGroupHeartbeatResponseData.TaskIds().setSubtopologyId("0").setPartitions(List.of(1, 2))))
            .setStandbyTasks(List.of()).setWarmupTasks(List.of()).setEndpointInformationEpoch(8)
            .setPartitionsByUserEndpoint(List.of(new StreamsGroupHeartbeatResponseData.EndpointToPartitions()
                .setUserEndpoint(new StreamsGroupHeartbeatResponseData.Endpoint().setHost("host").setPort(65535))
                .setActivePartitions(List.of(new StreamsGroupHeartbeatResponseData.TopicPartition().setTopic("orders").setPartitions(List.of(1, 2))))
                .setStandbyPartitions(List.of()))), (short) 0));
        request(ApiKeys.STREAMS_GROUP_DESCRIBE, 0, new StreamsGroupDescribeRequestData().setGroupIds(List.of("group")).setIncludeAuthorizedOperations(true));
        StreamsGroupDescribeResponseData.Assignment assignment = new StreamsGroupDescribeResponseData.Assignment().setActiveTasks(List.of(
            new StreamsGroupDescribeResponseData.TaskIds().setSubtopologyId("0").setPartitions(List.of(1, 2))));
        StreamsGroupDescribeResponseData.TopicInfo topic = new StreamsGroupDescribeResponseData.TopicInfo().setName("log").setPartitions(4)
            .setReplicationFactor((short) 1).setTopicConfigs(List.of(new StreamsGroupDescribeResponseData.KeyValue().setKey("k").setValue("v")));
        StreamsGroupDescribeResponseData.Member member = new StreamsGroupDescribeResponseData.Member().setMemberId("member").setMemberEpoch(4)
            .setInstanceId(null).setRackId("rack").setClientId("client").setClientHost("/127.0.0.1").setTopologyEpoch(2).setProcessId("process")
            .setUserEndpoint(new StreamsGroupDescribeResponseData.Endpoint().setHost("host").setPort(65535))
            .setClientTags(List.of(new StreamsGroupDescribeResponseData.KeyValue().setKey("zone").setValue("a")))
            .setTaskOffsets(List.of(new StreamsGroupDescribeResponseData.TaskOffset().setSubtopologyId("0").setPartition(1).setOffset(77)))
            .setAssignment(assignment).setTargetAssignment(assignment).setIsClassic(false);
        print("response.StreamsGroupDescribe.0", bytes(new StreamsGroupDescribeResponseData().setThrottleTimeMs(5).setGroups(List.of(
            new StreamsGroupDescribeResponseData.DescribedGroup().setGroupId("group").setGroupState("Stable").setGroupEpoch(5).setAssignmentEpoch(4)
                .setTopology(new StreamsGroupDescribeResponseData.Topology().setEpoch(2).setSubtopologies(List.of(
                    new StreamsGroupDescribeResponseData.Subtopology().setSubtopologyId("0").setSourceTopics(List.of("orders"))
                        .setRepartitionSinkTopics(List.of("sink")).setStateChangelogTopics(List.of(topic)).setRepartitionSourceTopics(List.of(topic)))))
                .setMembers(List.of(member)).setAuthorizedOperations(8),
            new StreamsGroupDescribeResponseData.DescribedGroup().setGroupId("other").setErrorCode((short) 69).setErrorMessage("not found"))), (short) 0));
    }
}
