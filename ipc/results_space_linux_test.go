package ipc

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The helper gives the file 4 MiB of space in the way args[0] says, fills it up,
// and goes on when there is space again.
var _ = addHelper("resultsnospace", func(args []string) {
	dir := args[1]
	const space = 4 << 20
	skip := func(err error) {
		fmt.Println(err)
		os.Exit(exitSkip)
	}
	more := func() error { return nil }
	switch args[0] {
	case "tmpfs":
		if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			skip(err)
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", space)); err != nil {
			skip(err)
		}
		more = func() error {
			return unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", 2*space))
		}
	case "rlimit":
		signal.Ignore(syscall.SIGXFSZ)
		limit := unix.Rlimit{Cur: space, Max: 2 * space}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			skip(err)
		}
		more = func() error {
			limit.Cur = 2 * space
			return unix.Setrlimit(unix.RLIMIT_FSIZE, &limit)
		}
	}
	full := func(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) }
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	path := filepath.Join(dir, "r")
	f, err := OpenResults(path, ResultsOptions{New: true})
	must(err)
	w := f.NewWriter(1, 0)
	other := f.NewWriter(2, 0)
	first := testRecord(-1, 10)
	must(other.Begin(&first))

	var n int64
	for ; ; n++ {
		r := testRecord(n, 400) // which fits where Begin finds room
		err := w.Begin(&r)
		if full(err) {
			break
		}
		must(err)
		must(w.Commit(r.Payload, r.Status))
	}
	if n < 2000 || n > space/400 {
		panic(fmt.Sprintf("%d records fitted", n))
	}
	if end := f.end.Load(); end > space {
		panic(fmt.Sprintf("the end is %d: what was not got was not given back", end))
	}
	// A call that has begun and has no space for its result can still say so.
	if _, err := other.Room(2 << 20); !full(err) {
		panic(err)
	}
	if err := other.Commit(make([]byte, 2<<20), RecordSucceeded); !full(err) {
		panic(err)
	}
	must(other.Commit([]byte("no space"), RecordFailed))
	if g, err := OpenResults(filepath.Join(dir, "new"), ResultsOptions{}); args[0] == "tmpfs" && !full(err) {
		panic(fmt.Sprint(g, err))
	} else if _, err := os.Stat(filepath.Join(dir, "new")); args[0] == "tmpfs" && !errors.Is(err, os.ErrNotExist) {
		panic(fmt.Sprint("what could not be made was left behind: ", err))
	}
	check := func(n int) {
		report, err := f.Verify()
		if err != nil || report.Records != n || report.Running != 0 || report.Failed != 1 || report.Damaged != 0 || report.Truncated {
			panic(fmt.Sprintf("Verify = %+v, %v; want %d records", report, err, n))
		}
	}
	check(int(n) + 1)
	must(more())
	for range 1000 {
		r := testRecord(n, 400) // which fits where Begin finds room
		n++
		must(w.Begin(&r))
		must(w.Commit(r.Payload, r.Status))
	}
	check(int(n) + 1)
	must(errors.Join(w.Close(), other.Close(), f.Close()))
})

// A full disk is an error of the call that needed the space. What was committed
// is there, and writing goes on when there is space again.
func TestResultsNoSpace(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"tmpfs", "rlimit"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			cmd := helper(t, "resultsnospace", way, t.TempDir())
			if way == "tmpfs" {
				cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
			}
			out, err := cmd.Output()
			if errors.Is(err, syscall.EPERM) || cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == exitSkip {
				t.Skipf("%v %s", err, out)
			}
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
