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
        DescribeLogDirsResponseData.DescribeLogDirsResult result = new DescribeLogDirsResponseData.DescribeLogDirsResult()
            .setLogDir("/data").setTotalBytes(1000).setUsableBytes(900).setIsCordoned(false).setTopics(List.of(
                new DescribeLogDirsResponseData.DescribeLogDirsTopic().setName("orders").setPartitions(List.of(
                    new DescribeLogDirsResponseData.DescribeLogDirsPartition().setPartitionIndex(2).setPartitionSize(77)))));
        print("response.DescribeLogDirs.5", bytes(new DescribeLogDirsResponseData().setThrottleTimeMs(5).setResults(List.of(result)), (short) 5));
    }
}
