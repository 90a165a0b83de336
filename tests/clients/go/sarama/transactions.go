package main

import (
	"errors"
	"time"

	"github.com/IBM/sarama"

	"ottla/tests/clients/go/line"
)

// transactions are the calls of one transactional producer; init makes it.
type transactions struct {
	driver
	producer sarama.SyncProducer
}

func (t *transactions) operations() map[string]line.Operation {
	return map[string]line.Operation{
		"init_transactions": t.init, "send_in_transaction": t.send, "send_offsets": t.sendOffsets, "read_values": t.readValues,
		"begin_transaction":  func(line.Request) (any, error) { return nil, t.producer.BeginTxn() },
		"commit_transaction": func(line.Request) (any, error) { return nil, t.producer.CommitTxn() },
		"abort_transaction":  func(line.Request) (any, error) { return nil, t.producer.AbortTxn() },
	}
}

func (t *transactions) init(r line.Request) (any, error) {
	settings := config()
	settings.Producer.Return.Successes = true
	settings.Producer.Partitioner = sarama.NewManualPartitioner
	settings.Producer.RequiredAcks = sarama.WaitForAll
	settings.Producer.Idempotent = true
	settings.Net.MaxOpenRequests = 1
	settings.Producer.Transaction.ID = r.ID
	if r.TimeoutMs != 0 {
		settings.Producer.Transaction.Timeout = time.Duration(r.TimeoutMs) * time.Millisecond
	}
	// How long it bears a broker that does not answer: the default is 3 × 100 ms.
	settings.Producer.Retry.Max = 100
	producer, err := sarama.NewSyncProducer([]string{t.bootstrap}, settings)
	t.producer = producer
	return nil, err
}

func (t *transactions) send(r line.Request) (any, error) {
	messages := []*sarama.ProducerMessage{}
	for _, value := range r.Values {
		messages = append(messages, &sarama.ProducerMessage{Topic: r.Topic, Partition: r.Partition, Value: sarama.StringEncoder(value)})
	}
	err := t.producer.SendMessages(messages)
	var failed sarama.ProducerErrors
	if errors.As(err, &failed) {
		return nil, failed[0].Err
	}
	return nil, err
}

// sendOffsets is about partition 0, and a group with which only this producer has to do. Sarama sends them when it commits.
func (t *transactions) sendOffsets(r line.Request) (any, error) {
	offset := &sarama.PartitionOffsetMetadata{Partition: 0, Offset: r.Offset, LeaderEpoch: -1}
	return nil, t.producer.AddOffsetsToTxn(map[string][]*sarama.PartitionOffsetMetadata{r.Topic: {offset}}, r.Group)
}

// quiet is how long nothing has to come until readValues takes that for the end: Sarama is not told of markers and aborted records, so
// that offsets do not tell it.
const quiet = time.Second

// readValues answers with the values of partition 0 up to the end that a consumer of that isolation level knows.
func (t *transactions) readValues(r line.Request) (any, error) {
	settings := config()
	if r.Isolation == "read_committed" {
		settings.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	consumer, err := sarama.NewConsumer([]string{t.bootstrap}, settings)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	from, err := consumer.ConsumePartition(r.Topic, 0, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	// The first answer to a fetch tells the high watermark; every topic here has records.
	for start := time.Now(); from.HighWaterMarkOffset() == 0 && time.Since(start) < r.Patience(); {
		time.Sleep(10 * time.Millisecond)
	}
	values := []string{}
	for {
		select {
		case one := <-from.Messages():
			values = append(values, string(one.Value))
		case failed := <-from.Errors():
			return nil, failed.Err
		case <-time.After(quiet):
			return values, nil
		}
	}
}
