// Copier copies one topic to another exactly once with franz-go's GroupTransactSession: Kafka's TransactionalMessageCopier in group
// mode. It takes the same options. Each record keeps its partition; the offsets go with the records. With -enable-random-aborts one
// transaction in three is aborted and copied again. It runs until it is killed, or ends with 1 after an error that it cannot mend.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	brokers = flag.String("broker-list", "localhost:9092", "a broker's host and port")
	input   = flag.String("input-topic", "", "read from this topic")
	output  = flag.String("output-topic", "", "write to this topic")
	group   = flag.String("consumer-group", "", "the group, in which offsets are kept")
	id      = flag.String("transactional-id", "", "the producer's transactional id")
	size    = flag.Int("transaction-size", 200, "records in a transaction")
	timeout = flag.Int("transaction-timeout", 60_000, "of transactions, in ms")
	aborts  = flag.Bool("enable-random-aborts", false, "abort one transaction in three")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(*brokers), kgo.TransactionalID(*id), kgo.TransactionTimeout(time.Duration(*timeout)*time.Millisecond),
		kgo.ConsumerGroup(*group), kgo.ConsumeTopics(*input), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(time.Second),
		kgo.DefaultProduceTopic(*output), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		// Its default bears an absence of the broker of a few seconds.
		kgo.RequestRetries(1_000), kgo.RetryTimeout(2*time.Minute))
	if err != nil {
		return err
	}
	ctx := context.Background()
	for {
		// An error of a poll concerns a partition or a broker that is away; the client goes on by itself.
		fetches := session.PollRecords(ctx, *size)
		if fetches.IsClientClosed() {
			return errors.New("the client is closed")
		}
		if fetches.NumRecords() == 0 {
			continue
		}
		if err := transact(ctx, session, fetches); err != nil {
			return err
		}
	}
}

// transact copies what was polled. After an abort the session itself goes back to what is committed.
func transact(ctx context.Context, session *kgo.GroupTransactSession, fetches kgo.Fetches) error {
	if err := session.Begin(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	first := kgo.AbortingFirstErrPromise(session.Client())
	fetches.EachRecord(func(one *kgo.Record) {
		session.Produce(ctx, &kgo.Record{Key: one.Key, Value: one.Value, Partition: one.Partition}, first.Promise())
	})
	sent := first.Err()
	if sent != nil {
		fmt.Fprintln(os.Stderr, "produce:", sent)
	}
	commit := sent == nil && !(*aborts && rand.IntN(3) == 0)
	// An error of End is final, by its documentation: the id has failed, or the client has tried too often.
	if _, err := session.End(ctx, kgo.TransactionEndTry(commit)); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	return nil
}
