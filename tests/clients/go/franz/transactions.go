package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/tests/clients/go/line"
)

// transactions are the calls of one transactional producer; init makes it.
type transactions struct {
	driver
	client *kgo.Client
}

func (t *transactions) operations() map[string]line.Operation {
	return map[string]line.Operation{
		"init_transactions": t.init, "begin_transaction": t.begin, "send_in_transaction": t.send,
		"commit_transaction": t.end(kgo.TryCommit), "abort_transaction": t.end(kgo.TryAbort), "copy": t.copy, "read_values": t.readValues,
	}
}

func patiently() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 30*time.Second)
}

func (t *transactions) init(r line.Request) (any, error) {
	timeout := time.Duration(r.TimeoutMs) * time.Millisecond
	if timeout == 0 {
		timeout = time.Minute
	}
	client, err := t.driver.client(kgo.TransactionalID(r.ID), kgo.TransactionTimeout(timeout), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return nil, err
	}
	t.client = client
	ctx, cancel := patiently()
	defer cancel()
	// As Java's initTransactions: the id is taken before the first record.
	_, _, err = client.ProducerID(ctx)
	return nil, err
}

func (t *transactions) begin(line.Request) (any, error) { return nil, t.client.BeginTransaction() }

func (t *transactions) send(r line.Request) (any, error) {
	ctx, cancel := patiently()
	defer cancel()
	records := []*kgo.Record{}
	for _, value := range r.Values {
		records = append(records, &kgo.Record{Topic: r.Topic, Partition: r.Partition, Value: []byte(value)})
	}
	return nil, t.client.ProduceSync(ctx, records...).FirstErr()
}

func (t *transactions) end(try kgo.TransactionEndTry) line.Operation {
	return func(line.Request) (any, error) {
		ctx, cancel := patiently()
		defer cancel()
		return nil, t.client.EndTransaction(ctx, try)
	}
}

// copy reads a topic as a member of a group and writes it to another one, a transaction for each poll, until it has read that many.
func (t *transactions) copy(r line.Request) (any, error) {
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(t.bootstrap), kgo.TransactionalID(r.ID), kgo.ConsumerGroup(r.Group),
		kgo.ConsumeTopics(r.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(100*time.Millisecond), kgo.DefaultProduceTopic(r.Target))
	if err != nil {
		return nil, err
	}
	defer session.Close()
	ctx, cancel := context.WithTimeout(context.Background(), r.Patience())
	defer cancel()
	copied := 0
	for copied < r.Total {
		fetches := session.PollRecords(ctx, 10)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		if err := session.Begin(); err != nil {
			return nil, err
		}
		first := kgo.AbortingFirstErrPromise(session.Client())
		count := 0
		fetches.EachRecord(func(one *kgo.Record) {
			count++
			session.Produce(ctx, &kgo.Record{Value: one.Value}, first.Promise())
		})
		committed, err := session.End(ctx, first.Err() == nil)
		if err != nil {
			return nil, err
		}
		if committed {
			copied += count
		}
	}
	return copied, nil
}

// readValues answers with the values of partition 0 up to the end that a consumer of that isolation level knows.
func (t *transactions) readValues(r line.Request) (any, error) {
	level := kgo.ReadUncommitted()
	if r.Isolation == "read_committed" {
		level = kgo.ReadCommitted()
	}
	// Markers are kept, as they are at the end of most logs.
	client, err := t.driver.client(kgo.FetchIsolationLevel(level), kgo.FetchMaxWait(50*time.Millisecond), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.Topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), r.Patience())
	defer cancel()
	end, err := endOf(ctx, client, r)
	if err != nil {
		return nil, err
	}
	values, next := []string{}, int64(0)
	for next < end {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(one *kgo.Record) {
			next = one.Offset + 1
			if !one.Attrs.IsControl() {
				values = append(values, string(one.Value))
			}
		})
	}
	return values, nil
}

// endOf is the end of partition 0 as readers of that isolation level see it.
func endOf(ctx context.Context, client *kgo.Client, r line.Request) (int64, error) {
	admin := kadm.NewClient(client)
	list := admin.ListEndOffsets
	if r.Isolation == "read_committed" {
		list = admin.ListCommittedOffsets
	}
	found, err := list(ctx, r.Topic)
	if err != nil {
		return 0, err
	}
	one, _ := found.Lookup(r.Topic, 0)
	return one.Offset, one.Err
}
