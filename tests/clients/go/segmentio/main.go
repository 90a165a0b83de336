// Drives segmentio's kafka-go: its Writer, Reader, ConsumerGroup and Client.
package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"runtime/debug"
	"sort"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"ottla/tests/clients/go/line"
)

func main() {
	line.Main(func(bootstrap string) map[string]line.Operation {
		d := driver{bootstrap, &kafka.Client{Addr: kafka.TCP(bootstrap), Timeout: 20 * time.Second}}
		// It has no pause; programs stop calling ReadMessage.
		operations := map[string]line.Operation{
			"versions": d.versions, "produce": d.produce, "consume": d.consume, "seek": d.seek, "read_at": d.readAt, "ends": d.ends,
			"offsets_for_times": d.offsetsForTimes, "commit": d.commit,
			"list_topics": d.listTopics, "partitions_for_topic": d.partitionsForTopic, "create_topic": d.createTopic,
			"delete_topic": d.deleteTopic, "create_partitions": d.createPartitions, "describe_configs": d.describeConfigs,
			"list_groups": d.listGroups, "describe_group": d.describeGroup, "delete_group": d.deleteGroup,
			"alter_config": d.alterConfig, "describe_cluster": d.describeCluster, "elect_leaders": d.electLeaders, "delete_offsets": d.deleteOffsets, "reassignments": d.reassignments, "acls": d.acls,
		}
		maps.Copy(operations, d.maintenance())
		return operations
	}, member)
}

type driver struct {
	bootstrap string
	client    *kafka.Client
}

func (d driver) versions(line.Request) (any, error) {
	found := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/segmentio/kafka-go" {
				found["library"] = module.Version
			}
		}
	}
	return found, nil
}

var codecs = map[string]kafka.Compression{"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}

func (d driver) produce(r line.Request) (any, error) {
	var lock sync.Mutex
	offsets := make([]any, len(r.Records))
	writer := &kafka.Writer{
		Addr: kafka.TCP(d.bootstrap), Topic: r.Topic, BatchTimeout: max(r.Linger(), time.Millisecond), BatchBytes: 4 << 20,
		RequiredAcks:           map[string]kafka.RequiredAcks{"0": kafka.RequireNone, "1": kafka.RequireOne, "all": kafka.RequireAll}[r.Acks],
		Compression:            codecs[r.Codec],
		AllowAutoTopicCreation: true,
		Balancer:               kafka.BalancerFunc(func(kafka.Message, ...int) int { return int(r.Partition) }),
		Completion: func(messages []kafka.Message, err error) {
			lock.Lock()
			defer lock.Unlock()
			for _, one := range messages {
				if err == nil && r.Acks != "0" {
					offsets[one.WriterData.(int)] = one.Offset
				}
			}
		},
	}
	messages := make([]kafka.Message, len(r.Records))
	for i, one := range r.Records {
		messages[i] = kafka.Message{Key: one.Key, Value: one.Value, Time: one.Time(), WriterData: i}
		for _, header := range one.Headers {
			messages[i].Headers = append(messages[i].Headers, kafka.Header{Key: header.Name, Value: header.Value})
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	failed := writer.WriteMessages(ctx, messages...)
	// Close waits for the completions.
	if err := errors.Join(failed, writer.Close()); err != nil {
		return nil, err
	}
	return offsets, nil
}

func (d driver) reader(topic string, partition int32) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{d.bootstrap}, Topic: topic, Partition: int(partition), MaxWait: 100 * time.Millisecond, MaxBytes: 8 << 20,
		ErrorLogger: kafka.LoggerFunc(line.Say)})
}

// consume has a reader per partition, as a Reader has one or a group.
func (d driver) consume(r line.Request) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.Patience())
	defer cancel()
	var readers sync.WaitGroup
	var lock sync.Mutex
	all, failures := []line.Record{}, []error{}
	for partition, count := range r.Counts {
		readers.Go(func() {
			records, err := d.consumeOne(ctx, r.Topic, partition, count)
			lock.Lock()
			defer lock.Unlock()
			all, failures = append(all, records...), append(failures, err)
		})
	}
	readers.Wait()
	return all, errors.Join(failures...)
}

func (d driver) consumeOne(ctx context.Context, topic string, partition int32, count int) ([]line.Record, error) {
	reader := d.reader(topic, partition)
	defer reader.Close()
	if err := reader.SetOffset(kafka.FirstOffset); err != nil {
		return nil, err
	}
	records := []line.Record{}
	for len(records) < count {
		one, err := reader.ReadMessage(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			return nil, err
		}
		headers := []line.Header{}
		for _, header := range one.Headers {
			headers = append(headers, line.Header{Name: header.Key, Value: header.Value})
		}
		records = append(records, line.Record{Partition: int32(one.Partition), Offset: one.Offset, Key: one.Key, Value: one.Value,
			Headers: headers, Timestamp: one.Time.UnixMilli()})
	}
	return records, nil
}

func (d driver) seek(r line.Request) (any, error) {
	reader := d.reader(r.Topic, r.Partition)
	defer reader.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	seen := []any{}
	for _, offset := range r.To {
		if err := reader.SetOffset(offset); err != nil {
			return nil, err
		}
		one, err := reader.ReadMessage(ctx)
		if err != nil {
			return nil, err
		}
		seen = append(seen, one.Offset)
	}
	return seen, nil
}

// readAt answers with the offset of the first record from there on, none if nothing comes in time; a wrong offset is not mended.
func (d driver) readAt(r line.Request) (any, error) {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{d.bootstrap}, Topic: r.Topic, Partition: int(r.Partition), MaxWait: 100 * time.Millisecond,
		OffsetOutOfRangeError: true, ErrorLogger: kafka.LoggerFunc(line.Say)})
	defer reader.Close()
	ctx, cancel := context.WithTimeout(context.Background(), r.Patience())
	defer cancel()
	if err := reader.SetOffset(r.Offset); err != nil {
		return nil, err
	}
	one, err := reader.ReadMessage(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return []int64{}, nil
	}
	return []int64{one.Offset}, err
}

// listed asks for one kind of offset; a request may name a partition once only.
func (d driver) listed(r line.Request, what kafka.OffsetRequest) (kafka.PartitionOffsets, error) {
	answer, err := d.client.ListOffsets(context.Background(), &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{r.Topic: {what}}})
	if err != nil {
		return kafka.PartitionOffsets{}, err
	}
	one := answer.Topics[r.Topic][0]
	return one, one.Error
}

func (d driver) ends(r line.Request) (any, error) {
	first, err := d.listed(r, kafka.FirstOffsetOf(int(r.Partition)))
	if err != nil {
		return nil, err
	}
	last, err := d.listed(r, kafka.LastOffsetOf(int(r.Partition)))
	return []int64{first.FirstOffset, last.LastOffset}, err
}

// The timestamp that was found stays with the library: it hands over the zero time.
func (d driver) offsetsForTimes(r line.Request) (any, error) {
	found := []any{}
	for _, at := range r.Timestamps {
		one, err := d.listed(r, kafka.TimeOffsetOf(int(r.Partition), time.UnixMilli(at)))
		if err != nil {
			return nil, err
		}
		var got any
		for offset := range one.Offsets {
			if offset >= 0 {
				got = []any{offset, nil}
			}
		}
		found = append(found, got)
	}
	return found, nil
}

func (d driver) commit(r line.Request) (any, error) {
	ctx := context.Background()
	answer, err := d.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: r.Group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{r.Topic: {{Partition: int(r.Partition), Offset: r.Offset, Metadata: r.Metadata}}}})
	if err != nil {
		return nil, err
	}
	if err := answer.Topics[r.Topic][0].Error; err != nil {
		return nil, err
	}
	again, err := d.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: r.Group, Topics: map[string][]int{r.Topic: {int(r.Partition)}}})
	if err != nil {
		return nil, err
	}
	one := again.Topics[r.Topic][0]
	return []any{one.CommittedOffset, one.Metadata}, errors.Join(again.Error, one.Error)
}

func (d driver) metadata(topics ...string) ([]kafka.Topic, error) {
	answer, err := d.client.Metadata(context.Background(), &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, err
	}
	return answer.Topics, nil
}

func (d driver) listTopics(line.Request) (any, error) {
	topics, err := d.metadata()
	found := []string{}
	for _, topic := range topics {
		found = append(found, topic.Name)
	}
	sort.Strings(found)
	return found, err
}

func (d driver) partitionsForTopic(r line.Request) (any, error) {
	topics, err := d.metadata(r.Topic)
	if err != nil {
		return nil, err
	}
	found := []int{}
	for _, partition := range topics[0].Partitions {
		found = append(found, partition.ID)
	}
	sort.Ints(found)
	return found, topics[0].Error
}

func (d driver) createTopic(r line.Request) (any, error) {
	configs := []kafka.ConfigEntry{}
	for name, value := range r.Configs {
		configs = append(configs, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	answer, err := d.client.CreateTopics(context.Background(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: r.Topic, NumPartitions: r.Partitions, ReplicationFactor: 1, ConfigEntries: configs}}})
	if err != nil {
		return nil, err
	}
	return nil, answer.Errors[r.Topic]
}

func (d driver) deleteTopic(r line.Request) (any, error) {
	answer, err := d.client.DeleteTopics(context.Background(), &kafka.DeleteTopicsRequest{Topics: []string{r.Topic}})
	if err != nil {
		return nil, err
	}
	return nil, answer.Errors[r.Topic]
}

func (d driver) createPartitions(r line.Request) (any, error) {
	answer, err := d.client.CreatePartitions(context.Background(), &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: r.Topic, Count: int32(r.Total)}}, ValidateOnly: r.Op == "check_partitions"})
	if err != nil {
		return nil, err
	}
	return nil, answer.Errors[r.Topic]
}

func (d driver) describeConfigs(r line.Request) (any, error) {
	answer, err := d.client.DescribeConfigs(context.Background(), &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: resource(r), ResourceName: r.Topic}}})
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, entry := range answer.Resources[0].ConfigEntries {
		found[entry.ConfigName] = entry.ConfigValue
	}
	return found, answer.Resources[0].Error
}

func (d driver) listGroups(line.Request) (any, error) {
	answer, err := d.client.ListGroups(context.Background(), &kafka.ListGroupsRequest{Addr: d.client.Addr})
	if err != nil {
		return nil, err
	}
	found := []string{}
	for _, group := range answer.Groups {
		found = append(found, group.GroupID)
	}
	sort.Strings(found)
	return found, answer.Error
}

func (d driver) describeGroup(r line.Request) (any, error) {
	answer, err := d.client.DescribeGroups(context.Background(), &kafka.DescribeGroupsRequest{GroupIDs: []string{r.Group}})
	if err != nil {
		return nil, err
	}
	one := answer.Groups[0]
	return map[string]any{"state": one.GroupState, "members": len(one.Members)}, one.Error
}

func (d driver) deleteGroup(r line.Request) (any, error) {
	answer, err := d.client.DeleteGroups(context.Background(), &kafka.DeleteGroupsRequest{GroupIDs: []string{r.Group}})
	if err != nil {
		return nil, err
	}
	return nil, answer.Errors[r.Group]
}

func (d driver) alterConfig(r line.Request) (any, error) {
	// check_config is not among them, and sets.
	how := map[string]kafka.ConfigOperation{
		"reset_config": kafka.ConfigOperationDelete, "append_config": kafka.ConfigOperationAppend, "subtract_config": kafka.ConfigOperationSubtract}[r.Op]
	answer, err := d.client.IncrementalAlterConfigs(context.Background(), &kafka.IncrementalAlterConfigsRequest{
		ValidateOnly: r.Op == "check_config",
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: resource(r), ResourceName: r.Topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: r.Key, Value: r.Value, ConfigOperation: how}}}}})
	if err != nil {
		return nil, err
	}
	return nil, answer.Resources[0].Error
}

func (d driver) describeCluster(line.Request) (any, error) {
	answer, err := d.client.Metadata(context.Background(), &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	return len(answer.Brokers), nil
}

func (d driver) electLeaders(r line.Request) (any, error) {
	answer, err := d.client.ElectLeaders(context.Background(), &kafka.ElectLeadersRequest{
		Topic: r.Topic, Partitions: []int{int(r.Partition)}, Timeout: 10 * time.Second})
	if err != nil {
		return nil, err
	}
	return nil, errors.Join(answer.Error, answer.PartitionResults[0].Error)
}

func (d driver) deleteOffsets(r line.Request) (any, error) {
	answer, err := d.client.OffsetDelete(context.Background(), &kafka.OffsetDeleteRequest{
		GroupID: r.Group, Topics: map[string][]int{r.Topic: {int(r.Partition)}}})
	if err != nil {
		return nil, err
	}
	return nil, errors.Join(answer.Error, answer.Topics[r.Topic][0].Error)
}

func (d driver) reassignments(line.Request) (any, error) {
	answer, err := d.client.ListPartitionReassignments(context.Background(), &kafka.ListPartitionReassignmentsRequest{Timeout: 10 * time.Second})
	if err != nil {
		return nil, err
	}
	return len(answer.Topics), answer.Error
}

func (d driver) acls(line.Request) (any, error) {
	answer, err := d.client.DescribeACLs(context.Background(), &kafka.DescribeACLsRequest{Filter: kafka.ACLFilter{
		ResourceTypeFilter: kafka.ResourceTypeAny, ResourcePatternTypeFilter: kafka.PatternTypeAny,
		Operation: kafka.ACLOperationTypeAny, PermissionType: kafka.ACLPermissionTypeAny}})
	if err != nil {
		return nil, err
	}
	return len(answer.Resources), answer.Error
}

func member(ctx context.Context, bootstrap string, settings line.Member) error {
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: settings.Group, Brokers: []string{bootstrap}, Topics: []string{settings.Topic}, StartOffset: kafka.FirstOffset,
		SessionTimeout: settings.Session(), HeartbeatInterval: 500 * time.Millisecond, ErrorLogger: kafka.LoggerFunc(line.Say)})
	if err != nil {
		return err
	}
	for {
		generation, err := group.Next(ctx)
		if ctx.Err() != nil {
			return group.Close()
		}
		if err != nil {
			line.Say("next: %v", err)
			var network net.Error
			if errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				continue
			}
			var refused kafka.Error
			if errors.As(err, &refused) {
				continue
			}
			return err
		}
		owned := []int32{}
		for _, one := range generation.Assignments[settings.Topic] {
			owned = append(owned, int32(one.ID))
			generation.Start(func(ctx context.Context) { follow(ctx, bootstrap, settings.Topic, generation, one) })
		}
		line.Assigned(owned, generation.ID)
	}
}

// follow reads one partition for as long as the generation lasts, and commits after each record.
func follow(ctx context.Context, bootstrap, topic string, generation *kafka.Generation, from kafka.PartitionAssignment) {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{bootstrap}, Topic: topic, Partition: from.ID, MaxWait: 100 * time.Millisecond, ErrorLogger: kafka.LoggerFunc(line.Say)})
	defer reader.Close()
	if err := reader.SetOffset(from.Offset); err != nil {
		line.Say("seek: %v", err)
		return
	}
	for {
		one, err := reader.ReadMessage(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			line.Say("read: %v", err)
			continue
		}
		partition, next := int32(from.ID), one.Offset+1
		line.Read(map[int32][]int64{partition: {one.Offset}})
		if err := generation.CommitOffsets(map[string]map[int]int64{topic: {from.ID: next}}); err != nil {
			line.Say("commit: %v", err)
			continue
		}
		line.Committed(map[int32]int64{partition: next})
	}
}
