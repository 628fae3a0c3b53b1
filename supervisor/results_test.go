package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yunta/child"
	"yunta/ipc"
	"yunta/supervisor"
)

// tallied signs a file each time it runs, and returns its word in capitals.
type tally struct{ Path, Word string }

var tallied = child.Register("tallied", func(_ context.Context, a tally) (string, error) {
	sign(a.Path, a.Word)
	if strings.HasPrefix(a.Word, "bad") {
		return "", fmt.Errorf("%s: %w", a.Word, errOdd)
	}
	return strings.ToUpper(a.Word), nil
})

func tallies(path string, words ...string) []tally {
	out := make([]tally, len(words))
	for i, w := range words {
		out[i] = tally{path, w}
	}
	return out
}

// resumable is a pool on a result file that is closed when f returns.
func resumable(t *testing.T, o supervisor.PoolOptions, f func(p *supervisor.Pool)) {
	t.Helper()
	p, err := supervisor.NewPool(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	f(p)
	p.Close()
	if err := p.Wait(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

// records reads a result file.
func records(t *testing.T, path string) (out []ipc.Record) {
	t.Helper()
	f, err := ipc.OpenResults(path, ipc.ResultsOptions{ReadOnly: true, MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r, err := range f.Records() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func TestResultsFile(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		dir := t.TempDir()
		o.ResultsFile = filepath.Join(dir, "results")
		const n = 3000
		resumable(t, o, func(p *supervisor.Pool) {
			got, err := supervisor.Map(testContext(t), p, square, ints(n))
			if err != nil || got[n-1] != (n-1)*(n-1) {
				t.Fatal(err)
			}
			if _, err := supervisor.Map(testContext(t), p, fails, []int{0, 1, 2}); !errors.Is(err, errOdd) {
				t.Fatal(err)
			}
			if _, err := supervisor.Apply(testContext(t), p, panics, "oh"); err == nil {
				t.Fatal("no error")
			}
			// Another may look meanwhile, but not write.
			if len(records(t, o.ResultsFile)) < n {
				t.Error("a reader beside the pool misses records")
			}
			o.Resume = true
			if q, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{
				Processes: 1, ResultsFile: o.ResultsFile, Resume: true, Grace: 1,
			}); !errors.Is(err, ipc.ErrInUse) {
				t.Errorf("a second pool on the file: %v", err)
				if err == nil {
					q.Terminate()
				}
			}
		})
		seen := make(map[string]int)
		values := ipc.CodecFor[int]()
		for _, r := range records(t, o.ResultsFile) {
			seen[r.Entry+" "+r.Status.String()]++
			if r.Entry == "square" {
				v, _, err := values.Decode(r.Payload)
				if err != nil || int64(v) != r.Index*r.Index || r.Ended.Before(r.Started) || r.Attempt != 1 || r.Occurrence != 0 || r.PID == 0 {
					t.Fatalf("record %+v: %v", r, err)
				}
			}
			if r.Status == ipc.RecordFailed {
				if e, err := child.DecodeRecordedError(r.Payload); err != nil || r.Entry == "fails" && !errors.Is(e, errOdd) || r.Entry == "panics" && !e.Panic {
					t.Errorf("error %v of %s: %v", e, r.Entry, err)
				}
			}
		}
		want := map[string]int{
			"square " + ipc.RecordSucceeded.String(): n, "fails " + ipc.RecordSucceeded.String(): 2,
			"fails " + ipc.RecordFailed.String(): 1, "panics " + ipc.RecordFailed.String(): 1,
		}
		for k, n := range want {
			if seen[k] != n {
				t.Errorf("%d records %q, want %d (all: %v)", seen[k], k, n, seen)
			}
		}
		o.Resume = false
		if _, err := supervisor.NewPool(testContext(t), o); !errors.Is(err, fs.ErrExist) || !errors.Is(err, supervisor.ErrResultsFile) {
			t.Errorf("a file that exists: %v", err)
		}
	})
}

// After inputs were added, removed and put in another order, exactly the new
// ones run, and those that failed.
func TestResume(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		dir := t.TempDir()
		log := filepath.Join(dir, "log")
		o.ResultsFile, o.Resume = filepath.Join(dir, "results"), true
		run := func(words ...string) (ran []string) {
			t.Helper()
			before := len(signed(log))
			resumable(t, o, func(p *supervisor.Pool) {
				got, err := supervisor.Map(testContext(t), p, tallied, tallies(log, words...))
				for i, w := range words {
					want := strings.ToUpper(w)
					if strings.HasPrefix(w, "bad") {
						want = ""
					}
					if got[i] != want {
						t.Errorf("result %d of %q is %q", i, w, got[i])
					}
				}
				if bad := slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "bad") }); bad != errors.Is(err, errOdd) {
					t.Errorf("error %v", err)
				}
				if s := p.Stats(); int(s.Resumed)+int(s.Tasks) != len(words) {
					t.Errorf("stats %+v for %d tasks", s, len(words))
				}
			})
			ran = signed(log)[before:]
			slices.Sort(ran)
			return ran
		}
		for _, row := range []struct {
			words, ran []string
		}{
			{[]string{"a", "b", "c", "bad1"}, []string{"a", "b", "bad1", "c"}},
			{[]string{"a", "b", "c", "bad1"}, []string{"bad1"}},
			{[]string{"new", "c", "a", "b", "bad1", "other"}, []string{"bad1", "new", "other"}},
			{[]string{"b"}, nil},
			{[]string{"a", "a", "b", "a"}, []string{"a", "a"}}, // two more of a kind
			{[]string{"a", "b", "a", "a", "a"}, []string{"a"}},
			{nil, nil},
		} {
			if got := run(row.words...); !slices.Equal(got, row.ran) {
				t.Errorf("%v ran %v, want %v", row.words, got, row.ran)
			}
		}
	})
}

// Every way to call is resumed, and jobs of other names are other calls.
func TestResumeEveryCall(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		dir := t.TempDir()
		log := filepath.Join(dir, "log")
		o.ResultsFile, o.Resume = filepath.Join(dir, "results"), true
		var args []tally
		for i := range 500 {
			args = append(args, tally{log, fmt.Sprintf("w%d", i)})
		}
		calls := []func(p *supervisor.Pool){
			func(p *supervisor.Pool) {
				i := 0
				for v, err := range supervisor.IMap(testContext(t), p, tallied, slices.Values(args)) {
					if err != nil || v != strings.ToUpper(args[i].Word) {
						t.Fatalf("%d: %q, %v", i, v, err)
					}
					i++
				}
				if i != len(args) {
					t.Errorf("%d results", i)
				}
			},
			func(p *supervisor.Pool) {
				p = p.With(supervisor.CallOptions{Job: "unordered"})
				n := 0
				for range supervisor.IMapUnordered(testContext(t), p, tallied, slices.Values(args)) {
					n++
				}
				if n != len(args) {
					t.Errorf("%d results", n)
				}
			},
			func(p *supervisor.Pool) {
				p = p.With(supervisor.CallOptions{Job: "one"})
				v, err := supervisor.Apply(testContext(t), p, tallied, args[3])
				if err != nil || v != "W3" {
					t.Errorf("%q, %v", v, err)
				}
				v, err = supervisor.ApplyAsync(testContext(t), p, tallied, args[4]).Get(testContext(t))
				if err != nil || v != "W4" {
					t.Errorf("%q, %v", v, err)
				}
			},
			func(p *supervisor.Pool) {
				p = p.With(supervisor.CallOptions{Job: "async"})
				v, err := supervisor.MapAsync(testContext(t), p, tallied, args[:50]).Get(testContext(t))
				if err != nil || v[49] != "W49" {
					t.Errorf("%q, %v", v, err)
				}
			},
		}
		const all = 500 + 500 + 2 + 50
		for i := range 2 {
			resumable(t, o, func(p *supervisor.Pool) {
				for _, call := range calls {
					call(p)
				}
				if s := p.Stats(); s.Resumed != uint64(i*all) || s.Interrupted != 0 {
					t.Errorf("run %d: stats %+v", i, s)
				}
			})
			if n := len(signed(log)); n != all {
				t.Errorf("after run %d: %d tasks ran, want %d", i, n, all)
			}
		}
	})
}

// A half of the results is there: the stream yields both kinds, and says which.
func TestResumeStream(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.ResultsFile, o.Resume = filepath.Join(t.TempDir(), "results"), true
		resumable(t, o, func(p *supervisor.Pool) {
			var some []int
			for i := range 1000 {
				if i%3 != 0 {
					some = append(some, i)
				}
			}
			if _, err := supervisor.Map(testContext(t), p, square, some); err != nil {
				t.Fatal(err)
			}
		})
		resumable(t, o, func(p *supervisor.Pool) {
			done := 0
			view := p.With(supervisor.CallOptions{OnProgress: func(d, _ int) { done = d }})
			n := 0
			for r, err := range supervisor.IMapResults(testContext(t), view, square, sure(slices.Values(ints(1000)))) {
				if err != nil || r.Err != nil || r.Value != r.Index*r.Index || r.Resumed != (r.Index%3 != 0) {
					t.Fatalf("%+v, %v", r, err)
				}
				n++
			}
			if n != 1000 || done != 1000 {
				t.Errorf("%d results, progress says %d", n, done)
			}
		})
	})
}

// Arguments with maps are encoded in any order and are the same all the same.
func TestResumeMaps(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.ResultsFile, o.Resume = filepath.Join(t.TempDir(), "results"), true
		arg := make(map[string]int)
		for i := range 50 {
			arg[fmt.Sprint(i)] = i
		}
		for i := range 4 {
			resumable(t, o, func(p *supervisor.Pool) {
				if n, err := supervisor.Apply(testContext(t), p, counts, arg); n != 50 || err != nil {
					t.Fatal(n, err)
				}
				if got := p.Stats().Resumed; (got == 1) != (i > 0) {
					t.Errorf("run %d: %d resumed", i, got)
				}
			})
		}
	})
}

var counts = child.Register("counts", func(_ context.Context, m map[string]int) (int, error) { return len(m), nil })

// verdict is a result that tells of success itself.
type verdict struct{ Status int }

func (v verdict) Succeeded() bool { return v.Status == 0 }

var judged = child.Register("judged", func(_ context.Context, a tally) (verdict, error) {
	sign(a.Path, a.Word)
	return verdict{len(a.Word) % 2}, nil
})

func TestResumeUnsuccessful(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		dir := t.TempDir()
		log := filepath.Join(dir, "log")
		o.ResultsFile, o.Resume = filepath.Join(dir, "results"), true
		for i, want := range [][]string{{"even", "odd"}, {"even", "odd", "odd"}} {
			resumable(t, o, func(p *supervisor.Pool) {
				got, err := supervisor.Map(testContext(t), p, judged, tallies(log, "even", "odd"))
				if err != nil || got[0].Status != 0 || got[1].Status != 1 {
					t.Fatal(got, err)
				}
			})
			ran := signed(log)
			slices.Sort(ran)
			if !slices.Equal(ran, want) {
				t.Errorf("after run %d: %v ran", i, ran)
			}
		}
		var seen []string
		for _, r := range records(t, o.ResultsFile) {
			seen = append(seen, r.Status.String())
		}
		slices.Sort(seen)
		want := []string{ipc.RecordSucceeded.String(), ipc.RecordUnsuccessful.String(), ipc.RecordUnsuccessful.String()}
		slices.Sort(want)
		if !slices.Equal(seen, want) {
			t.Errorf("records %v", seen)
		}
	})
}

// A worker that dies leaves the record of its task open; a retry closes the
// matter, and without one a resumed pool says how many were interrupted.
func TestResultsOfTheDead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "results")
	o := supervisor.PoolOptions{Processes: 2, ResultsFile: path, Resume: true}
	resumable(t, o, func(p *supervisor.Pool) {
		args := ints(100)
		for i := range args {
			if args[i]%10 == 5 {
				args[i] = -1
			}
		}
		_, err := supervisor.Map(testContext(t), p, killsItself, args)
		var m *supervisor.MapError
		if !errors.As(err, &m) || len(m.Errors) != 10 || !errors.Is(err, supervisor.ErrWorkerDied) {
			t.Fatal(err)
		}
	})
	count := make(map[ipc.RecordStatus]int)
	for _, r := range records(t, path) {
		count[r.Status]++
	}
	if count[ipc.RecordRunning] != 10 || count[ipc.RecordSucceeded] != 90 {
		t.Errorf("records %v", count)
	}
	resumable(t, o, func(p *supervisor.Pool) {
		if s := p.Stats(); s.Interrupted != 10 {
			t.Errorf("stats %+v", s)
		}
	})
}

// A file that somebody cuts off while the pool writes to it ends the call with
// an error, and neither a worker nor the program.
func TestResultsFileCutOff(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.ResultsFile = filepath.Join(t.TempDir(), "results")
		resumable(t, o, func(p *supervisor.Pool) {
			if _, err := supervisor.Map(testContext(t), p, square, ints(100)); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(o.ResultsFile, 64<<10); err != nil {
				t.Fatal(err)
			}
			_, err := supervisor.Map(testContext(t), p, square, ints(100))
			if !errors.Is(err, supervisor.ErrResultsFile) {
				t.Errorf("got %v", err)
			}
			if s := p.Stats(); s.Died != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	})
}

// returnsLate returns a value when its time is up, instead of an error.
var returnsLate = child.Register("returnsLate", func(ctx context.Context, n int) (int, error) {
	<-ctx.Done()
	return n, nil
})

// What a task returned after it was stopped is no success for a resumed run.
func TestResultsOfTheLate(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		path := filepath.Join(t.TempDir(), "results")
		o.ResultsFile, o.TaskTimeout = path, 20*time.Millisecond
		resumable(t, o, func(p *supervisor.Pool) {
			if _, err := supervisor.Apply(testContext(t), p, returnsLate, 3); !errors.Is(err, supervisor.ErrTaskTimeout) {
				t.Error(err)
			}
		})
		all := records(t, path)
		if len(all) != 1 || all[0].Status == ipc.RecordSucceeded {
			t.Errorf("records %+v", all)
		}
	})
}
