// Clients of Go on listeners with TLS and logins: cases in and answers out, as python/drivers/session.py has them.
//
//	session LIBRARY <cases >answers
//
// The mechanism TOKEN of franz-go is SCRAM-SHA-256 by a delegation token: its id is the user, its HMAC the password. Its step `delegate`
// makes one.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

const records = 20

// asked is a case.
type asked struct {
	Case, Bootstrap, Protocol, Topic, Group string
	Steps                                   []string
	Patience, Duration                      int
	CA, Cert, Key                           string
	Mechanism, User, Password, Token        string
}

// client is a library's way to do the steps.
type client interface {
	create(context.Context) error
	produce(context.Context) error
	// consume reads all records in the group and commits.
	consume(context.Context) ([][]byte, error)
	traffic(context.Context, *traffic) error
}

// delegator makes a delegation token: its id, and its HMAC in Base64.
type delegator interface {
	delegate(context.Context) ([]string, error)
}

var libraries = map[string]func(asked) (client, error){
	"franz-go": newFranz, "kafka-go": newSegmentio, "sarama-handshake-0": newSarama(0), "sarama-handshake-1": newSarama(1),
}

// value is a record; the last one is longer than TLS takes at a time.
func value(number int) []byte {
	if number == records-1 {
		return make([]byte, 300_000)
	}
	return fmt.Appendf(nil, "record %d", number)
}

func (a asked) encrypted() bool { return strings.HasSuffix(a.Protocol, "SSL") }

// secrets are the settings of TLS; nil on a listener without.
func (a asked) secrets() (*tls.Config, error) {
	if !a.encrypted() {
		return nil, nil
	}
	pem, err := os.ReadFile(a.CA)
	if err != nil {
		return nil, err
	}
	settings := &tls.Config{RootCAs: x509.NewCertPool()}
	if !settings.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("no authority in " + a.CA)
	}
	if a.Cert != "" {
		own, err := tls.LoadX509KeyPair(a.Cert, a.Key)
		if err != nil {
			return nil, err
		}
		settings.Certificates = []tls.Certificate{own}
	}
	return settings, nil
}

func (a asked) bearer() (string, error) {
	token, err := os.ReadFile(a.Token)
	return string(token), err
}

func (a asked) run(library string) map[string]any {
	answer := map[string]any{"case": a.Case}
	began, step := time.Now(), "start"
	err := func() error {
		one, err := libraries[library](a)
		if err != nil {
			return err
		}
		for _, step = range a.Steps {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(a.Patience)*time.Second)
			defer cancel()
			switch step {
			case "create":
				err = one.create(ctx)
			case "produce":
				err = one.produce(ctx)
			case "delegate":
				answer["read"], err = one.(delegator).delegate(ctx)
			case "traffic":
				flow := newTraffic(a)
				err = one.traffic(ctx, flow)
				flow.answer(answer)
			default:
				var read [][]byte
				read, err = one.consume(ctx)
				answer["read"] = shown(read)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}()
	if err != nil {
		answer = map[string]any{"case": a.Case, "error": err.Error(), "step": step}
	}
	answer["seconds"] = time.Since(began).Seconds()
	return answer
}

func shown(read [][]byte) []string {
	var texts []string
	for _, value := range read {
		if len(value) > 100 {
			texts = append(texts, fmt.Sprintf("%d bytes", len(value)))
		} else {
			texts = append(texts, string(value))
		}
	}
	sort.Strings(texts)
	return texts
}

func main() {
	var running sync.WaitGroup
	var lock sync.Mutex
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var one asked
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			panic(err)
		}
		running.Go(func() {
			answer := one.run(os.Args[1])
			lock.Lock()
			defer lock.Unlock()
			if err := out.Encode(answer); err != nil {
				panic(err)
			}
		})
	}
	running.Wait()
}
