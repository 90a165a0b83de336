// Prints crates/codec/tests/golden/java_legacy.txt: what clients before Kafka 4 send and get, written by Kafka's own Java
// classes, as "name hex" lines. To renew the file, with the jars that tools/client-envs.sh fetches:
//   java -cp "$OTTLA_CACHE/java-clients/3.9.2/libs/*:$OTTLA_CACHE/kafka-4.3.0/libs/*" crates/codec/tools/GoldenLegacy.java > crates/codec/tests/golden/java_legacy.txt
import java.nio.ByteBuffer;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.SimpleRecord;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.utils.Time;

public class GoldenLegacy {
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

    static void response(ApiKeys api, int version, Message body) {
        print("response." + api.name + "." + version, bytes(body, (short) version));
    }

    static SimpleRecord[] records() {
        return new SimpleRecord[] {
            new SimpleRecord(1700000000000L, "key".getBytes(), "first value, first value, first value".getBytes()),
            new SimpleRecord(1700000000500L, null, "second".getBytes()),
            new SimpleRecord(1700000000200L, "key".getBytes(), null),
        };
    }

    static MemoryRecords set(int magic, CompressionType codec) {
        return MemoryRecords.withRecords((byte) magic, 100L, Compression.of(codec).build(), TimestampType.CREATE_TIME, records());
    }

    public static void main(String[] args) {
        for (int magic : new int[] {0, 1})
            for (CompressionType codec : new CompressionType[] {CompressionType.NONE, CompressionType.GZIP, CompressionType.SNAPPY, CompressionType.LZ4})
                print("set.v" + magic + "." + codec.name, set(magic, codec).buffer());
        for (int magic : new int[] {0, 1})
            for (CompressionType codec : new CompressionType[] {CompressionType.NONE, CompressionType.GZIP, CompressionType.SNAPPY, CompressionType.LZ4}) {
                MemoryRecords batch = set(2, codec);
                if (magic == 0) print("down.batch." + codec.name, batch.buffer().duplicate());
                print("down.v" + magic + "." + codec.name, ((MemoryRecords) batch.downConvert((byte) magic, 101L, Time.SYSTEM).records()).buffer());
            }
        for (int version : new int[] {0, 1, 2}) {
            ProduceRequestData produce = new ProduceRequestData().setAcks((short) -1).setTimeoutMs(30000);
            produce.topicData().add(new ProduceRequestData.TopicProduceData().setName("orders").setPartitionData(List.of(
                new ProduceRequestData.PartitionProduceData().setIndex(2).setRecords(set(version == 2 ? 1 : 0, CompressionType.NONE)))));
            request(ApiKeys.PRODUCE, version, produce);
            ProduceResponseData produced = new ProduceResponseData();
            if (version >= 1) produced.setThrottleTimeMs(5);
            ProduceResponseData.PartitionProduceResponse partition = new ProduceResponseData.PartitionProduceResponse()
                .setIndex(2).setErrorCode((short) 0).setBaseOffset(77);
            if (version >= 2) partition.setLogAppendTimeMs(1700000000000L);
            produced.responses().add(new ProduceResponseData.TopicProduceResponse().setName("orders").setPartitionResponses(List.of(partition)));
            response(ApiKeys.PRODUCE, version, produced);
        }
        for (int version : new int[] {0, 1, 2, 3}) {
            FetchRequestData fetch = new FetchRequestData().setReplicaId(-1).setMaxWaitMs(500).setMinBytes(1).setTopics(List.of(
                new FetchRequestData.FetchTopic().setTopic("orders").setPartitions(List.of(
                    new FetchRequestData.FetchPartition().setPartition(2).setFetchOffset(77).setPartitionMaxBytes(1048576)))));
            if (version >= 3) fetch.setMaxBytes(52428800);
            request(ApiKeys.FETCH, version, fetch);
            FetchResponseData fetched = new FetchResponseData().setResponses(List.of(new FetchResponseData.FetchableTopicResponse()
                .setTopic("orders").setPartitions(List.of(new FetchResponseData.PartitionData().setPartitionIndex(2)
                    .setErrorCode((short) 1).setHighWatermark(99).setRecords(MemoryRecords.readableRecords(ByteBuffer.wrap(new byte[] {1, 2, 3})))))));
            if (version >= 1) fetched.setThrottleTimeMs(5);
            response(ApiKeys.FETCH, version, fetched);
        }
        request(ApiKeys.LIST_OFFSETS, 0, new ListOffsetsRequestData().setReplicaId(-1).setTopics(List.of(
            new ListOffsetsRequestData.ListOffsetsTopic().setName("orders").setPartitions(List.of(
                new ListOffsetsRequestData.ListOffsetsPartition().setPartitionIndex(2).setTimestamp(-1).setMaxNumOffsets(7))))));
        response(ApiKeys.LIST_OFFSETS, 0, new ListOffsetsResponseData().setTopics(List.of(
            new ListOffsetsResponseData.ListOffsetsTopicResponse().setName("orders").setPartitions(List.of(
                new ListOffsetsResponseData.ListOffsetsPartitionResponse().setPartitionIndex(2).setOldStyleOffsets(List.of(77L, 0L)))))));
        for (int version : new int[] {0, 1}) {
            OffsetCommitRequestData commit = new OffsetCommitRequestData().setGroupId("group").setTopics(List.of(
                new OffsetCommitRequestData.OffsetCommitRequestTopic().setName("orders").setPartitions(List.of(
                    new OffsetCommitRequestData.OffsetCommitRequestPartition().setPartitionIndex(2).setCommittedOffset(78)
                        .setCommittedMetadata("note")))));
            if (version >= 1) commit.setMemberId("member").setGenerationIdOrMemberEpoch(3);
            request(ApiKeys.OFFSET_COMMIT, version, commit);
            response(ApiKeys.OFFSET_COMMIT, version, new OffsetCommitResponseData().setTopics(List.of(
                new OffsetCommitResponseData.OffsetCommitResponseTopic().setName("orders").setPartitions(List.of(
                    new OffsetCommitResponseData.OffsetCommitResponsePartition().setPartitionIndex(2).setErrorCode((short) 3))))));
        }
        request(ApiKeys.OFFSET_FETCH, 0, new OffsetFetchRequestData().setGroupId("group").setTopics(List.of(
            new OffsetFetchRequestData.OffsetFetchRequestTopic().setName("orders").setPartitionIndexes(List.of(2)))));
        response(ApiKeys.OFFSET_FETCH, 0, new OffsetFetchResponseData().setTopics(List.of(
            new OffsetFetchResponseData.OffsetFetchResponseTopic().setName("orders").setPartitions(List.of(
                new OffsetFetchResponseData.OffsetFetchResponsePartition().setPartitionIndex(2).setCommittedOffset(78)
                    .setMetadata("note").setErrorCode((short) 0))))));
        for (int version : new int[] {0, 1}) {
            CreateTopicsRequestData create = new CreateTopicsRequestData().setTimeoutMs(30000).setValidateOnly(version >= 1);
            CreateTopicsRequestData.CreatableTopic topic = new CreateTopicsRequestData.CreatableTopic().setName("orders")
                .setNumPartitions(-1).setReplicationFactor((short) -1);
            topic.assignments().add(new CreateTopicsRequestData.CreatableReplicaAssignment().setPartitionIndex(0).setBrokerIds(List.of(1)));
            topic.configs().add(new CreateTopicsRequestData.CreatableTopicConfig().setName("cleanup.policy").setValue("compact"));
            create.topics().add(topic);
            request(ApiKeys.CREATE_TOPICS, version, create);
            CreateTopicsResponseData created = new CreateTopicsResponseData();
            created.topics().add(new CreateTopicsResponseData.CreatableTopicResult().setName("orders").setErrorCode((short) 36)
                .setErrorMessage(version >= 1 ? "it exists" : null));
            response(ApiKeys.CREATE_TOPICS, version, created);
            request(ApiKeys.OFFSET_FOR_LEADER_EPOCH, version, epochs());
            response(ApiKeys.OFFSET_FOR_LEADER_EPOCH, version, epochEnds(version));
        }
        request(ApiKeys.DELETE_TOPICS, 0, new DeleteTopicsRequestData().setTopicNames(List.of("orders")).setTimeoutMs(30000));
        DeleteTopicsResponseData deleted = new DeleteTopicsResponseData();
        deleted.responses().add(new DeleteTopicsResponseData.DeletableTopicResult().setName("orders").setErrorCode((short) 3));
        response(ApiKeys.DELETE_TOPICS, 0, deleted);
        request(ApiKeys.DESCRIBE_CONFIGS, 0, new DescribeConfigsRequestData().setResources(List.of(
            new DescribeConfigsRequestData.DescribeConfigsResource().setResourceType((byte) 2).setResourceName("orders")
                .setConfigurationKeys(List.of("cleanup.policy")))));
        response(ApiKeys.DESCRIBE_CONFIGS, 0, new DescribeConfigsResponseData().setThrottleTimeMs(5).setResults(List.of(
            new DescribeConfigsResponseData.DescribeConfigsResult().setErrorMessage(null).setResourceType((byte) 2).setResourceName("orders")
                .setConfigs(List.of(new DescribeConfigsResponseData.DescribeConfigsResourceResult().setName("cleanup.policy")
                    .setValue("delete").setReadOnly(true).setIsDefault(true).setIsSensitive(false))))));
        request(ApiKeys.DESCRIBE_LOG_DIRS, 0, new DescribeLogDirsRequestData().setTopics(null));
        response(ApiKeys.DESCRIBE_LOG_DIRS, 0, new DescribeLogDirsResponseData().setResults(List.of(
            new DescribeLogDirsResponseData.DescribeLogDirsResult().setLogDir("/data"))));
        acls();
        firstAlike();
    }

    /** Versions 0 that are laid out as version 1 is. */
    static void firstAlike() {
        AlterReplicaLogDirsRequestData move = new AlterReplicaLogDirsRequestData();
        AlterReplicaLogDirsRequestData.AlterReplicaLogDir dir = new AlterReplicaLogDirsRequestData.AlterReplicaLogDir().setPath("/data");
        dir.topics().add(new AlterReplicaLogDirsRequestData.AlterReplicaLogDirTopic().setName("orders").setPartitions(List.of(2)));
        move.dirs().add(dir);
        request(ApiKeys.ALTER_REPLICA_LOG_DIRS, 0, move);
        response(ApiKeys.ALTER_REPLICA_LOG_DIRS, 0, new AlterReplicaLogDirsResponseData().setThrottleTimeMs(5).setResults(List.of(
            new AlterReplicaLogDirsResponseData.AlterReplicaLogDirTopicResult().setTopicName("orders").setPartitions(List.of(
                new AlterReplicaLogDirsResponseData.AlterReplicaLogDirPartitionResult().setPartitionIndex(2).setErrorCode((short) 57))))));
        request(ApiKeys.CREATE_DELEGATION_TOKEN, 0, new CreateDelegationTokenRequestData().setMaxLifetimeMs(60000).setRenewers(List.of(
            new CreateDelegationTokenRequestData.CreatableRenewers().setPrincipalType("User").setPrincipalName("me"))));
        response(ApiKeys.CREATE_DELEGATION_TOKEN, 0, new CreateDelegationTokenResponseData().setErrorCode((short) 64).setPrincipalType("User")
            .setPrincipalName("me").setIssueTimestampMs(-1).setExpiryTimestampMs(-1).setMaxTimestampMs(-1).setTokenId("id").setHmac(new byte[] {7})
            .setThrottleTimeMs(5));
        request(ApiKeys.RENEW_DELEGATION_TOKEN, 0, new RenewDelegationTokenRequestData().setHmac(new byte[] {7}).setRenewPeriodMs(60000));
        response(ApiKeys.RENEW_DELEGATION_TOKEN, 0,
            new RenewDelegationTokenResponseData().setErrorCode((short) 64).setExpiryTimestampMs(-1).setThrottleTimeMs(5));
        request(ApiKeys.EXPIRE_DELEGATION_TOKEN, 0, new ExpireDelegationTokenRequestData().setHmac(new byte[] {7}).setExpiryTimePeriodMs(60000));
        response(ApiKeys.EXPIRE_DELEGATION_TOKEN, 0,
            new ExpireDelegationTokenResponseData().setErrorCode((short) 64).setExpiryTimestampMs(-1).setThrottleTimeMs(5));
        request(ApiKeys.DESCRIBE_DELEGATION_TOKEN, 0, new DescribeDelegationTokenRequestData().setOwners(List.of(
            new DescribeDelegationTokenRequestData.DescribeDelegationTokenOwner().setPrincipalType("User").setPrincipalName("me"))));
        response(ApiKeys.DESCRIBE_DELEGATION_TOKEN, 0, new DescribeDelegationTokenResponseData().setErrorCode((short) 64).setThrottleTimeMs(5));
    }

    static void acls() {
        request(ApiKeys.DESCRIBE_ACLS, 0, new DescribeAclsRequestData().setResourceTypeFilter((byte) 2).setResourceNameFilter("orders")
            .setPrincipalFilter(null).setHostFilter("*").setOperation((byte) 3).setPermissionType((byte) 1));
        response(ApiKeys.DESCRIBE_ACLS, 0, new DescribeAclsResponseData().setThrottleTimeMs(5).setErrorMessage(null).setResources(List.of(
            new DescribeAclsResponseData.DescribeAclsResource().setResourceType((byte) 2).setResourceName("orders").setAcls(List.of(
                new DescribeAclsResponseData.AclDescription().setPrincipal("User:me").setHost("*").setOperation((byte) 3)
                    .setPermissionType((byte) 3))))));
        request(ApiKeys.CREATE_ACLS, 0, new CreateAclsRequestData().setCreations(List.of(
            new CreateAclsRequestData.AclCreation().setResourceType((byte) 2).setResourceName("orders").setPrincipal("User:me")
                .setHost("*").setOperation((byte) 3).setPermissionType((byte) 3))));
        response(ApiKeys.CREATE_ACLS, 0, new CreateAclsResponseData().setResults(List.of(
            new CreateAclsResponseData.AclCreationResult().setErrorCode((short) 54).setErrorMessage("none"))));
        request(ApiKeys.DELETE_ACLS, 0, new DeleteAclsRequestData().setFilters(List.of(
            new DeleteAclsRequestData.DeleteAclsFilter().setResourceTypeFilter((byte) 2).setResourceNameFilter("orders")
                .setPrincipalFilter("User:me").setHostFilter(null).setOperation((byte) 3).setPermissionType((byte) 1))));
        response(ApiKeys.DELETE_ACLS, 0, new DeleteAclsResponseData().setFilterResults(List.of(
            new DeleteAclsResponseData.DeleteAclsFilterResult().setErrorMessage(null).setMatchingAcls(List.of(
                new DeleteAclsResponseData.DeleteAclsMatchingAcl().setErrorMessage(null).setResourceType((byte) 2)
                    .setResourceName("orders").setPrincipal("User:me").setHost("*").setOperation((byte) 3).setPermissionType((byte) 3))))));
    }

    static OffsetForLeaderEpochRequestData epochs() {
        OffsetForLeaderEpochRequestData request = new OffsetForLeaderEpochRequestData();
        request.topics().add(new OffsetForLeaderEpochRequestData.OffsetForLeaderTopic().setTopic("orders").setPartitions(List.of(
            new OffsetForLeaderEpochRequestData.OffsetForLeaderPartition().setPartition(2).setLeaderEpoch(4))));
        return request;
    }

    static OffsetForLeaderEpochResponseData epochEnds(int version) {
        OffsetForLeaderEpochResponseData response = new OffsetForLeaderEpochResponseData();
        OffsetForLeaderEpochResponseData.EpochEndOffset end = new OffsetForLeaderEpochResponseData.EpochEndOffset()
            .setPartition(2).setEndOffset(77);
        if (version >= 1) end.setLeaderEpoch(4);
        response.topics().add(new OffsetForLeaderEpochResponseData.OffsetForLeaderTopicResult().setTopic("orders").setPartitions(List.of(end)));
        return response;
    }
}
