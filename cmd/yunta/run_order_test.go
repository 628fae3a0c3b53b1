package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"yunta/cmd/yunta/internal/input"
	"yunta/cmd/yunta/internal/jobs"
)

// Whatever the order in which jobs end, and wherever their output waits, it comes out in the order of their numbers and is the same.
func TestOrder(t *testing.T) {
	t.Parallel()
	for _, memory := range []int64{0, 1000, aheadMemory} {
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			t.Parallel()
			const n = 500
			random := rand.New(rand.NewPCG(1, uint64(memory)))
			o := newOrder(t.TempDir())
			o.memory = memory
			defer o.close()
			value := func(i int) string { return strings.Repeat("v", i%7) }
			stdout := func(i int) string { return strings.Repeat("o", i%50) }
			stderr := func(i int) string { return fmt.Sprint(i) }
			var got []int
			ready := func(f *finished) error {
				i := f.number
				if f.value != value(i) || string(f.result.Stdout.Data) != stdout(i) || string(f.result.Stderr.Data) != stderr(i) {
					t.Fatalf("job %d came back as %+v", i, f)
				}
				got = append(got, i)
				return nil
			}
			numbers := random.Perm(n)
			lost := numbers[n-1] // has no result: the run was ended
			for _, i := range numbers[:n-1] {
				f := &finished{number: i + 1, value: value(i + 1)}
				f.result.Stdout = jobs.Output{Data: []byte(stdout(i + 1))}
				f.result.Stderr = jobs.Output{Data: []byte(stderr(i + 1))}
				if err := o.put(f, ready); err != nil {
					t.Fatal(err)
				}
				if o.inside > memory {
					t.Fatalf("%d bytes wait in memory, at most %d", o.inside, memory)
				}
			}
			if !slices.IsSorted(got) || len(got) > lost {
				t.Errorf("before the lost job %d: %v", lost+1, got)
			}
			if err := o.rest(ready); err != nil {
				t.Fatal(err)
			}
			if !slices.IsSorted(got) || len(got) != n-1 {
				t.Errorf("%d of %d jobs, sorted: %v", len(got), n-1, slices.IsSorted(got))
			}
			if o.inside != 0 || o.outside != 0 {
				t.Errorf("%d bytes still count as in memory, %d as on disk", o.inside, o.outside)
			}
			if left, err := os.ReadDir(o.dir); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// Jobs run ahead of one that does not end only so far, and not at all once too much waits on disk.
func TestOrderBoundsTheRunAhead(t *testing.T) {
	t.Parallel()
	o := newOrder(t.TempDir())
	stop := make(chan struct{})
	if err := o.room(aheadJobs, stop); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- o.room(aheadJobs+1, stop) }()
	print := func(*finished) error { return nil }
	for number := 2; number < 10; number++ {
		if err := o.put(&finished{number: number}, print); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-over:
		t.Fatalf("there was room for a job too many: %v", err)
	default:
	}
	if err := o.put(&finished{number: 1}, print); err != nil {
		t.Fatal(err)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
	large := &finished{number: 11}
	large.result.Stdout = jobs.Output{File: "x", Size: aheadDisk}
	if err := o.put(large, print); err != nil {
		t.Fatal(err)
	}
	if err := o.room(10, stop); err != nil {
		t.Errorf("no room for the oldest: %v", err)
	}
	close(stop)
	if err := o.room(12, stop); err != input.ErrStopped {
		t.Errorf("got %v with a full disk and a stopped run, want input.ErrStopped", err)
	}
}

func TestPrinterTags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	long := strings.Repeat("x", copyBuffer+5) + "\n" + strings.Repeat("\n", copyBuffer) + "end"
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte(long+"more that came later"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, tag, in, want string }{
		{"nothing", "a", "", ""},
		{"a line", "a", "x\n", "a\tx\n"},
		{"unended", "a", "x\ny", "a\tx\na\ty"},
		{"empty lines", "a", "\n\n", "a\t\na\t\n"},
		{"no value", "", "x\n", "\tx\n"},
		{"a long tag", strings.Repeat("t", copyBuffer), "x\ny\n", strings.Repeat("t", copyBuffer) + "\tx\n" + strings.Repeat("t", copyBuffer) + "\ty\n"},
	}
	for _, test := range tests {
		var out strings.Builder
		p := printer{stdout: &out, stderr: &out, dir: dir}
		f := &finished{tag: test.tag + "\t"}
		f.result.Stdout.Data = []byte(test.in)
		if err := p.print(f); err != nil || out.String() != test.want {
			t.Errorf("%s: %v, %.100q, want %.100q", test.name, err, out.String(), test.want)
		}
	}
	var out strings.Builder
	p := printer{stdout: &out, stderr: &out, dir: dir}
	f := &finished{tag: "v\t"}
	f.result.Stdout = jobs.Output{File: "file", Size: int64(len(long))}
	want := "v\t" + strings.ReplaceAll(long, "\n", "\nv\t")
	if err := p.print(f); err != nil || out.String() != want {
		t.Errorf("%v, %d bytes, want %d", err, out.Len(), len(want))
	}
	if _, err := os.Stat(filepath.Join(dir, "file")); err == nil {
		t.Error("the file is still there")
	}
}

func TestSummaryKeepsLittle(t *testing.T) {
	t.Parallel()
	var s summary
	for i, ms := range rand.New(rand.NewPCG(1, 2)).Perm(1000) {
		f := &finished{seq: i + 1, value: fmt.Sprint(ms)}
		f.result.Elapsed = time.Duration(ms) * time.Millisecond
		f.result.End, f.result.Code = jobs.Exited, ms%2
		s.add(f)
	}
	if s.succeeded != 500 || s.failed != 500 || len(s.failures) != failedShown {
		t.Errorf("%d succeeded, %d failed, %d kept", s.succeeded, s.failed, len(s.failures))
	}
	var out strings.Builder
	s.print(&out, "test")
	if want := `slowest: job \d+ \("999"\) 999ms, job \d+ \("998"\) 998ms, job \d+ \("997"\) 997ms\n`; !regexp.MustCompile(want).MatchString(out.String()) {
		t.Errorf("got %s", out.String())
	}
	if got, want := strings.Count(out.String(), "\n"), 2+failedShown+1; got != want {
		t.Errorf("%d lines, want %d:\n%s", got, want, out.String())
	}
}

func TestRounded(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 1234 * time.Nanosecond: "1µs", 12345 * time.Microsecond: "12.3ms", 1234567 * time.Microsecond: "1.23s",
		83456 * time.Millisecond: "1m23.5s", 3723456 * time.Millisecond: "1h2m3s",
	} {
		if got := rounded(d).String(); got != want {
			t.Errorf("%v becomes %s, want %s", d, got, want)
		}
	}
}
