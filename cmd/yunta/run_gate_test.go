package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"yunta/cmd/yunta/internal/input"
	"yunta/supervisor"
)

func TestParseSlots(t *testing.T) {
	t.Parallel()
	cores := supervisor.CPUCount()
	for text, want := range map[string]int{
		"4": 4, "0": 0, "100%": cores, "200%": 2 * cores, "1%": 1, "+0": cores, "+3": cores + 3, "+100%": 2 * cores,
		"-0": cores, "100000": maxJobs,
	} {
		if n, ok, err := parseSlots(text); n != want || !ok || err != nil {
			t.Errorf("%s: %d, %v, %v, want %d", text, n, ok, err, want)
		}
	}
	for _, text := range []string{"abc", "", "%", "+", "1.5", "1e3", "4 ", "0x4"} {
		if n, ok, err := parseSlots(text); ok || err != nil {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
	if _, _, err := parseSlots(fmt.Sprintf("-%d", cores)); err == nil {
		t.Error("no jobs are left, and no error")
	}
}

func TestSlotsOfFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slots")
	for text, want := range map[string]int{"3\n": 3, " 2 \nmore": 2, "0": maxJobs} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := slotsOfFile(path); n != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", text, n, err, want)
		}
	}
	if err := os.WriteFile(path, []byte("many\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := slotsOfFile(path); err == nil {
		t.Error("many is no number")
	}
}

// No more are let in than there are slots; who waits is let in when somebody leaves, or is told that nobody waits any more.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(gateOptions{strict: true}, 2)
		for range 2 {
			if err := g.wait(nil); err != nil {
				t.Fatal(err)
			}
			g.enter()
		}
		entered := make(chan error, 1)
		stop := make(chan struct{})
		go func() { entered <- g.wait(stop) }()
		synctest.Wait()
		select {
		case <-entered:
			t.Fatal("a third one was let in")
		default:
		}
		g.leave()
		if err := <-entered; err != nil {
			t.Fatal(err)
		}
		g.enter()
		go func() { entered <- g.wait(stop) }()
		synctest.Wait()
		close(stop)
		if err := <-entered; !errors.Is(err, input.ErrStopped) {
			t.Errorf("%v, want %v", err, input.ErrStopped)
		}
	})
}

func TestGateDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(gateOptions{delay: time.Minute}, 10)
		begun := time.Now()
		for range 3 {
			if err := g.wait(nil); err != nil {
				t.Fatal(err)
			}
			g.enter()
		}
		if d := time.Since(begun); d != 2*time.Minute { // of the bubble's clock
			t.Errorf("three jobs began within %v, want 2m", d)
		}
	})
}

func TestSplitWords(t *testing.T) {
	t.Parallel()
	got, err := splitWords(`-j 2 --tagstring 'a b' "c'd" e\ f '' "x\"y"`)
	if want := `["-j" "2" "--tagstring" "a b" "c'd" "e f" "" "x\"y"]`; err != nil || fmt.Sprintf("%q", got) != want {
		t.Errorf("%q, %v, want %s", got, err, want)
	}
	if _, err := splitWords("'a"); err == nil {
		t.Error("a quote that is not closed")
	}
}

func TestParseSpan(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"1": time.Second, "0.02m": 1200 * time.Millisecond, "1h30m": 90 * time.Minute, "1d": 24 * time.Hour, "2.5": 2500 * time.Millisecond, "1S": time.Second,
	} {
		if got, err := parseSpan(text); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "1x", "m", "-1", "1m x"} {
		if d, err := parseSpan(text); err == nil {
			t.Errorf("%q: %v", text, d)
		}
	}
}
