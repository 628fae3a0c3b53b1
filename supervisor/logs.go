package supervisor

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"yunta/child/wire"
)

// logWaiting is how many records of children may wait for a slow logger.
const logWaiting = 512

// logPump hands the records of children to a logger, in a goroutine of its own:
// who reads what children say must not wait for it.
type logPump struct {
	to   *slog.Logger
	once sync.Once
	in   chan slog.Record
	lost atomic.Int64
	over atomic.Bool // what is left is dropped
	done chan struct{}
}

func newLogPump(to *slog.Logger) *logPump {
	return &logPump{to: to, in: make(chan slog.Record, logWaiting), done: make(chan struct{})}
}

// logLevel is the lowest level that a logger takes; false if it takes none.
func logLevel(l *slog.Logger) (level int, ok bool) {
	for level := int(slog.LevelDebug) - 4; level <= int(slog.LevelError)+8; level++ {
		if l.Enabled(context.Background(), slog.Level(level)) {
			return level, true
		}
	}
	return 0, false
}

// put passes the record of a Log frame on, after attributes that say where it
// comes from; it does not block.
func (l *logPump) put(body []byte, from ...slog.Attr) error {
	var w wire.Log
	if err := wire.Parse(body, &w); err != nil {
		return err
	}
	attrs := make([]slog.Attr, 0, len(w.Attrs))
	for _, a := range w.Attrs {
		attrs = append(attrs, a.Attr())
	}
	l.take(w, from, attrs)
	return nil
}

// putPlain is put for a worker that speaks the plain protocol.
func (l *logPump) putPlain(body []byte, from ...slog.Attr) error {
	var w wire.PlainLog
	if err := wire.Parse(body, &w); err != nil {
		return err
	}
	attrs := make([]slog.Attr, 0, len(w.Attrs))
	for _, key := range slices.Sorted(maps.Keys(w.Attrs)) {
		attrs = append(attrs, slog.Any(key, w.Attrs[key]))
	}
	l.take(wire.Log{Time: time.Unix(0, w.Time), Level: w.Level, Message: w.Message, Entry: w.Entry}, from, attrs)
	return nil
}

func (l *logPump) take(w wire.Log, from, attrs []slog.Attr) {
	r := slog.NewRecord(w.Time, slog.Level(w.Level), w.Message, 0)
	r.AddAttrs(from...)
	if w.Entry != "" {
		r.AddAttrs(slog.String("entry", w.Entry))
	}
	r.AddAttrs(attrs...)
	l.once.Do(func() { go l.serve() })
	select {
	case l.in <- r:
	default:
		l.lost.Add(1)
	}
}

func (l *logPump) serve() {
	defer close(l.done)
	ctx := context.Background()
	for r := range l.in {
		if n := l.lost.Swap(0); n > 0 && !l.over.Load() {
			l.to.Warn("log records of children were dropped", "records", n)
		}
		if !l.over.Load() && l.to.Enabled(ctx, r.Level) {
			_ = l.to.Handler().Handle(ctx, r) // the handler's own affair
		}
	}
}

// close hands on what has come, and does not wait long for a logger that is stuck.
func (l *logPump) close() {
	l.once.Do(func() { close(l.done) })
	close(l.in)
	select {
	case <-l.done:
	case <-time.After(2 * drainTime):
		l.over.Store(true)
	}
}
