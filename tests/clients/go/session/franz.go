package main

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

type franz struct {
	asked
	options []kgo.Opt
}

func franzMechanism(a asked) sasl.Mechanism {
	switch a.Mechanism {
	case "PLAIN":
		return plain.Auth{User: a.User, Pass: a.Password}.AsMechanism()
	case "OAUTHBEARER":
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			token, err := a.bearer()
			return oauth.Auth{Token: token}, err
		})
	case "TOKEN":
		return scram.Auth{User: a.User, Pass: a.Password, IsToken: true}.AsSha256Mechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: a.User, Pass: a.Password}.AsSha256Mechanism()
	default:
		return scram.Auth{User: a.User, Pass: a.Password}.AsSha512Mechanism()
	}
}

func newFranz(a asked) (client, error) {
	options := []kgo.Opt{kgo.SeedBrokers(a.Bootstrap)}
	secrets, err := a.secrets()
	if err != nil {
		return nil, err
	}
	if secrets != nil {
		options = append(options, kgo.DialTLSConfig(secrets))
	}
	if a.Mechanism != "" {
		options = append(options, kgo.SASL(franzMechanism(a)))
	}
	return franz{a, options}, nil
}

// connected is a client that has reached the broker: without Ping an error of the connection is one that producing retries.
func (f franz) connected(ctx context.Context, more ...kgo.Opt) (*kgo.Client, error) {
	client, err := kgo.NewClient(append(f.options, more...)...)
	if err != nil {
		return nil, err
	}
	if err := client.Ping(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

func (f franz) create(ctx context.Context) error {
	client, err := f.connected(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = kadm.NewClient(client).CreateTopic(ctx, 1, 1, nil, f.Topic)
	return err
}

func (f franz) delegate(ctx context.Context) ([]string, error) {
	client, err := f.connected(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	token, err := kadm.NewClient(client).CreateDelegationToken(ctx, kadm.CreateDelegationToken{MaxLifetime: -1})
	return []string{token.TokenID, base64.StdEncoding.EncodeToString(token.HMAC)}, err
}

func (f franz) produce(ctx context.Context) error {
	client, err := f.connected(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	for number := range records {
		record := &kgo.Record{Topic: f.Topic, Value: value(number)}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

func (f franz) consume(ctx context.Context) ([][]byte, error) {
	client, err := f.connected(ctx, kgo.ConsumerGroup(f.Group), kgo.ConsumeTopics(f.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var read [][]byte
	for len(read) < records {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("after %d records: %w", len(read), err)
		}
		fetches.EachRecord(func(record *kgo.Record) { read = append(read, record.Value) })
	}
	return read, client.CommitUncommittedOffsets(ctx)
}

func (f franz) traffic(ctx context.Context, flow *traffic) error {
	producer, err := f.connected(ctx)
	if err != nil {
		return err
	}
	defer producer.Close()
	consumer, err := f.connected(ctx, kgo.ConsumerGroup(f.Group), kgo.ConsumeTopics(f.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer consumer.Close()
	flow.run(func(ctx context.Context, value []byte) error {
		return producer.ProduceSync(ctx, &kgo.Record{Topic: f.Topic, Value: value}).FirstErr()
	}, func(ctx context.Context) error {
		fetches := consumer.PollFetches(ctx)
		fetches.EachRecord(func(record *kgo.Record) { flow.take(record.Value) })
		return fetches.Err()
	})
	return nil
}
