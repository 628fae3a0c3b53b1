package child

import (
	"context"
	"log/slog"
	"slices"

	"yunta/child/wire"
	"yunta/ipc"
)

// Logger returns a logger whose records reach the logger of the pool or process
// that this child belongs to (PoolOptions.Logger, ProcessOptions.Logger), with
// worker or process, pid and entry attached, and at its level, as it was at the
// child's start; nothing where that has none. A supervisor that is slow to log
// drops records, and says how many, rather than holding up children.
// Attributes of other than the basic kinds arrive as text, and long texts cut.
//
// In a process that is no child, and so in a pool of goroutines, it is
// slog.Default. To send what other packages log, an Initializer may call
// slog.SetDefault(child.Logger()). Python: multiprocessing.get_logger.
func Logger() *slog.Logger {
	self.Lock()
	s := self.server
	self.Unlock()
	if s == nil {
		return slog.Default()
	}
	if !s.config.Logs {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(&logHandler{s: s})
}

// logHandler sends records up the notices pipe.
type logHandler struct {
	s    *server
	with []withLog // what With and WithGroup added, in order
}

// withLog is a group that was opened, or attributes.
type withLog struct {
	group string
	attrs []wire.LogAttr
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool {
	return int(l) >= h.s.config.LogLevel
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(withLog{attrs: logAttrs(attrs)})
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.and(withLog{group: name})
}

func (h *logHandler) and(w withLog) slog.Handler {
	return &logHandler{s: h.s, with: append(slices.Clip(h.with), w)}
}

func logAttrs(attrs []slog.Attr) []wire.LogAttr {
	out := make([]wire.LogAttr, 0, len(attrs))
	for _, a := range attrs {
		if !a.Equal(slog.Attr{}) {
			out = append(out, wire.LogAttrOf(a))
		}
	}
	return out
}

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	all := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		all = append(all, a)
		return true
	})
	attrs := logAttrs(all)
	for _, v := range slices.Backward(h.with) {
		switch w := v; {
		case w.group == "":
			attrs = append(slices.Clip(w.attrs), attrs...)
		case len(attrs) > 0: // an empty group is left out, as slog has it
			attrs = []wire.LogAttr{{Key: w.group, Kind: int(slog.KindGroup), Group: attrs}}
		}
	}
	body, err := wire.AppendLog(nil, wire.Log{
		Time: r.Time, Level: int(r.Level), Message: r.Message, Entry: h.s.runningEntry(), Attrs: attrs,
	})
	if err != nil {
		return err
	}
	_, err = h.s.notices.Write(ipc.AppendFrame(nil, body))
	return err
}

// runningEntry names what runs.
func (s *server) runningEntry() string {
	if s.config.Process != nil {
		return s.config.Process.Entry
	}
	if c := s.current.Load(); c != nil {
		return c.entry
	}
	return ""
}
