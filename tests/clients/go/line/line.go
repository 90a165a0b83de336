// Package line is the drivers' side of the conversation: requests in, answers out, one line of JSON each
// (python/drivers/lines.py has the same for Python). It knows no Kafka library.
package line

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"sync"
	"time"
)

// Settle is how long a producer without acknowledgements stays before it closes: some close the socket on bytes not yet sent.
const Settle = 300 * time.Millisecond

// ErrNoCall is answered where a library has no call for what was asked.
var ErrNoCall = errors.New("this library has no call for it")

// Header is a pair [name, value]; the value may be null.
type Header struct {
	Name  string
	Value []byte
}

func (h Header) MarshalJSON() ([]byte, error) { return json.Marshal([2]any{h.Name, h.Value}) }

func (h *Header) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[2]any{&h.Name, &h.Value})
}

// Record travels with bytes in base64; null and empty are told apart.
type Record struct {
	Partition     int32    `json:"partition"`
	Offset        int64    `json:"offset"`
	Key           []byte   `json:"key"`
	Value         []byte   `json:"value"`
	Headers       []Header `json:"headers"`
	Timestamp     int64    `json:"timestamp"`
	TimestampType *int     `json:"timestamp_type"`
}

// Time is the record's timestamp as the libraries want it.
func (r Record) Time() time.Time { return time.UnixMilli(r.Timestamp).UTC() }

// Request holds the arguments of every operation; each reads those it has.
type Request struct {
	Op         string            `json:"op"`
	Topic      string            `json:"topic"`
	Partition  int32             `json:"partition"`
	Partitions int               `json:"partitions"`
	Total      int               `json:"total"`
	Codec      string            `json:"codec"`
	Acks       string            `json:"acks"`
	Idempotent bool              `json:"idempotent"`
	LingerMs   *int              `json:"linger_ms"`
	Records    []Record          `json:"records"`
	Counts     map[int32]int     `json:"counts"`
	Timeout    float64           `json:"timeout"`
	To         []int64           `json:"to"`
	Timestamps []int64           `json:"timestamps"`
	Group      string            `json:"group"`
	Offset     int64             `json:"offset"`
	Metadata   string            `json:"metadata"`
	Configs    map[string]string `json:"configs"`
	Key        string            `json:"key"`
	Value      string            `json:"value"`
	Before     int64             `json:"before"`
	Kind       string            `json:"kind"` // whose configs: "broker", or else a topic's
	Replicas   []int32           `json:"replicas"`
	Instance   string            `json:"instance"`
	State      string            `json:"state"`
	Type       string            `json:"type"`
	Feature    string            `json:"feature"`
	Level      int16             `json:"level"`
	ID         string            `json:"id"`
	TimeoutMs  int               `json:"timeout_ms"`
	Values     []string          `json:"values"`
	Isolation  string            `json:"isolation"`
	Target     string            `json:"target"`
}

// Left counts the records of each partition that are still to be read.
type Left map[int32]int

// Left is a count of its own of what the request asks for.
func (r Request) Left() Left { return maps.Clone(Left(r.Counts)) }

// Take notes one record and tells whether more are to come.
func (l Left) Take(partition int32) bool {
	l[partition]--
	return !l.Done()
}

// Done tells whether all have been read.
func (l Left) Done() bool {
	for _, count := range l {
		if count > 0 {
			return false
		}
	}
	return true
}

// Linger is how long a producer may gather records.
func (r Request) Linger() time.Duration {
	if r.LingerMs == nil {
		return 20 * time.Millisecond
	}
	return time.Duration(*r.LingerMs) * time.Millisecond
}

// Patience is how long a read may take.
func (r Request) Patience() time.Duration { return time.Duration(r.Timeout * float64(time.Second)) }

// Member is what a group member is told.
type Member struct {
	Group     string `json:"group"`
	Topic     string `json:"topic"`
	SessionMs int    `json:"session_ms"`
	Reset     string `json:"reset"` // "latest", or else earliest
}

// Session is the member's session timeout.
func (m Member) Session() time.Duration { return time.Duration(m.SessionMs) * time.Millisecond }

var out sync.Mutex

// Emit prints one message.
func Emit(message map[string]any) {
	text, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	out.Lock()
	defer out.Unlock()
	os.Stdout.Write(append(text, '\n'))
}

// Assigned tells which partitions the member owns now.
func Assigned(partitions []int32, generation int32) {
	if partitions == nil {
		partitions = []int32{}
	}
	Emit(map[string]any{"event": "assigned", "partitions": partitions, "generation": generation})
}

// Read tells which offsets the program was handed.
func Read(offsets map[int32][]int64) { Emit(map[string]any{"event": "read", "offsets": offsets}) }

// Committed tells the next offsets that the broker acknowledged.
func Committed(offsets map[int32]int64) {
	Emit(map[string]any{"event": "committed", "offsets": offsets})
}

// Say writes to stderr, which the tests show if something fails.
func Say(format string, words ...any) { fmt.Fprintf(os.Stderr, format+"\n", words...) }

// Operation answers one request.
type Operation func(Request) (any, error)

// untilEndOfInput is done when stdin ends: the member is to leave then.
func untilEndOfInput() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx
}

// Main runs a driver: DRIVER calls|member BOOTSTRAP SETTINGS. A member leaves its group when its context is done.
func Main(calls func(bootstrap string) map[string]Operation, member func(ctx context.Context, bootstrap string, settings Member) error) {
	mode, bootstrap := os.Args[1], os.Args[2]
	if mode == "member" {
		var settings Member
		if err := json.Unmarshal([]byte(os.Args[3]), &settings); err != nil {
			panic(err)
		}
		if err := member(untilEndOfInput(), bootstrap, settings); err != nil {
			Emit(map[string]any{"error": err.Error()})
			os.Exit(1)
		}
		return
	}
	operations := calls(bootstrap)
	in := bufio.NewReader(os.Stdin)
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var request Request
		if err := json.Unmarshal(text, &request); err != nil {
			panic(err)
		}
		Emit(answer(operations, request))
	}
}

func answer(operations map[string]Operation, request Request) map[string]any {
	operation, known := operations[request.Op]
	if !known {
		return map[string]any{"error": fmt.Sprintf("%T: %s: %v", ErrNoCall, request.Op, ErrNoCall)}
	}
	value, err := operation(request)
	if err != nil {
		Say("%s: %v", request.Op, err)
		return map[string]any{"error": fmt.Sprintf("%T: %v", err, err)}
	}
	return map[string]any{"ok": value}
}
