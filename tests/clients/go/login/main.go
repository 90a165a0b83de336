// Logs in by SASL with franz-go, writes records and reads them as a member of a group; prints one line of JSON, as
// python/drivers/login.py does.
//
//	login BOOTSTRAP MECHANISM USER PASSWORD TOPIC
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const (
	records  = 20
	patience = 60 * time.Second
)

func mechanism(name, user, password string) sasl.Mechanism {
	switch name {
	case "PLAIN":
		return plain.Auth{User: user, Pass: password}.AsMechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism()
	default:
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
	}
}

func run(bootstrap, topic string, login sasl.Mechanism) ([]string, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.SASL(login), kgo.ConsumerGroup("group-"+topic), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// Without it a wrong password is an error that producing retries.
	if err := client.Ping(ctx); err != nil {
		return nil, err
	}
	for number := range records {
		record := &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, "record %d", number)}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return nil, err
		}
	}
	var read []string
	for len(read) < records {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(record *kgo.Record) { read = append(read, string(record.Value)) })
	}
	sort.Strings(read)
	return read, client.CommitUncommittedOffsets(ctx)
}

func main() {
	bootstrap, name, user, password, topic := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	began := time.Now()
	read, err := run(bootstrap, topic, mechanism(name, user, password))
	answer := map[string]any{"read": read}
	if err != nil {
		answer = map[string]any{"error": err.Error(), "seconds": time.Since(began).Seconds()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		panic(err)
	}
}
