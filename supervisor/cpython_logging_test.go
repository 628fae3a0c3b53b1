package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// CPython's class _TestLogging, and what is beyond it.

// logs says something at each level.
var logs = child.Register("logs", func(_ context.Context, text string) (int, error) {
	l := child.Logger()
	l.Debug("debug " + text)
	l.Info("info " + text)
	l.Warn("warn "+text, "n", 7, slog.Group("g", "d", time.Second, "err", errors.New("bad")))
	l.With("w", true).WithGroup("h").Error("error "+text, "f", 1.5, "v", pair{1, 2})
	return 0, nil
})

// levelLog is a logger of one level and what it has written, without times.
func levelLog(level slog.Level) (*slog.Logger, *lockedBuffer) {
	b := new(lockedBuffer)
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), b
}

var logged4 = []string{
	`level=DEBUG msg="debug x" FROM entry=logs`,
	`level=INFO msg="info x" FROM entry=logs`,
	`level=WARN msg="warn x" FROM entry=logs n=7 g.d=1s g.err=bad`,
	`level=ERROR msg="error x" FROM entry=logs w=true h.f=1.5 h.v="{X:1 Y:2}"`,
}

// wantLog compares the lines of logs in text with the last n of all.
func wantLog(t *testing.T, text, from string, n int) {
	t.Helper()
	var got []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, `msg="process started"`) {
			continue
		}
		if strings.Contains(line, "entry=logs ") || strings.HasSuffix(line, "entry=logs\n") {
			got = append(got, strings.TrimSpace(regexp.MustCompile(from).ReplaceAllString(line, "FROM")))
		}
	}
	got = got[:min(len(got), 10)]
	if want := logged4[len(logged4)-n:]; strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A level that is set in the parent is a child's, too.
func TestCPython__TestLogging_test_enable_logging(t *testing.T) {
	t.Parallel()
	for level, n := range map[slog.Level]int{slog.LevelDebug: 4, slog.LevelInfo: 3, slog.LevelWarn: 2, slog.LevelError: 1, slog.LevelError + 1: 0} {
		log, text := levelLog(level)
		p := startProcess(t, logs, "x", supervisor.ProcessOptions{Logger: log})
		if code := ended(t, p); code != 0 {
			t.Fatal(p.Err())
		}
		wantLog(t, text.String(), fmt.Sprintf("process=%s pid=%d", p.Name(), p.PID()), n)
	}
}

// Without a logger nothing is logged: there is no root logger to fall back on.
func TestCPython__TestLogging_test_level(t *testing.T) {
	t.Parallel()
	for level, n := range map[slog.Level]int{slog.LevelDebug: 4, slog.LevelWarn: 2} {
		log, text := levelLog(level)
		p := newPool(t, supervisor.PoolOptions{Processes: 1, Logger: log})
		if _, err := supervisor.Apply(testContext(t), p, logs, "x"); err != nil {
			t.Fatal(err)
		}
		p.Close()
		if err := p.Wait(testContext(t)); err != nil {
			t.Fatal(err)
		}
		wantLog(t, text.String(), `worker=0 pid=\d+`, n)
	}
	var out lockedBuffer
	p := newPool(t, supervisor.PoolOptions{Processes: 1, Stderr: &out})
	if _, err := supervisor.Apply(testContext(t), p, logs, "x"); err != nil || out.String() != "" {
		t.Errorf("without a logger: %v, %q", err, out.String())
	}
}

// logsMuch logs n records of some size, from two goroutines.
var logsMuch = child.Register("logsMuch", func(_ context.Context, size int) (int, error) {
	done := make(chan bool)
	l := child.Logger()
	for range 2 {
		go func() {
			for i := range 500 {
				l.Info("much", "i", i, "text", strings.Repeat("x", size))
			}
			done <- true
		}()
	}
	<-done
	<-done
	return size, nil
})

// A logger that is slow holds up neither tasks nor the pool's end, and records
// that are too long are cut.
func TestLogsDoNotBlock(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1, Logger: slog.New(slowHandler{slog.NewTextHandler(io.Discard, nil)})})
	for _, size := range []int{10, 5000, 100_000} {
		soon(t, "a task that logs much", 10*time.Second, func() {
			if got, err := supervisor.Apply(testContext(t), p, logsMuch, size); err != nil || got != size {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	log, text := levelLog(slog.LevelInfo)
	x := startProcess(t, logsMuch, 100_000, supervisor.ProcessOptions{Logger: log})
	if code := ended(t, x); code != 0 {
		t.Error(x.Err())
	}
	for line := range strings.Lines(text.String()) {
		if len(line) > 40<<10 {
			t.Fatalf("a line of %d bytes", len(line))
		}
	}
	if !strings.Contains(text.String(), "msg=much") {
		t.Error("nothing was logged")
	}
}

// slowHandler is one that takes 20 ms for a record.
type slowHandler struct{ slog.Handler }

func (h slowHandler) Handle(ctx context.Context, r slog.Record) error {
	time.Sleep(20 * time.Millisecond)
	return h.Handler.Handle(ctx, r)
}

// Every line of a child's output begins with the prefix.
func TestOutputPrefix(t *testing.T) {
	t.Parallel()
	var stdout, stderr lockedBuffer
	p := newPool(t, supervisor.PoolOptions{Processes: 1, Name: "pre", Prefix: "[w{worker} {name}] ", Stdout: &stdout, Stderr: &stderr})
	if _, err := supervisor.Apply(testContext(t), p, prints, "one\ntwo"); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if err := p.Wait(testContext(t)); err != nil {
		t.Fatal(err)
	}
	want := "[w0 pre:w0] one\n[w0 pre:w0] two\n"
	if stdout.String() != want || stderr.String() != want {
		t.Errorf("stdout %q, stderr %q, want %q", stdout.String(), stderr.String(), want)
	}
	var out lockedBuffer
	long := strings.Repeat("long ", 50_000)
	x := startProcess(t, prints, long+"\nshort", supervisor.ProcessOptions{Prefix: "{name} {pid}: ", Stdout: &out, Stderr: io.Discard})
	ended(t, x)
	prefix := fmt.Sprintf("%s %d: ", x.Name(), x.PID())
	if got := out.String(); !strings.HasPrefix(got, prefix+"long") || strings.Count(got, prefix) != 2 || !strings.HasSuffix(got, "\n"+prefix+"short\n") {
		t.Errorf("%d bytes with %d prefixes", len(got), strings.Count(got, prefix))
	}
}

var prints = child.Register("prints", func(_ context.Context, text string) (int, error) {
	fmt.Println(text)
	println(text) // to standard error
	return 0, nil
})
