package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// bearer is what kafka-go leaves to its users: a login by OAUTHBEARER (RFC 7628).
type bearer struct{ asked }

func (bearer) Name() string { return "OAUTHBEARER" }

func (b bearer) Start(context.Context) (sasl.StateMachine, []byte, error) {
	token, err := b.asked.bearer()
	return b, []byte("n,,\x01auth=Bearer " + token + "\x01\x01"), err
}

// Next ends the login: an answer that has anything in it tells of an error, and the broker waits for this byte.
func (bearer) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	if len(challenge) == 0 {
		return true, nil, nil
	}
	return false, []byte{1}, nil
}

type segmentio struct {
	asked
	secrets   *tls.Config
	mechanism sasl.Mechanism
}

func newSegmentio(a asked) (client, error) {
	secrets, err := a.secrets()
	if err != nil {
		return nil, err
	}
	one := segmentio{asked: a, secrets: secrets}
	switch a.Mechanism {
	case "":
	case "PLAIN":
		one.mechanism = plain.Mechanism{Username: a.User, Password: a.Password}
	case "OAUTHBEARER":
		one.mechanism = bearer{a}
	case "SCRAM-SHA-256":
		one.mechanism, err = scram.Mechanism(scram.SHA256, a.User, a.Password)
	default:
		one.mechanism, err = scram.Mechanism(scram.SHA512, a.User, a.Password)
	}
	return one, err
}

func (s segmentio) transport() *kafka.Transport {
	return &kafka.Transport{TLS: s.secrets, SASL: s.mechanism}
}

func (s segmentio) create(ctx context.Context) error {
	client := &kafka.Client{Addr: kafka.TCP(s.Bootstrap), Transport: s.transport()}
	answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: s.Topic, NumPartitions: 1, ReplicationFactor: 1}},
	})
	if err != nil {
		return err
	}
	return answer.Errors[s.Topic]
}

func (s segmentio) writer() *kafka.Writer {
	return &kafka.Writer{
		Addr: kafka.TCP(s.Bootstrap), Topic: s.Topic, BatchTimeout: time.Millisecond, RequiredAcks: kafka.RequireAll, Transport: s.transport(),
	}
}

func (s segmentio) produce(ctx context.Context) error {
	writer := s.writer()
	defer writer.Close()
	messages := make([]kafka.Message, records)
	for number := range records {
		messages[number].Value = value(number)
	}
	return writer.WriteMessages(ctx, messages...)
}

// reader logs what keeps it from its group, and tries again.
func (s segmentio) reader(log func(string, ...any)) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{s.Bootstrap}, Topic: s.Topic, GroupID: s.Group, StartOffset: kafka.FirstOffset, MaxWait: 100 * time.Millisecond,
		Dialer:      &kafka.Dialer{SASLMechanism: s.mechanism, TLS: s.secrets, Timeout: 10 * time.Second},
		ErrorLogger: kafka.LoggerFunc(log),
	})
}

func (s segmentio) consume(ctx context.Context) ([][]byte, error) {
	var told atomic.Value
	reader := s.reader(func(text string, values ...any) { told.Store(fmt.Sprintf(text, values...)) })
	defer reader.Close()
	var read [][]byte
	for len(read) < records {
		message, err := reader.ReadMessage(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w (logged: %v)", err, told.Load())
		}
		read = append(read, message.Value)
	}
	return read, nil
}

func (s segmentio) traffic(_ context.Context, flow *traffic) error {
	writer := s.writer()
	defer writer.Close()
	reader := s.reader(func(string, ...any) {})
	defer reader.Close()
	flow.run(func(ctx context.Context, value []byte) error {
		return writer.WriteMessages(ctx, kafka.Message{Value: value})
	}, func(ctx context.Context) error {
		message, err := reader.ReadMessage(ctx)
		if err == nil {
			flow.take(message.Value)
		}
		return err
	})
	return nil
}
