package top

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"yunta/supervisor"
)

var update = flag.Bool("update", false, "write what is drawn into the golden files")

// noon is when the fake snapshot was taken.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

func seen(cpu float64, pss, rss int64, last int) Usage {
	return Usage{Found: true, CPU: cpu, PSS: pss << 20, RSS: rss << 20, LastCPU: last, Parent: 8120, State: 'S', Command: "build", begun: 1}
}

// fake is a snapshot with something of everything.
func fake() Snapshot {
	w := func(i, pid int, state string) supervisor.BoardWorker {
		return supervisor.BoardWorker{Worker: i, PID: pid, CPU: i, State: state, Done: uint64(2500 - 60*i), Started: ago(2 * time.Second), Entry: "thumbnail", Job: 2, Task: uint64(9813 + i)}
	}
	running, waiting, owner, dead := w(0, 8123, "running"), w(1, 8124, "running"), w(2, 8131, "running"), w(3, 8132, "dead")
	waiting.WaitsFor, waiting.Owner, waiting.Since, waiting.Started = "…hm/yunta-1000/cache", 8131, ago(800*time.Millisecond), ago(3*time.Minute)
	owner.WaitsFor, owner.Owner, owner.Since = "/var/lib/app/index.lock", 8124, ago(900*time.Millisecond)
	owner.Failed, owner.Restarts, owner.CPU = 1, 2, -1
	dead.Failed, dead.Restarts = 12, 120
	feed := supervisor.BoardWorker{Worker: 0, PID: 8210, CPU: -1, State: "idle", Entry: "lese/日本語-ファイル", Done: 88_004_123, Started: ago(time.Hour)}
	unused := supervisor.BoardWorker{Worker: 1, CPU: -1, State: "unused"}
	return Snapshot{
		At: noon, Self: 0.4,
		Supervisors: []Supervisor{
			{
				Board: supervisor.Board{PID: 8120, Name: "build", Program: "imgserver", Started: ago(4*time.Minute + 2*time.Second)},
				Usage: seen(3, 20, 31, 1),
				Workers: []Worker{
					{running, seen(94, 24, 35, 0)},
					{waiting, seen(0, 22, 33, 1)},
					{owner, seen(88, 27, 36, 0)},
					{dead, unknown},
				},
			},
			{
				Board:   supervisor.Board{PID: 8201, Name: "feed", Program: "crawl", Started: ago(11 * time.Hour)},
				Usage:   seen(2, 1400, 1700, 0),
				Workers: []Worker{{feed, seen(1, 900, 1000, 1)}, {unused, unknown}},
			},
			{
				Board: supervisor.Board{PID: 77, Name: "old", Program: "legacy", Started: ago(48 * time.Hour), Err: errors.New("board: version 1, want 2")},
				Usage: unknown,
			},
		},
		Deadlocks: []supervisor.Deadlock{{waiting, owner}},
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}
