// Drives franz-go (kgo, kadm).
package main

import (
	"context"
	"errors"
	"maps"
	"runtime/debug"
	"sort"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

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

func (d driver) client(more ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(more, kgo.SeedBrokers(d.bootstrap))...)
}

// admin runs one call with a client of its own, for at most 20 seconds.
func (d driver) admin(call func(context.Context, *kadm.Client) (any, error)) (any, error) {
	client, err := d.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return call(ctx, kadm.NewClient(client))
}

func (d driver) versions(line.Request) (any, error) {
	found := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/twmb/franz-go" {
				found["library"] = module.Version
			}
		}
	}
	return found, nil
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func (d driver) produce(r line.Request) (any, error) {
	settings := []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(codecs[r.Codec]),
		kgo.ProducerLinger(r.Linger()), kgo.ProducerBatchMaxBytes(4 << 20), kgo.AllowAutoTopicCreation(),
		kgo.RequiredAcks(map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}[r.Acks]),
	}
	// Idempotent is its default, and possible with acks=all only.
	if r.Acks != "all" {
		settings = append(settings, kgo.DisableIdempotentWrite())
	}
	client, err := d.client(settings...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	records := make([]*kgo.Record, len(r.Records))
	for i, one := range r.Records {
		records[i] = &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: one.Key, Value: one.Value, Timestamp: one.Time()}
		for _, header := range one.Headers {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
	}
	results := client.ProduceSync(ctx, records...)
	if err := results.FirstErr(); err != nil {
		return nil, err
	}
	offsets := make([]any, len(records))
	for i, one := range records {
		if r.Acks != "0" {
			offsets[i] = one.Offset
		}
	}
	if r.Acks == "0" {
		time.Sleep(line.Settle)
	}
	return offsets, nil
}

func (d driver) reader(topic string, at map[int32]kgo.Offset) (*kgo.Client, error) {
	return d.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at}), kgo.FetchMaxWait(100*time.Millisecond))
}

func (d driver) consume(r line.Request) (any, error) {
	from := map[int32]kgo.Offset{}
	for partition := range r.Counts {
		from[partition] = kgo.NewOffset().AtStart()
	}
	client, err := d.reader(r.Topic, from)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), r.Patience())
	defer cancel()
	records, left := []line.Record{}, r.Left()
	for !left.Done() {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
		if ctx.Err() != nil {
			break
		}
		fetches.EachRecord(func(one *kgo.Record) {
			left.Take(one.Partition)
			kind := int(one.Attrs.TimestampType())
			headers := []line.Header{}
			for _, header := range one.Headers {
				headers = append(headers, line.Header{Name: header.Key, Value: header.Value})
			}
			records = append(records, line.Record{
				Partition: one.Partition, Offset: one.Offset, Key: one.Key, Value: one.Value, Headers: headers,
				Timestamp: one.Timestamp.UnixMilli(), TimestampType: &kind})
		})
	}
	return records, nil
}

func (d driver) seek(r line.Request) (any, error) {
	client, err := d.reader(r.Topic, map[int32]kgo.Offset{r.Partition: kgo.NewOffset().AtStart()})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client.PollRecords(ctx, 1)
	seen := []any{}
	for _, offset := range r.To {
		client.SetOffsets(map[string]map[int32]kgo.EpochOffset{r.Topic: {r.Partition: {Epoch: -1, Offset: offset}}})
		got := client.PollRecords(ctx, 1).Records()
		if len(got) == 0 {
			seen = append(seen, nil)
		} else {
			seen = append(seen, got[0].Offset)
		}
	}
	return seen, nil
}

// readAt answers with the offsets of the first records from there on, none if nothing comes in time; a wrong offset is not mended.
func (d driver) readAt(r line.Request) (any, error) {
	client, err := d.client(kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.KeepRetryableFetchErrors(), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.Topic: {r.Partition: kgo.NewOffset().At(r.Offset)}}))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), r.Patience())
	defer cancel()
	fetches := client.PollFetches(ctx)
	if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	offsets := []int64{}
	fetches.EachRecord(func(one *kgo.Record) { offsets = append(offsets, one.Offset) })
	return offsets, nil
}

func (d driver) ends(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		first, err := admin.ListStartOffsets(ctx, r.Topic)
		if err != nil {
			return nil, err
		}
		last, err := admin.ListEndOffsets(ctx, r.Topic)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(first.Error(), last.Error()); err != nil {
			return nil, err
		}
		return []int64{first[r.Topic][r.Partition].Offset, last[r.Topic][r.Partition].Offset}, nil
	})
}

// It answers with the end of the log, and timestamp -1, where there is no record so late.
func (d driver) offsetsForTimes(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found := []any{}
		for _, at := range r.Timestamps {
			listed, err := admin.ListOffsetsAfterMilli(ctx, at, r.Topic)
			if err := errors.Join(err, listed.Error()); err != nil {
				return nil, err
			}
			one := listed[r.Topic][r.Partition]
			if one.Timestamp < 0 {
				found = append(found, nil)
			} else {
				found = append(found, []int64{one.Offset, one.Timestamp})
			}
		}
		return found, nil
	})
}

func (d driver) pause(r line.Request) (any, error) {
	client, err := d.reader(r.Topic, map[int32]kgo.Offset{0: kgo.NewOffset().AtStart(), 1: kgo.NewOffset().AtStart()})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	second := map[string][]int32{r.Topic: {1}}
	client.PauseFetchPartitions(second)
	seen := []any{}
	for range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		partitions := map[int32]bool{}
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(one *kgo.Record) { partitions[one.Partition] = true })
		}
		cancel()
		seen = append(seen, sorted(partitions))
		client.ResumeFetchPartitions(second)
	}
	return seen, nil
}

func (d driver) commit(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: r.Topic, Partition: r.Partition, At: r.Offset, LeaderEpoch: -1, Metadata: r.Metadata})
		if err := admin.CommitAllOffsets(ctx, r.Group, offsets); err != nil {
			return nil, err
		}
		again, err := admin.FetchOffsets(ctx, r.Group)
		if err := errors.Join(err, again.Error()); err != nil {
			return nil, err
		}
		one, _ := again.Lookup(r.Topic, r.Partition)
		return []any{one.At, one.Metadata}, nil
	})
}

func (d driver) listTopics(line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found, err := admin.ListTopics(ctx)
		return found.Names(), err
	})
}

func (d driver) partitionsForTopic(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found, err := admin.ListTopics(ctx, r.Topic)
		if err != nil {
			return nil, err
		}
		return found[r.Topic].Partitions.Numbers(), found[r.Topic].Err
	})
}

func (d driver) createTopic(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		configs := map[string]*string{}
		for name, value := range r.Configs {
			configs[name] = kadm.StringPtr(value)
		}
		_, err := admin.CreateTopic(ctx, int32(r.Partitions), -1, configs, r.Topic)
		return nil, err
	})
}

func (d driver) deleteTopic(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		_, err := admin.DeleteTopic(ctx, r.Topic)
		return nil, err
	})
}

func (d driver) createPartitions(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		update := admin.UpdatePartitions
		if r.Op == "check_partitions" {
			update = admin.ValidateUpdatePartitions
		}
		answers, err := update(ctx, r.Total, r.Topic)
		return nil, errors.Join(err, answers.Error())
	})
}

func (d driver) describeConfigs(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		describe := func() (kadm.ResourceConfigs, error) { return admin.DescribeTopicConfigs(ctx, r.Topic) }
		if r.Kind == "broker" {
			describe = func() (kadm.ResourceConfigs, error) { return admin.DescribeBrokerConfigs(ctx, 1) }
		}
		described, err := describe()
		if err != nil {
			return nil, err
		}
		one, err := described.On(r.Topic, nil)
		if err := errors.Join(err, one.Err); err != nil {
			return nil, err
		}
		found := map[string]*string{}
		for _, config := range one.Configs {
			found[config.Key] = config.Value
		}
		return found, nil
	})
}

func (d driver) listGroups(line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found, err := admin.ListGroups(ctx)
		return found.Groups(), err
	})
}

func (d driver) describeGroup(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found, err := admin.DescribeGroups(ctx, r.Group)
		if err := errors.Join(err, found.Error()); err != nil {
			return nil, err
		}
		return map[string]any{"state": found[r.Group].State, "members": len(found[r.Group].Members)}, nil
	})
}

func (d driver) deleteGroup(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		answer, err := admin.DeleteGroup(ctx, r.Group)
		return nil, errors.Join(err, answer.Err)
	})
}

func (d driver) alterConfig(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		changes := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: r.Key, Value: &r.Value}}
		switch r.Op {
		case "reset_config":
			changes[0] = kadm.AlterConfig{Op: kadm.DeleteConfig, Name: r.Key}
		case "append_config":
			changes[0].Op = kadm.AppendConfig
		case "subtract_config":
			changes[0].Op = kadm.SubtractConfig
		case "check_config":
			return altered(admin.ValidateAlterTopicConfigs(ctx, changes, r.Topic))
		}
		if r.Kind == "broker" {
			return altered(admin.AlterBrokerConfigs(ctx, changes, 1))
		}
		return altered(admin.AlterTopicConfigs(ctx, changes, r.Topic))
	})
}

func (d driver) deleteRecords(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		before := kadm.Offsets{}
		before.Add(kadm.Offset{Topic: r.Topic, Partition: r.Partition, At: r.Before})
		answers, err := admin.DeleteRecords(ctx, before)
		if err := errors.Join(err, answers.Error()); err != nil {
			return nil, err
		}
		return answers[r.Topic][r.Partition].LowWatermark, nil
	})
}

func (d driver) logDirs(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		wanted := kadm.TopicsSet{}
		wanted.Add(r.Topic, 0)
		answers, err := admin.DescribeAllLogDirs(ctx, wanted)
		sizes := []int64{}
		answers.Each(func(one kadm.DescribedLogDir) {
			err = errors.Join(err, one.Err)
			one.Topics.Each(func(partition kadm.DescribedLogDirPartition) { sizes = append(sizes, partition.Size) })
		})
		return sizes, err
	})
}

func (d driver) describeCluster(line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found, err := admin.BrokerMetadata(ctx)
		return len(found.Brokers), err
	})
}

func (d driver) electLeaders(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		wanted := kadm.TopicsSet{}
		wanted.Add(r.Topic, r.Partition)
		answers, err := admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, wanted)
		return nil, errors.Join(err, answers[r.Topic][r.Partition].Err)
	})
}

func (d driver) deleteOffsets(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		wanted := kadm.TopicsSet{}
		wanted.Add(r.Topic, r.Partition)
		answers, err := admin.DeleteOffsets(ctx, r.Group, wanted)
		return nil, errors.Join(err, answers[r.Topic][r.Partition])
	})
}

func (d driver) reassignments(line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found, err := admin.ListPartitionReassignments(ctx, nil)
		return len(found), err
	})
}

func (d driver) acls(line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		everything := kadm.NewACLs().AnyResource().Allow().AllowHosts().Deny().DenyHosts().Operations(kadm.OpAny).ResourcePatternType(kadm.ACLPatternAny)
		answers, err := admin.DescribeACLs(ctx, everything)
		found := 0
		for _, one := range answers {
			err = errors.Join(err, one.Err)
			found += len(one.Described)
		}
		return found, err
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

func member(ctx context.Context, bootstrap string, settings line.Member) error {
	var lock sync.Mutex
	owned := map[int32]bool{}
	given := func(_ context.Context, client *kgo.Client, added map[string][]int32) {
		lock.Lock()
		defer lock.Unlock()
		for _, partition := range added[settings.Topic] {
			owned[partition] = true
		}
		_, generation := client.GroupMetadata()
		line.Assigned(sorted(owned), generation)
	}
	// Its default assignor is cooperative: what it is given is only what is new.
	taken := func(_ context.Context, _ *kgo.Client, removed map[string][]int32) {
		lock.Lock()
		defer lock.Unlock()
		for _, partition := range removed[settings.Topic] {
			delete(owned, partition)
		}
	}
	begin := kgo.NewOffset().AtStart()
	if settings.Reset == "latest" {
		begin = kgo.NewOffset().AtEnd()
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(settings.Group), kgo.ConsumeTopics(settings.Topic),
		kgo.ConsumeResetOffset(begin), kgo.SessionTimeout(settings.Session()),
		kgo.HeartbeatInterval(500*time.Millisecond), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(given), kgo.OnPartitionsRevoked(taken), kgo.OnPartitionsLost(taken))
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance()
	for ctx.Err() == nil {
		fetches := client.PollRecords(ctx, 50)
		fetches.EachError(func(_ string, _ int32, err error) { line.Say("poll: %v", err) })
		records := fetches.Records()
		if len(records) > 0 {
			read, next := map[int32][]int64{}, map[int32]int64{}
			for _, one := range records {
				read[one.Partition] = append(read[one.Partition], one.Offset)
				next[one.Partition] = one.Offset + 1
			}
			line.Read(read)
			if err := client.CommitRecords(ctx, records...); err != nil {
				line.Say("commit: %v", err)
			} else {
				line.Committed(next)
			}
		}
		client.AllowRebalance()
	}
	return nil
}
