package ipc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const exitSkip = 77 // what the helper exits with when the machine does not let it try

// The helper limits the space that its file can have, in the way args[0] says,
// and fills it up.
var _ = addHelper("nospace", func(args []string) {
	dir := args[1]
	const space = 4 << 20
	skip := func(err error) {
		fmt.Println(err)
		os.Exit(exitSkip)
	}
	switch args[0] {
	case "tmpfs":
		if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			skip(err)
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", space)); err != nil {
			skip(err)
		}
		os.Setenv("TMPDIR", dir)
	case "rlimit":
		signal.Ignore(syscall.SIGXFSZ)
		limit := unix.Rlimit{Cur: space, Max: space}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			skip(err)
		}
	}
	x, err := CreateExtents(ExtentOptions{ExtentSize: 64 << 10, Dir: args[2]})
	if err != nil {
		panic(err)
	}
	if args[0] == "tmpfs" && strings.HasPrefix(x.File().Name(), "memfd:") {
		skip(errors.New("a memfd is on no file system that could be full"))
	}
	full := func(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) }
	ctx := context.Background()

	// A large extent that is given back must not be lost for small ones.
	big, err := x.TakeUnbudgeted(1, 2<<20)
	if err != nil {
		panic(err)
	}
	x.Give(big.ID)
	var ids []uint32
	for {
		e, err := x.Take(ctx, 1, 64<<10)
		if err != nil {
			if !full(err) {
				panic(err)
			}
			break
		}
		for i := range e.Bytes { // every byte of it has memory
			e.Bytes[i] = 1
		}
		ids = append(ids, e.ID)
	}
	if len(ids) < 10 || len(ids) > space/(64<<10) {
		panic(fmt.Sprintf("%d extents fitted", len(ids)))
	}
	if v, err := x.permit.Value(); err != nil || v != int(x.head.budget)-len(ids) {
		panic(fmt.Sprintf("%d permits, %v: one was lost with the error", v, err))
	}

	// A writer that gets no extent keeps the one it has.
	x.Give(ids[0])
	w := x.NewRecordWriter(2)
	ref, err := w.Begin(ctx, 1)
	if err != nil {
		panic(err)
	}
	if _, err := w.Room(ctx, 3<<20); !full(err) {
		panic(err)
	}
	buf, err := w.Room(ctx, 3)
	if err != nil {
		panic(err)
	}
	if err := w.Commit(ctx, append(buf, "abc"...)); err != nil {
		panic(err)
	}
	w.End()
	r := x.NewRecordReader(ref)
	if _, n, body, _, err := r.Next(); n != 1 || string(body) != "abc" || err != nil {
		panic(fmt.Sprintf("%d %q %v", n, body, err))
	}
	r.Done()
	for _, id := range ids[1:] {
		x.Give(id)
	}
	x.ReclaimWriter(2)
	if v, err := x.permit.Value(); err != nil || v != int(x.head.budget) {
		panic(fmt.Sprintf("%d permits, %v", v, err))
	}
	if err := x.Close(); err != nil {
		panic(err)
	}
})

// No space left is an error of the call that needed it, and no fault later.
func TestExtentsNoSpace(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"tmpfs", "rlimit"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			cmd := helper(t, "nospace", way, t.TempDir(), t.TempDir())
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
