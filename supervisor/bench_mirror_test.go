package supervisor_test

import (
	"context"
	"testing"
	"time"

	"yunta/child"
	"yunta/ipc"
	"yunta/supervisor"
)

const (
	queueItems    = 1_000_000
	largeMessage  = 1 << 20
	largeMessages = 256
	smallMessages = 200_000
	sharedBytes   = 64 << 20
	// Python's side is given less, where its rate does not depend on how many.
	pythonQueueItems = 100_000
	pythonLargeItems = 128
)

// mirrorRows are the rows of what passes between processes beside a pool.
func mirrorRows(py *python) []*peerRow {
	return []*peerRow{
		{
			name: "Queue", title: "Queue of ints, from one process to another", goals: []goal{{overPython, 20}}, show: rate,
			ours: oursQueueOfInts, python: py.asked("queue", args{"n": pythonQueueItems, "size": 0}),
			also: []peerAlso{{what: "Python's SimpleQueue", round: py.asked("queue", args{"n": pythonQueueItems, "size": 0, "of": "SimpleQueue"})}},
		},
		{
			name: "QueueLarge", title: "Queue of values of 1 MiB", goals: []goal{{overPython, 4}},
			ours: oursQueueOfBlobs, python: py.asked("queue", args{"n": pythonLargeItems, "size": largeMessage}),
			limit: seconds(func(*testing.B) time.Duration { return 2 * copies(65, largeMessage) }), limitIs: "two copies in warm memory",
		},
		{
			name: "Pipe", title: "messages of 16 bytes through a Pipe, one way", show: rate,
			ours: oursPipe(smallMessages, 16, ipc.Pipe, (*ipc.Conn).RecvBytes), python: py.asked("pipe", args{"n": smallMessages, "size": 16}),
			also: []peerAlso{{what: "SimplexPipe", round: oursPipe(smallMessages, 16, ipc.SimplexPipe, (*ipc.Conn).RecvBytes)}},
		},
		{
			name: "PipeLarge", title: "messages of 1 MiB through a Pipe, one way, RecvInto", goals: []goal{{overPython, 4}},
			ours: oursPipe(largeMessages, largeMessage, ipc.Pipe, recvInto(make([]byte, largeMessage))), python: py.asked("pipe", args{"n": largeMessages, "size": largeMessage}),
			limit: seconds(func(*testing.B) time.Duration { return 2 * copies(65, largeMessage) }), limitIs: "two copies in warm memory",
			note: "Python: recv_bytes, since its recv_bytes_into is slower",
			also: []peerAlso{
				{what: "RecvBytes, new memory each", round: oursPipe(largeMessages, largeMessage, ipc.Pipe, (*ipc.Conn).RecvBytes)},
				{what: "SimplexPipe, RecvInto", round: oursPipe(largeMessages, largeMessage, ipc.SimplexPipe, recvInto(make([]byte, largeMessage)))},
				{what: "Python's Pipe(duplex=False)", round: py.asked("pipe", args{"n": largeMessages, "size": largeMessage, "duplex": false})},
			},
		},
		{
			name: "SharedMemory", title: "64 MiB into SharedMemory", goals: []goal{{overLimit, 1.2}},
			ours: seconds(oursSharedMemory), python: py.asked("shared_memory", args{"n": 5, "size": sharedBytes}),
			limit: seconds(func(*testing.B) time.Duration { return copies(5, sharedBytes) }), limitIs: "a copy in warm memory",
		},
		{
			name: "Spawn200", title: "200 Processes started and waited for, Python spawning them", goals: []goal{{overPython, 10}},
			ours: seconds(oursProcesses), python: py.asked("start", args{"n": manyProcesses, "method": "spawn"}),
			note: "what Python does by default on macOS",
		},
	}
}

// A sender puts n items, numbers or blobs of size bytes, into what it is given.
type sender struct {
	Ints  *ipc.Queue[int]
	Blobs *ipc.Queue[[]byte]
	Conn  *ipc.Conn
	N     int
	Size  int
}

var benchSends = child.Register("bench sends", func(ctx context.Context, s sender) (int, error) {
	blob := make([]byte, s.Size)
	for i := range s.N {
		var err error
		switch {
		case s.Ints != nil:
			err = s.Ints.Put(ctx, i)
		case s.Blobs != nil:
			err = s.Blobs.Put(ctx, blob)
		default:
			err = s.Conn.SendBytes(blob)
		}
		if err != nil {
			return i, err
		}
	}
	return s.N, nil
})

// receive is the time an item takes from another process, but for the first,
// for which that process has to start.
func receive(b *testing.B, s sender, next func() error) float64 {
	b.Helper()
	p := supervisor.NewProcess(benchSends, s, supervisor.ProcessOptions{})
	if err := p.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	var start time.Time
	for i := range s.N {
		if err := next(); err != nil {
			b.Fatal(err)
		}
		if i == 0 {
			start = time.Now()
		}
	}
	took := time.Since(start)
	if err := p.Wait(b.Context()); err != nil {
		b.Fatal(err)
	}
	return took.Seconds() / float64(s.N-1)
}

func oursQueueOfInts(b *testing.B) float64 {
	q, err := ipc.NewQueue[int](ipc.QueueOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Detach()
	return receive(b, sender{Ints: q, N: queueItems}, func() error {
		_, err := q.Get(b.Context())
		return err
	})
}

func oursQueueOfBlobs(b *testing.B) float64 {
	q, err := ipc.NewQueue[[]byte](ipc.QueueOptions{MaxSize: 16})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Detach()
	return receive(b, sender{Blobs: q, N: largeMessages, Size: largeMessage}, func() error {
		_, err := q.Get(b.Context())
		return err
	})
}

func recvInto(buf []byte) func(*ipc.Conn) ([]byte, error) {
	return func(c *ipc.Conn) ([]byte, error) {
		n, err := c.RecvInto(buf)
		return buf[:n], err
	}
}

func oursPipe(n, size int, pipe func() (a, b *ipc.Conn, err error), recv func(*ipc.Conn) ([]byte, error)) func(*testing.B) float64 {
	return func(b *testing.B) float64 {
		here, there, err := pipe()
		if err != nil {
			b.Fatal(err)
		}
		defer here.Close()
		defer there.Close()
		return receive(b, sender{Conn: there, N: n, Size: size}, func() error {
			_, err := recv(here)
			return err
		})
	}
}

func oursSharedMemory(b *testing.B) time.Duration {
	m, err := ipc.CreateSharedMemory("", sharedBytes)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Unlink()
	defer m.Close()
	data := make([]byte, sharedBytes)
	copy(m.Bytes(), data)
	return medianOf(5, func() { copy(m.Bytes(), data) })
}
