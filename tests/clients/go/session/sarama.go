package main

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

// conversation is what Sarama leaves to its users: the client's half of SCRAM.
type conversation struct {
	hash scram.HashGeneratorFcn
	*scram.ClientConversation
}

func (c *conversation) Begin(user, password, authzID string) error {
	client, err := c.hash.NewClient(user, password, authzID)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}

// tokens are that of a file, for Sarama.
func (a asked) tokens() sarama.AccessTokenProvider { return provider{a} }

type provider struct{ asked }

func (p provider) Token() (*sarama.AccessToken, error) {
	token, err := p.bearer()
	return &sarama.AccessToken{Token: token}, err
}

type saramaClient struct {
	asked
	settings *sarama.Config
}

// newSarama logs in by that version of SaslHandshake: after 0 the messages have no header.
func newSarama(handshake int16) func(asked) (client, error) {
	return func(a asked) (client, error) {
		settings := sarama.NewConfig()
		settings.Version = sarama.V2_1_0_0
		settings.Producer.Return.Successes = true
		settings.Producer.RequiredAcks = sarama.WaitForAll
		settings.Consumer.Offsets.Initial = sarama.OffsetOldest
		settings.ApiVersionsRequest = handshake == sarama.SASLHandshakeV1
		secrets, err := a.secrets()
		settings.Net.TLS.Enable, settings.Net.TLS.Config = secrets != nil, secrets
		if a.Mechanism != "" {
			saramaLogin(a, settings, handshake)
		}
		return saramaClient{a, settings}, err
	}
}

func saramaLogin(a asked, settings *sarama.Config, handshake int16) {
	settings.Net.SASL.Enable, settings.Net.SASL.Version = true, handshake
	settings.Net.SASL.Mechanism = sarama.SASLMechanism(a.Mechanism)
	settings.Net.SASL.User, settings.Net.SASL.Password = a.User, a.Password
	hashes := map[string]func() hash.Hash{sarama.SASLTypeSCRAMSHA256: sha256.New, sarama.SASLTypeSCRAMSHA512: sha512.New}
	settings.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &conversation{hash: hashes[a.Mechanism]} }
	settings.Net.SASL.TokenProvider = a.tokens()
}

func (s saramaClient) create(context.Context) error {
	admin, err := sarama.NewClusterAdmin([]string{s.Bootstrap}, s.settings)
	if err != nil {
		return err
	}
	defer admin.Close()
	return admin.CreateTopic(s.Topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false)
}

func (s saramaClient) produce(context.Context) error {
	producer, err := sarama.NewSyncProducer([]string{s.Bootstrap}, s.settings)
	if err != nil {
		return err
	}
	defer producer.Close()
	for number := range records {
		if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: s.Topic, Value: sarama.ByteEncoder(value(number))}); err != nil {
			return err
		}
	}
	return nil
}

var errWhole = errors.New("everything is read")

// handler takes the values of a group's only member.
type handler struct{ read [][]byte }

func (*handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (h *handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		h.read = append(h.read, message.Value)
		session.MarkMessage(message, "")
		if len(h.read) == records {
			session.Commit()
			return errWhole
		}
	}
	return nil
}

func (s saramaClient) consume(ctx context.Context) ([][]byte, error) {
	group, err := sarama.NewConsumerGroup([]string{s.Bootstrap}, s.Group, s.settings)
	if err != nil {
		return nil, err
	}
	defer group.Close()
	taken := &handler{}
	for len(taken.read) < records {
		if err := group.Consume(ctx, []string{s.Topic}, taken); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return taken.read, nil
}

// taker takes the values of a group's only member until it is told to stop.
type taker struct {
	handler
	flow *traffic
}

func (t *taker) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		t.flow.take(message.Value)
		session.MarkMessage(message, "")
	}
	return nil
}

func (s saramaClient) traffic(_ context.Context, flow *traffic) error {
	s.settings.Consumer.Return.Errors = true
	if s.settings.Net.SASL.Version == sarama.SASLHandshakeV1 {
		// Its default, 2.1, has a SaslAuthenticate that does not tell how long a login lasts.
		s.settings.Version = sarama.V2_2_0_0
	}
	producer, err := sarama.NewSyncProducer([]string{s.Bootstrap}, s.settings)
	if err != nil {
		return err
	}
	defer producer.Close()
	group, err := sarama.NewConsumerGroup([]string{s.Bootstrap}, s.Group, s.settings)
	if err != nil {
		return err
	}
	defer group.Close()
	go func() {
		for err := range group.Errors() {
			flow.failed("consumer", err)
		}
	}()
	flow.run(func(_ context.Context, value []byte) error {
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: s.Topic, Value: sarama.ByteEncoder(value)})
		return err
	}, func(ctx context.Context) error {
		return group.Consume(ctx, []string{s.Topic}, &taker{flow: flow})
	})
	return nil
}
