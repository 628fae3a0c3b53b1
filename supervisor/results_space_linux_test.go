package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"yunta/child"
	"yunta/supervisor"
)

const exitSkip = 77 // what a helper exits with when the machine does not let it try

// block is 8 KiB that its number fills.
var block = child.Register("block", func(_ context.Context, n int) ([]byte, error) {
	return bytes.Repeat([]byte{byte(n)}, 8<<10), nil
})

// cramped fills a small file system with results, makes room, and goes on.
var cramped = helper("cramped", func(args []string) int {
	dir := args[0]
	mount := func(flags uintptr, size string) {
		if err := unix.Mount("tmpfs", dir, "tmpfs", flags, "size="+size); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitSkip)
		}
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitSkip
	}
	mount(0, "4m")
	ctx := helperContext()
	o := supervisor.PoolOptions{Processes: 2, ResultsFile: filepath.Join(dir, "results"), Resume: true}
	if args[1] == "goroutines" {
		o.Model = supervisor.Goroutines
	}
	const n = 2000 // 16 MiB
	run := func() ([][]byte, supervisor.Stats, error) {
		p, err := supervisor.NewPool(ctx, o)
		must(err)
		got, err := supervisor.Map(ctx, p, block, ints(n))
		must(p.Close())
		must(p.Wait(ctx))
		return got, p.Stats(), err
	}
	for i := range 2 { // full is full, the second time too
		_, s, err := run()
		var m *supervisor.MapError
		if !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, supervisor.ErrResultsFile) || !errors.As(err, &m) || len(m.Unfinished) == 0 {
			must(fmt.Errorf("run %d: %v", i, err))
		}
		if done := s.Resumed + s.Tasks - s.Failed; done < 200 || done > 512 {
			must(fmt.Errorf("run %d: stats %+v", i, s))
		}
	}
	mount(unix.MS_REMOUNT, "64m")
	got, s, err := run()
	must(err)
	for i, b := range got {
		if len(b) != 8<<10 || b[0] != byte(i) || b[8<<10-1] != byte(i) {
			must(fmt.Errorf("result %d is wrong", i))
		}
	}
	if s.Resumed < 200 || s.Resumed+s.Tasks != n {
		must(fmt.Errorf("stats %+v", s))
	}
	return 0
})

// A full disk ends the call with a clear error, what was recorded is kept, and
// the run is resumed when there is room again.
func TestResultsFileOnAFullDisk(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"processes", "goroutines"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			p := command(t, cramped, t.TempDir(), model)
			p.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
			if err := p.Start(); errors.Is(err, syscall.EPERM) {
				t.Skipf("a mount namespace of one's own: %v", err)
			} else if err != nil {
				t.Fatal(err)
			}
			err := p.Wait()
			if p.ProcessState.ExitCode() == exitSkip {
				t.Skipf("mounting a small file system: %s", p.stderr.String())
			}
			if err != nil {
				t.Errorf("%v; stderr:\n%s", err, p.stderr.String())
			}
		})
	}
}
