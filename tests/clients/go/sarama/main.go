// Drives Sarama, whose Config.Version (SARAMA_VERSION here) decides which versions of the protocol it speaks.
package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"sort"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"ottla/tests/clients/go/line"
)

func main() {
	line.Main(func(bootstrap string) map[string]line.Operation {
		d := driver{bootstrap}
		operations := map[string]line.Operation{
			"versions": d.versions, "produce": d.produce, "consume": d.consume, "seek": d.seek, "read_at": d.readAt, "ends": d.ends,
			"offsets_for_times": d.offsetsForTimes, "pause": d.pause, "commit": d.commit,
			"list_topics": d.listTopics, "partitions_for_topic": d.partitionsForTopic, "create_topic": d.createTopic,
			"delete_topic": d.deleteTopic, "create_partitions": d.createPartitions, "describe_configs": d.describeConfigs,
			"list_groups": d.listGroups, "describe_group": d.describeGroup, "delete_group": d.deleteGroup,
			"alter_config": d.alterConfig, "delete_records": d.deleteRecords, "log_dirs": d.logDirs, "describe_cluster": d.describeCluster, "elect_leaders": d.electLeaders, "delete_offsets": d.deleteOffsets, "reassignments": d.reassignments, "acls": d.acls,
		}
		maps.Copy(operations, d.maintenance())
		maps.Copy(operations, (&transactions{driver: d}).operations())
		return operations
	}, member)
}

type driver struct{ bootstrap string }

func config() *sarama.Config {
	settings := sarama.NewConfig()
	version, err := sarama.ParseKafkaVersion(os.Getenv("SARAMA_VERSION"))
	if err != nil {
		panic(err)
	}
	settings.Version = version
	settings.Consumer.Return.Errors = true
	settings.Consumer.MaxWaitTime = 100 * time.Millisecond
	return settings
}

// client runs one call with a connection of its own.
func (d driver) client(call func(sarama.Client) (any, error)) (any, error) {
	client, err := sarama.NewClient([]string{d.bootstrap}, config())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return call(client)
}

func (d driver) admin(call func(sarama.ClusterAdmin) (any, error)) (any, error) {
	admin, err := sarama.NewClusterAdmin([]string{d.bootstrap}, config())
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	return call(admin)
}

func (d driver) versions(line.Request) (any, error) {
	return map[string]string{"version": config().Version.String()}, nil
}

var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

// encoded keeps null and empty apart: a null is no encoder at all.
func encoded(data []byte) sarama.Encoder {
	if data == nil {
		return nil
	}
	return sarama.ByteEncoder(data)
}

func (d driver) produce(r line.Request) (any, error) {
	settings := config()
	settings.Producer.Return.Successes = true
	settings.Producer.Partitioner = sarama.NewManualPartitioner
	settings.Producer.Compression = codecs[r.Codec]
	settings.Producer.RequiredAcks = map[string]sarama.RequiredAcks{"0": sarama.NoResponse, "1": sarama.WaitForLocal, "all": sarama.WaitForAll}[r.Acks]
	settings.Producer.Flush.Frequency = r.Linger()
	settings.Producer.MaxMessageBytes = 4 << 20
	if r.Idempotent {
		settings.Producer.Idempotent = true
		settings.Net.MaxOpenRequests = 1
	}
	producer, err := sarama.NewSyncProducer([]string{d.bootstrap}, settings)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, len(r.Records))
	for i, one := range r.Records {
		messages[i] = &sarama.ProducerMessage{Topic: r.Topic, Partition: r.Partition, Key: encoded(one.Key), Value: encoded(one.Value), Timestamp: one.Time()}
		for _, header := range one.Headers {
			messages[i].Headers = append(messages[i].Headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
		}
	}
	if err := producer.SendMessages(messages); err != nil {
		var failed sarama.ProducerErrors
		if errors.As(err, &failed) {
			return nil, failed[0].Err
		}
		return nil, err
	}
	offsets := make([]any, len(messages))
	for i, one := range messages {
		if r.Acks != "0" {
			offsets[i] = one.Offset
		}
	}
	if r.Acks == "0" {
		time.Sleep(line.Settle)
	}
	return offsets, nil
}

// read hands over records from those offsets on until `more` is false, or the time is over.
func (d driver) read(topic string, at map[int32]int64, patience time.Duration, more func(*sarama.ConsumerMessage) bool) error {
	consumer, err := sarama.NewConsumer([]string{d.bootstrap}, config())
	if err != nil {
		return err
	}
	defer consumer.Close()
	// A channel per partition: both of them flow into one each.
	messages, failures, done := make(chan *sarama.ConsumerMessage), make(chan *sarama.ConsumerError), make(chan struct{})
	var flows sync.WaitGroup
	defer flows.Wait()
	defer close(done)
	for partition, offset := range at {
		from, err := consumer.ConsumePartition(topic, partition, offset)
		if err != nil {
			return err
		}
		flows.Go(func() {
			defer from.Close()
			flow(from, messages, failures, done)
		})
	}
	over := time.After(patience)
	for {
		select {
		case one := <-messages:
			if !more(one) {
				return nil
			}
		case failed := <-failures:
			return failed.Err
		case <-over:
			return nil
		}
	}
}

// flow passes on what comes from one partition, until `done` is closed.
func flow(from sarama.PartitionConsumer, messages chan<- *sarama.ConsumerMessage, failures chan<- *sarama.ConsumerError, done <-chan struct{}) {
	for {
		select {
		case one := <-from.Messages():
			select {
			case messages <- one:
			case <-done:
				return
			}
		case failed := <-from.Errors():
			select {
			case failures <- failed:
			case <-done:
				return
			}
		case <-done:
			return
		}
	}
}

func (d driver) consume(r line.Request) (any, error) {
	records, left, from := []line.Record{}, r.Left(), map[int32]int64{}
	for partition := range left {
		from[partition] = sarama.OffsetOldest
	}
	err := d.read(r.Topic, from, r.Patience(), func(one *sarama.ConsumerMessage) bool {
		headers := []line.Header{}
		for _, header := range one.Headers {
			headers = append(headers, line.Header{Name: string(header.Key), Value: header.Value})
		}
		records = append(records, line.Record{Partition: one.Partition, Offset: one.Offset, Key: one.Key, Value: one.Value,
			Headers: headers, Timestamp: one.Timestamp.UnixMilli()})
		return left.Take(one.Partition)
	})
	return records, err
}

func (d driver) seek(r line.Request) (any, error) {
	seen := []any{}
	for _, offset := range r.To {
		var found any
		err := d.read(r.Topic, map[int32]int64{r.Partition: offset}, 10*time.Second, func(one *sarama.ConsumerMessage) bool {
			found = one.Offset
			return false
		})
		if err != nil {
			return nil, err
		}
		seen = append(seen, found)
	}
	return seen, nil
}

// readAt answers with the offset of the first record from there on, none if nothing comes in time; a wrong offset is never mended.
func (d driver) readAt(r line.Request) (any, error) {
	offsets := []int64{}
	err := d.read(r.Topic, map[int32]int64{r.Partition: r.Offset}, r.Patience(), func(one *sarama.ConsumerMessage) bool {
		offsets = append(offsets, one.Offset)
		return false
	})
	return offsets, err
}

func (d driver) ends(r line.Request) (any, error) {
	return d.client(func(client sarama.Client) (any, error) {
		first, err := client.GetOffset(r.Topic, r.Partition, sarama.OffsetOldest)
		if err != nil {
			return nil, err
		}
		last, err := client.GetOffset(r.Topic, r.Partition, sarama.OffsetNewest)
		return []int64{first, last}, err
	})
}

// Sarama keeps the timestamp that was found to itself, and answers -1 where there is no record so late.
func (d driver) offsetsForTimes(r line.Request) (any, error) {
	return d.client(func(client sarama.Client) (any, error) {
		found := []any{}
		for _, at := range r.Timestamps {
			offset, err := client.GetOffset(r.Topic, r.Partition, at)
			if err != nil {
				return nil, err
			}
			if offset < 0 {
				found = append(found, nil)
			} else {
				found = append(found, []any{offset, nil})
			}
		}
		return found, nil
	})
}

func (d driver) pause(r line.Request) (any, error) {
	consumer, err := sarama.NewConsumer([]string{d.bootstrap}, config())
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	from := make([]sarama.PartitionConsumer, 2)
	for partition := range from {
		if from[partition], err = consumer.ConsumePartition(r.Topic, int32(partition), sarama.OffsetOldest); err != nil {
			return nil, err
		}
		defer from[partition].Close()
		// Sarama fetches as soon as there is a partition to fetch: only the second is held back, at once.
		if partition == 1 {
			from[1].Pause()
		}
	}
	seen := []any{}
	for range 2 {
		partitions, over := map[int32]bool{}, time.After(2*time.Second)
		for waiting := true; waiting; {
			select {
			case <-from[0].Messages():
				partitions[0] = true
			case <-from[1].Messages():
				partitions[1] = true
			case <-over:
				waiting = false
			}
		}
		seen = append(seen, sorted(partitions))
		from[1].Resume()
	}
	return seen, nil
}

func (d driver) commit(r line.Request) (any, error) {
	return d.client(func(client sarama.Client) (any, error) {
		manager, err := sarama.NewOffsetManagerFromClient(r.Group, client)
		if err != nil {
			return nil, err
		}
		partition, err := manager.ManagePartition(r.Topic, r.Partition)
		if err != nil {
			return nil, err
		}
		partition.MarkOffset(r.Offset, r.Metadata)
		manager.Commit()
		select {
		case failed := <-partition.Errors():
			return nil, failed.Err
		default:
		}
		if err := errors.Join(partition.Close(), manager.Close()); err != nil {
			return nil, err
		}
		// What the broker has now, by a manager that has committed nothing.
		again, err := sarama.NewOffsetManagerFromClient(r.Group, client)
		if err != nil {
			return nil, err
		}
		defer again.Close()
		fresh, err := again.ManagePartition(r.Topic, r.Partition)
		if err != nil {
			return nil, err
		}
		defer fresh.Close()
		offset, metadata := fresh.NextOffset()
		return []any{offset, metadata}, nil
	})
}

func (d driver) listTopics(line.Request) (any, error) {
	return d.client(func(client sarama.Client) (any, error) {
		found, err := client.Topics()
		sort.Strings(found)
		return found, err
	})
}

func (d driver) partitionsForTopic(r line.Request) (any, error) {
	return d.client(func(client sarama.Client) (any, error) {
		found, err := client.Partitions(r.Topic)
		sort.Slice(found, func(i, j int) bool { return found[i] < found[j] })
		return found, err
	})
}

func (d driver) createTopic(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		configs := map[string]*string{}
		for name, value := range r.Configs {
			configs[name] = &value
		}
		return nil, admin.CreateTopic(r.Topic, &sarama.TopicDetail{NumPartitions: int32(r.Partitions), ReplicationFactor: 1, ConfigEntries: configs}, false)
	})
}

func (d driver) deleteTopic(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) { return nil, admin.DeleteTopic(r.Topic) })
}

func (d driver) createPartitions(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		return nil, admin.CreatePartitions(r.Topic, int32(r.Total), nil, r.Op == "check_partitions")
	})
}

func (d driver) describeConfigs(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: resource(r), Name: r.Topic})
		found := map[string]string{}
		for _, entry := range entries {
			found[entry.Name] = entry.Value
		}
		return found, err
	})
}

func (d driver) listGroups(line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		listed, err := admin.ListConsumerGroups()
		found := []string{}
		for group := range listed {
			found = append(found, group)
		}
		sort.Strings(found)
		return found, err
	})
}

func (d driver) describeGroup(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		found, err := admin.DescribeConsumerGroups([]string{r.Group})
		if err != nil {
			return nil, err
		}
		if found[0].Err != sarama.ErrNoError {
			return nil, found[0].Err
		}
		return map[string]any{"state": found[0].State, "members": len(found[0].Members)}, nil
	})
}

func (d driver) deleteGroup(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) { return nil, admin.DeleteConsumerGroup(r.Group) })
}

func (d driver) alterConfig(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		check := r.Op == "check_config"
		if !config().Version.IsAtLeast(sarama.V2_3_0_0) {
			return nil, admin.AlterConfig(resource(r), r.Topic, map[string]*string{r.Key: &r.Value}, check)
		}
		change := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &r.Value}
		switch r.Op {
		case "reset_config":
			change = sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationDelete}
		case "append_config":
			change.Operation = sarama.IncrementalAlterConfigsOperationAppend
		case "subtract_config":
			change.Operation = sarama.IncrementalAlterConfigsOperationSubtract
		}
		return nil, admin.IncrementalAlterConfig(resource(r), r.Topic, map[string]sarama.IncrementalAlterConfigsEntry{r.Key: change}, check)
	})
}

// It keeps the low watermark to itself: the answer is where the partition begins afterwards.
func (d driver) deleteRecords(r line.Request) (any, error) {
	_, err := d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		return nil, admin.DeleteRecords(r.Topic, map[int32]int64{r.Partition: r.Before})
	})
	if err != nil {
		return nil, err
	}
	return d.client(func(client sarama.Client) (any, error) {
		return client.GetOffset(r.Topic, r.Partition, sarama.OffsetOldest)
	})
}

func (d driver) logDirs(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		brokers, _, err := admin.DescribeCluster()
		if err != nil {
			return nil, err
		}
		found, err := admin.DescribeLogDirs([]int32{brokers[0].ID()})
		sizes := []int64{}
		for _, dir := range found[brokers[0].ID()] {
			for _, topic := range dir.Topics {
				if topic.Topic == r.Topic {
					for _, partition := range topic.Partitions {
						sizes = append(sizes, partition.Size)
					}
				}
			}
		}
		return sizes, err
	})
}

func (d driver) describeCluster(line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		brokers, _, err := admin.DescribeCluster()
		return len(brokers), err
	})
}

func (d driver) electLeaders(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		found, err := admin.ElectLeaders(sarama.PreferredElection, map[string][]int32{r.Topic: {r.Partition}})
		if err != nil {
			return nil, err
		}
		if one := found[r.Topic][r.Partition]; one != nil && one.ErrorCode != sarama.ErrNoError {
			return nil, one.ErrorCode
		}
		return nil, nil
	})
}

func (d driver) deleteOffsets(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		return nil, admin.DeleteConsumerGroupOffset(r.Group, r.Topic, r.Partition)
	})
}

// It asks for a topic's partitions only, by number.
func (d driver) reassignments(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		found, err := admin.ListPartitionReassignments(r.Topic, []int32{0})
		return len(found), err
	})
}

func (d driver) acls(line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		found, err := admin.ListAcls(sarama.AclFilter{
			ResourceType: sarama.AclResourceAny, ResourcePatternTypeFilter: sarama.AclPatternAny,
			Operation: sarama.AclOperationAny, PermissionType: sarama.AclPermissionAny})
		return len(found), err
	})
}

func sorted(set map[int32]bool) []int32 {
	found := make([]int32, 0, len(set))
	for one := range set {
		found = append(found, one)
	}
	sort.Slice(found, func(i, j int) bool { return found[i] < found[j] })
	return found
}

// reporter is the program's side of a Sarama group: a session per generation, a goroutine per partition.
type reporter struct {
	topic string
	lock  sync.Mutex
}

func (m *reporter) Setup(session sarama.ConsumerGroupSession) error {
	line.Assigned(session.Claims()[m.topic], session.GenerationID())
	return nil
}

func (m *reporter) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// Commit gives no answer, so no commit is reported as acknowledged.
func (m *reporter) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case one, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.lock.Lock()
			line.Read(map[int32][]int64{one.Partition: {one.Offset}})
			session.MarkMessage(one, "")
			if len(claim.Messages()) == 0 {
				session.Commit()
			}
			m.lock.Unlock()
		case <-session.Context().Done():
			return nil
		}
	}
}

func member(ctx context.Context, bootstrap string, settings line.Member) error {
	with := config()
	with.Consumer.Offsets.Initial = sarama.OffsetOldest
	if settings.Reset == "latest" {
		with.Consumer.Offsets.Initial = sarama.OffsetNewest
	}
	with.Consumer.Offsets.AutoCommit.Enable = false
	with.Consumer.Group.Session.Timeout = settings.Session()
	with.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	with.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	// How long it bears a broker that does not answer before it gives up its membership: the default is 3 × 250 ms.
	with.Metadata.Retry.Max = 100
	group, err := sarama.NewConsumerGroup([]string{bootstrap}, settings.Group, with)
	if err != nil {
		return err
	}
	go func() {
		for err := range group.Errors() {
			line.Say("group: %v", err)
		}
	}()
	handler := &reporter{topic: settings.Topic}
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{settings.Topic}, handler); err != nil {
			line.Say("consume: %v", err)
			time.Sleep(100 * time.Millisecond)
		}
	}
	return group.Close()
}
