package wire

import (
	"fmt"
	"log/slog"
	"time"
)

// Bounds of a log record on its way up, in bytes.
const (
	// MaxLog bounds its frame: a child writes it whole, so what is longer is cut.
	MaxLog = 32 << 10
	// maxLogText bounds its message and each text in it.
	maxLogText = 8 << 10
)

// Log is a record of log/slog on its way from a child to its supervisor.
type Log struct {
	Time    time.Time
	Level   int
	Message string
	Entry   string // that was running, "" for none
	Attrs   []LogAttr
}

// LogAttr is one attribute. What is neither a number, a text, a bool, a time
// nor a group has become a text.
type LogAttr struct {
	Key   string
	Kind  int // a slog.Kind
	Value any
	Group []LogAttr
}

// AppendLog appends the body of a Log frame. Attributes that make it too long
// are left out, and one says so.
func AppendLog(dst []byte, l Log) ([]byte, error) {
	l.Message = cutText(l.Message)
	body, err := Append(dst, KindLog, l)
	if err == nil && len(body)-len(dst) > MaxLog {
		l.Attrs = []LogAttr{LogAttrOf(slog.Int("attributes too long, dropped", len(l.Attrs)))}
		return Append(dst, KindLog, l)
	}
	return body, err
}

func cutText(s string) string {
	if len(s) > maxLogText {
		return s[:maxLogText] + "..."
	}
	return s
}

// LogAttrOf is an attribute's form on the wire.
func LogAttrOf(a slog.Attr) LogAttr {
	v := a.Value.Resolve()
	out := LogAttr{Key: a.Key, Kind: int(v.Kind())}
	switch v.Kind() {
	case slog.KindGroup:
		out.Group = make([]LogAttr, 0, len(v.Group()))
		for _, b := range v.Group() {
			out.Group = append(out.Group, LogAttrOf(b))
		}
	case slog.KindString:
		out.Value = cutText(v.String())
	case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindTime:
		out.Value = v.Any()
	case slog.KindDuration:
		out.Value = int64(v.Duration())
	default:
		out.Kind = int(slog.KindString)
		out.Value = cutText(anyText(v.Any()))
	}
	return out
}

// anyText is the text of any value, even one whose methods panic.
func anyText(v any) (s string) {
	defer func() {
		if p := recover(); p != nil {
			s = fmt.Sprintf("!PANIC: %v", p)
		}
	}()
	if err, ok := v.(error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%+v", v)
}

// Attr is the attribute that was sent.
func (a LogAttr) Attr() slog.Attr {
	switch slog.Kind(a.Kind) {
	case slog.KindGroup:
		all := make([]slog.Attr, 0, len(a.Group))
		for _, b := range a.Group {
			all = append(all, b.Attr())
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(all...)}
	case slog.KindDuration:
		if n, ok := number(a.Value); ok {
			return slog.Duration(a.Key, time.Duration(n))
		}
	case slog.KindInt64:
		if n, ok := number(a.Value); ok {
			return slog.Int64(a.Key, n)
		}
	}
	return slog.Any(a.Key, a.Value)
}

// number reads an integer, which msgpack gives the shortest type for.
func number(v any) (int64, bool) {
	switch n := v.(type) {
	case int8:
		return int64(n), true
	case int16:
		return int64(n), true
	case int32:
		return int64(n), true
	case int64:
		return n, true
	case uint8:
		return int64(n), true
	case uint16:
		return int64(n), true
	case uint32:
		return int64(n), true
	case uint64:
		return int64(n), true
	}
	return 0, false
}
