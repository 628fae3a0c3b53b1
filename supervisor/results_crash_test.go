package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/ipc"
	"yunta/supervisor"
)

// executed signs that task Index has begun.
type execution struct {
	Path  string
	Index int
}

var executed = child.Register("executed", func(_ context.Context, a execution) (int, error) {
	sign(a.Path, strconv.Itoa(a.Index))
	time.Sleep(time.Millisecond) // work, in which it may be killed
	for fileSize(a.Path) > fileSize(a.Path+".gate") {
		time.Sleep(time.Millisecond)
	}
	return 3 * a.Index, nil
})

// fileSize is that of a file, 0 if there is none.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

const crashTasks = 4000

func executions(path string) []execution {
	out := make([]execution, crashTasks)
	for i := range out {
		out[i] = execution{path, i}
	}
	return out
}

// resumer runs the tasks that are not done yet, and says what became of them.
var resumer = helper("resumer", func(args []string) int {
	log, results := args[0], args[1]
	ctx := helperContext()
	p, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 2, ResultsFile: results, Resume: true})
	must(err)
	got, err := supervisor.Map(ctx, p, executed, executions(log))
	must(err)
	for i, v := range got {
		if v != 3*i {
			must(fmt.Errorf("result %d is %d", i, v))
		}
	}
	s := p.Stats()
	if s.Resumed+s.Tasks != crashTasks {
		must(fmt.Errorf("stats %+v", s))
	}
	must(p.Close())
	must(p.Wait(ctx))
	return 0
})

// Everything is killed at once, again and again, and resumed: in the end every
// task is done, and done once, but for those that are recorded as having been
// interrupted.
func TestResumeAfterEverythingWasKilled(t *testing.T) {
	t.Parallel()
	times := 100
	if raceEnabled {
		times = 20
	}
	rng := random(t)
	dir := t.TempDir()
	log, results := filepath.Join(dir, "log"), filepath.Join(dir, "results")
	kills := 0
	for range 100 * times {
		// On a busy machine the run must not be over before its time.
		most := int64(1 << 40)
		if kills < times/2 {
			most = fileSize(log) + int64(len("1234\n")*crashTasks/times)
		}
		if err := errors.Join(os.WriteFile(log+".gate", nil, 0o600), os.Truncate(log+".gate", most)); err != nil {
			t.Fatal(err)
		}
		p := command(t, resumer, log, results).start()
		more := len(signed(log)) + rng.IntN(crashTasks/times)
		waitFor(t, "tasks to run", func() bool {
			select {
			case <-p.exited:
				return true
			default:
				return len(signed(log)) >= more
			}
		})
		all := append(descendants(p.run), process{pid: p.Process.Pid})
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, x := range all {
			_ = syscall.Kill(x.pid, syscall.SIGKILL)
		}
		status := p.wait()
		p.gone()
		if status == 0 {
			break
		}
		if status > 0 {
			t.Fatalf("status %d; stderr:\n%s", status, p.stderr.String())
		}
		kills++
	}
	t.Logf("killed %d times", kills)
	if kills < times/2 {
		t.Errorf("only %d kills", kills)
	}

	ran := make([]int, crashTasks)
	for _, s := range signed(log) {
		i, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		ran[i]++
	}
	done, interrupted := make([]int, crashTasks), make([]int, crashTasks)
	for _, r := range records(t, results) {
		switch r.Status {
		case ipc.RecordSucceeded:
			done[r.Index]++
		case ipc.RecordRunning:
			interrupted[r.Index]++
		default:
			t.Errorf("record %+v", r)
		}
	}
	for i := range ran {
		if done[i] != 1 || ran[i] < 1 || ran[i] > 1+interrupted[i] {
			t.Errorf("task %d ran %d times, is done %d times and was interrupted %d times", i, ran[i], done[i], interrupted[i])
		}
	}
	if info, err := os.Stat(results); err != nil || info.Size() > 16<<20 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
}
