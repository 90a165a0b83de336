// Prints crates/codec/tests/golden/java.txt: requests and record batches written by Kafka's own Java classes, as
// "name hex" lines. To renew the file, with the libraries of Kafka 4.3 (KAFKA_LIBS):
//   java -cp "$KAFKA_LIBS/*" crates/codec/tools/Golden.java > crates/codec/tests/golden/java.txt
import java.nio.ByteBuffer;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.requests.RequestHeader;

public class Golden {
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

    static SimpleRecord[] records() {
        Header[] headers = {new RecordHeader("trace", "abc".getBytes()), new RecordHeader("empty", null)};
        return new SimpleRecord[] {
            new SimpleRecord(1700000000000L, "key".getBytes(), "first value, first value, first value".getBytes()),
            new SimpleRecord(1700000000500L, null, "second".getBytes(), headers),
            new SimpleRecord(1700000000200L, "key".getBytes(), null),
        };
    }

    public static void main(String[] args) {
        Uuid topicId = new Uuid(0x0102030405060708L, 0x090a0b0c0d0e0f10L);
        for (int version : new int[] {0, 2, 3, 4})
            request(ApiKeys.API_VERSIONS, version, new ApiVersionsRequestData().setClientSoftwareName("golden").setClientSoftwareVersion("1.0"));
        for (int version : new int[] {1, 9, 12, 13})
            request(ApiKeys.METADATA, version, new MetadataRequestData().setTopics(List.of(
                new MetadataRequestData.MetadataRequestTopic().setName("orders"))));
        ByteBuffer batch = MemoryRecords.withRecords(RecordBatch.MAGIC_VALUE_V2, 0L, Compression.NONE, TimestampType.CREATE_TIME, records()).buffer();
        for (int version : new int[] {3, 9, 12, 13}) {
            ProduceRequestData.TopicProduceData topic = new ProduceRequestData.TopicProduceData().setPartitionData(List.of(
                new ProduceRequestData.PartitionProduceData().setIndex(2).setRecords(MemoryRecords.readableRecords(batch.duplicate()))));
            if (version >= 13) topic.setTopicId(topicId); else topic.setName("orders");
            ProduceRequestData data = new ProduceRequestData().setAcks((short) -1).setTimeoutMs(30000);
            data.topicData().add(topic);
            request(ApiKeys.PRODUCE, version, data);
        }
        for (int version : new int[] {4, 11, 12, 18}) {
            FetchRequestData.FetchTopic topic = new FetchRequestData.FetchTopic().setPartitions(List.of(
                new FetchRequestData.FetchPartition().setPartition(2).setFetchOffset(77).setPartitionMaxBytes(1048576)));
            if (version >= 13) topic.setTopicId(topicId); else topic.setTopic("orders");
            request(ApiKeys.FETCH, version, new FetchRequestData().setMaxWaitMs(500).setMinBytes(1).setMaxBytes(52428800)
                .setTopics(List.of(topic)));
        }
        for (int version : new int[] {0, 5, 9}) {
            JoinGroupRequestData data = new JoinGroupRequestData().setGroupId("group").setSessionTimeoutMs(45000)
                .setMemberId("").setProtocolType("consumer");
            if (version >= 1) data.setRebalanceTimeoutMs(300000);
            if (version >= 5) data.setGroupInstanceId("static-1");
            data.protocols().add(new JoinGroupRequestData.JoinGroupRequestProtocol().setName("range").setMetadata(new byte[] {0, 1, 2}));
            request(ApiKeys.JOIN_GROUP, version, data);
        }
        for (int version : new int[] {2, 7, 8, 9})
            request(ApiKeys.OFFSET_COMMIT, version, new OffsetCommitRequestData().setGroupId("group").setMemberId("member")
                .setGenerationIdOrMemberEpoch(3).setTopics(List.of(
                    new OffsetCommitRequestData.OffsetCommitRequestTopic().setName("orders").setPartitions(List.of(
                        new OffsetCommitRequestData.OffsetCommitRequestPartition().setPartitionIndex(2).setCommittedOffset(78)
                            .setCommittedMetadata(""))))));
        for (CompressionType codec : CompressionType.values())
            print("batch." + codec.name, MemoryRecords.withRecords(RecordBatch.MAGIC_VALUE_V2, 0L, Compression.of(codec).build(),
                TimestampType.CREATE_TIME, records()).buffer());
        print("marker.commit", MemoryRecords.withEndTransactionMarker(0L, 1700000000000L, -1, 9000L, (short) 4,
            new EndTransactionMarker(ControlRecordType.COMMIT, 7)).buffer());
        print("marker.abort", MemoryRecords.withEndTransactionMarker(0L, 1700000000000L, -1, 9000L, (short) 4,
            new EndTransactionMarker(ControlRecordType.ABORT, 7)).buffer());
    }
}
