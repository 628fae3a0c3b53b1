package ipc

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// queueItem is what the processes below put: the i-th item of a producer.
type queueItem struct {
	Producer, I int
	Body        []byte
}

// queueItemsEach bounds how many items one producer puts.
const queueItemsEach = 1500

// Marks, one for each item: how far it has come. They lie in an Array that all processes have open.
const (
	itemSeen = 1
	itemDone = 2
	itemBad  = 3 // seen again after it was done
)

// The helper is a producer or a consumer.
//
// args: queue, marks, acknowledged, role, producer, seed, items at most, step at which to die (0: never).
var _ = addHelper("queueparty", func(args []string) {
	num := func(i int) int {
		n, err := strconv.Atoi(args[i])
		if err != nil {
			panic(err)
		}
		return n
	}
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	q, err := OpenQueue[queueItem](Handle{File: args[0]})
	must(err)
	marks, err := OpenArray[uint32](Handle{File: args[1]})
	must(err)
	acked, err := OpenArray[uint32](Handle{File: args[2]})
	must(err)
	role, me, limit := args[3], num(4), num(6)
	rnd := rand.New(rand.NewPCG(uint64(num(5)), 2))
	ctx := context.Background()
	dieAtStep(args[7])
	switch role {
	case "put":
		for i := range limit {
			n := 10 + rnd.IntN(30000)
			if rnd.IntN(3) > 0 && limit == queueItemsEach {
				n = rnd.IntN(100)
			}
			must(q.Put(ctx, queueItem{me, i, testBytes(i, n)}))
			AtomicAt(acked, me).Store(uint32(i + 1))
		}
	case "get":
		for range limit {
			item, err := q.Get(ctx)
			if errors.Is(err, ErrClosed) {
				return
			}
			must(err)
			markItem(marks, item, itemDone)
		}
	case "lease":
		for range limit {
			l, err := q.Lease(ctx)
			if errors.Is(err, ErrClosed) {
				return
			}
			must(err)
			markItem(marks, l.Value, itemSeen)
			if rnd.IntN(4) == 0 {
				must(l.Return())
				continue
			}
			must(l.Done())
			markItem(marks, l.Value, itemDone)
		}
	}
})

func markItem(marks *Array[uint32], item queueItem, mark uint32) {
	m := AtomicAt(marks, item.Producer*queueItemsEach+item.I)
	if m.Load() >= itemDone && mark == itemSeen {
		mark = itemBad
	}
	m.Store(mark)
	if n := len(item.Body); string(testBytes(item.I, n)) != string(item.Body) {
		m.Store(itemBad)
	}
}

// queueRun is a queue with the parties that use it.
type queueRun struct {
	t         *testing.T
	q         *Queue[queueItem]
	marks     *Array[uint32]
	acked     *Array[uint32]
	producers int
}

func newQueueRun(t *testing.T, producers int, o QueueOptions) *queueRun {
	t.Helper()
	r := &queueRun{t: t, q: testQueue[queueItem](t, o)}
	var err error
	if r.marks, err = NewArray[uint32](producers*queueItemsEach, ValueOptions{NoLock: true}); err != nil {
		t.Fatal(err)
	}
	if r.acked, err = NewArray[uint32](producers, ValueOptions{NoLock: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.marks.Close(), r.acked.Close()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// start starts a party. A producer gets the next number.
func (r *queueRun) start(role string, seed, limit, dieAt int) *exec.Cmd {
	r.t.Helper()
	cmd := helper(r.t, "queueparty", r.q.Handle().File, r.marks.Handle().File, r.acked.Handle().File, role,
		strconv.Itoa(r.producers), strconv.Itoa(seed), strconv.Itoa(limit), strconv.Itoa(dieAt))
	if role == "put" {
		r.producers++
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	return cmd
}

// drain gets everything that is there or comes back, for as long as want says that something is missing.
func (r *queueRun) drain(missing func() bool) {
	r.t.Helper()
	end := time.Now().Add(time.Minute)
	for {
		item, err := r.q.TryGet()
		switch {
		case err == nil:
			mark := AtomicAt(r.marks, item.Producer*queueItemsEach+item.I)
			if mark.Load() >= itemDone {
				r.t.Errorf("item %d of producer %d came again", item.I, item.Producer)
			}
			markItem(r.marks, item, itemDone)
			if err := r.q.TaskDone(); err != nil {
				r.t.Error(err)
			}
		case !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrClosed):
			r.t.Fatal(err)
		case r.q.f.leased.Load() == 0 && !missing():
			return
		case time.Now().After(end):
			r.t.Fatalf("%d items are still leased, or missing", r.q.f.leased.Load())
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

// count returns how many items of a producer have come how far.
func (r *queueRun) count(producer int) (put, seen, done int) {
	r.t.Helper()
	put = int(AtomicAt(r.acked, producer).Load())
	for i := range queueItemsEach {
		switch AtomicAt(r.marks, producer*queueItemsEach+i).Load() {
		case itemSeen:
			seen++
		case itemDone:
			done++
		case itemBad:
			r.t.Errorf("item %d of producer %d was damaged, or came again", i, producer)
		}
	}
	return put, seen, done
}

// queueCrashItems is how many items a consumer finds that dies at one step after the other.
const queueCrashItems = 6

func nothingMissing() bool { return false }

// A producer that dies at any step has put what Put acknowledged, and one item more at most.
func TestQueueProducerDiesAtEachStep(t *testing.T) {
	t.Parallel()
	r := newQueueRun(t, 400, QueueOptions{})
	died := r.atEachStep("put", func() int { return 0 }, func(producer, died int) {
		r.drain(nothingMissing)
		put, seen, done := r.count(producer)
		if seen != 0 || done != put && done != put+1 {
			t.Errorf("step %d: %d acknowledged, %d got", died, put, done)
		}
	})
	if died < 3 {
		t.Errorf("it died at %d steps only", died)
	}
}

// A consumer that dies at any step takes one item with it at most, and none if it leases them.
func TestQueueConsumerDiesAtEachStep(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"get", "lease"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			r := newQueueRun(t, 400, QueueOptions{})
			next := func() int {
				me := r.producers
				r.producers++
				for i := range queueCrashItems {
					mustPut(t, r.q, queueItem{me, i, testBytes(i, 25000)})
				}
				return me
			}
			died := r.atEachStep(role, next, func(producer, died int) {
				r.drain(nothingMissing)
				_, seen, done := r.count(producer)
				if lost := queueCrashItems - seen - done; lost > 1 || role == "lease" && lost > 0 || seen > 1 {
					t.Errorf("step %d: of %d items %d are lost, %d done and not noted", died, queueCrashItems, lost, seen)
				}
				if role == "get" {
					return
				}
				// Each counts as done once.
				if err := r.q.Wait(soon(t)); err != nil {
					t.Errorf("step %d: %v", died, err)
				}
				if r.q.TaskDone() == nil {
					t.Errorf("step %d: an item was missing from those done", died)
				}
			})
			if died < 3 {
				t.Errorf("it died at %d steps only", died)
			}
		})
	}
}

// atEachStep runs one party after the other, each dying a step later, until one ends by itself, and checks
// after each that everybody else can go on.
func (r *queueRun) atEachStep(role string, before func() int, after func(producer, died int)) int {
	r.t.Helper()
	every := 1
	if raceEnabled || testing.Short() {
		every = 5
	}
	died := 0
	for at := 1; ; at += every {
		producer := before()
		if role == "put" {
			producer = r.producers
		}
		limit := queueCrashItems
		if role == "put" {
			limit = 8
		}
		cmd := r.start(role, 3, limit, at)
		err := cmd.Wait()
		after(producer, at)
		if r.t.Failed() {
			r.t.Fatalf("after step %d", at)
		}
		if err == nil {
			r.t.Logf("died at %d of %d steps", died, at-1)
			return died
		}
		died++
		if died > 390 {
			r.t.Fatal("it never ends")
		}
	}
}

// Producers and consumers killed at random instants: what was acknowledged is neither lost nor comes again, and nobody
// is kept waiting.
func TestQueueKilled(t *testing.T) {
	kills := 200
	if raceEnabled || testing.Short() {
		kills = 40
	}
	queueKills(t, func(n int) bool { return n < kills })
}

func TestTortureQueue(t *testing.T) {
	limit, err := time.ParseDuration(os.Getenv("YUNTA_TORTURE"))
	if err != nil {
		t.Skip("set YUNTA_TORTURE to a duration")
	}
	end := time.Now().Add(limit)
	for round := 0; time.Now().Before(end); round++ {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			queueKills(t, func(n int) bool { return n < 1000 && time.Now().Before(end) })
		})
	}
}

func queueKills(t *testing.T, more func(kills int) bool) {
	rnd := testRand(t)
	r := newQueueRun(t, 1100, QueueOptions{MaxSize: 20})
	roles := []string{"put", "put", "lease", "lease"}
	parties := make([]*exec.Cmd, len(roles))
	start := func(i int) {
		limit := queueItemsEach
		if roles[i] != "put" {
			limit = 1 << 30
		}
		parties[i] = r.start(roles[i], int(rnd.Int32()), limit, 0)
	}
	for i := range roles {
		start(i)
	}
	ended := func(i int) {
		parties[i].Process.Kill()
		parties[i].Wait()
	}
	kills, consumers := 0, 0
	for ; more(kills) && r.producers < 1090; kills++ {
		time.Sleep(time.Duration(rnd.IntN(20000)) * time.Microsecond)
		i := rnd.IntN(len(roles))
		ended(i)
		if roles[i] == "lease" {
			consumers++
		}
		start(i)
	}
	// Everybody else goes on: the last two producers can put all they have.
	for i, role := range roles {
		if role != "put" {
			continue
		}
		done := later(parties[i].Wait)
		select {
		case <-done:
		case <-time.After(2 * time.Minute):
			t.Error("a producer is stuck")
			parties[i].Process.Kill()
			<-done
		}
	}
	if err := r.q.Close(); err != nil {
		t.Error(err)
	}
	for i, role := range roles {
		if role == "put" {
			continue
		}
		done := later(parties[i].Wait)
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Error("a consumer is stuck")
			parties[i].Process.Kill()
			<-done
		}
	}
	r.drain(nothingMissing)
	total, notNoted := 0, 0
	for p := range r.producers {
		put, seen, done := r.count(p)
		if seen+done != put && seen+done != put+1 {
			t.Errorf("producer %d: %d acknowledged, %d got", p, put, seen+done)
		}
		for i := range put {
			if AtomicAt(r.marks, p*queueItemsEach+i).Load() == 0 {
				t.Errorf("item %d of producer %d was acknowledged and is lost", i, p)
			}
		}
		total += put
		notNoted += seen
	}
	if notNoted > consumers {
		t.Errorf("%d items were leased and neither done nor came back, of %d killed consumers", notNoted, consumers)
	}
	if err := r.q.Wait(soon(t)); err != nil {
		t.Errorf("not all is done: %v", err)
	}
	t.Logf("%d kills, %d items", kills, total)
}
