package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Between two records; and besides, before what failed is sent again.
const every, backoff = 70 * time.Millisecond, 130 * time.Millisecond

// traffic is the step of that name: one producer and one consumer of a group that work side by side. python/drivers/traffic.py tells how,
// and what is answered.
type traffic struct {
	duration, patience time.Duration

	lock sync.Mutex
	// The traffic begins when the first record is acknowledged, which must be soon.
	until   time.Time
	written bool
	sent    int
	read    []int
	seen    map[int]bool
	errors  []string
	again   []int
}

func newTraffic(a asked) *traffic {
	t := &traffic{duration: time.Duration(a.Duration) * time.Second, patience: time.Duration(a.Patience) * time.Second}
	t.until = time.Now().Add(t.patience)
	t.seen, t.read, t.errors, t.again = map[int]bool{}, []int{}, []string{}, []int{}
	return t
}

func (t *traffic) failed(which string, err error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.errors = append(t.errors, fmt.Sprintf("%s: %v", which, err))
}

func (t *traffic) take(value []byte) {
	number, err := strconv.Atoi(string(value))
	if err != nil {
		panic(err)
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	t.read = append(t.read, number)
	t.seen[number] = true
}

// readsOn is true until everything that was acknowledged is read, or it is late.
func (t *traffic) readsOn() bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	return time.Now().Before(t.until.Add(t.patience)) && (!t.written || len(t.seen) < t.sent)
}

// next takes the acknowledgement of a record; false ends the writing.
func (t *traffic) next() bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.sent == 0 {
		t.until = time.Now().Add(t.duration)
	}
	t.sent++
	t.written = time.Now().After(t.until)
	return !t.written
}

// write sends as long as the traffic lasts; send returns once the record is acknowledged.
func (t *traffic) write(ctx context.Context, send func(context.Context, []byte) error) {
	for number := 0; ; time.Sleep(every) {
		err := send(ctx, []byte(strconv.Itoa(number)))
		if err == nil {
			number++
			if !t.next() {
				return
			}
			continue
		}
		t.failed("producer", err)
		if ctx.Err() != nil {
			return
		}
		t.lock.Lock()
		t.again = append(t.again, number)
		t.lock.Unlock()
		time.Sleep(backoff)
	}
}

// run writes by send and reads by poll, which hands each value to take; its context ends when there is nothing more to read.
func (t *traffic) run(send func(context.Context, []byte) error, poll func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for t.readsOn() {
			time.Sleep(backoff)
		}
	}()
	var writing sync.WaitGroup
	writing.Go(func() { t.write(ctx, send) })
	for ctx.Err() == nil {
		if err := poll(ctx); err != nil && ctx.Err() == nil {
			t.failed("consumer", err)
			time.Sleep(backoff)
		}
	}
	writing.Wait()
}

func (t *traffic) answer(into map[string]any) {
	into["sent"], into["read"], into["errors"], into["again"] = t.sent, t.read, t.errors, t.again
}
