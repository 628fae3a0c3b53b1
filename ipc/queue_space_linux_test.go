package ipc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"yunta/oslock/rundir"
)

// The helper gives the run directory 4 MiB, and fills it up in every way.
var _ = addHelper("memorynospace", func(args []string) {
	dir := args[0]
	skip := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(exitSkip)
		}
	}
	skip(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	skip(unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"))
	os.Setenv(rundir.Env, dir)
	os.Chmod(dir, 0o700)
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	full := func(what string, err error) {
		if !errors.Is(err, syscall.ENOSPC) {
			panic(fmt.Sprint(what, ": ", err))
		}
	}
	ctx := context.Background()
	_, err := CreateSharedMemory("large", 5<<20)
	full("a segment", err)
	if _, err := OpenSharedMemory("large"); !errors.Is(err, os.ErrNotExist) {
		panic(fmt.Sprint("what could not be made is there: ", err))
	}
	_, err = NewArray[int64](1<<20, ValueOptions{})
	full("an array", err)
	m, err := CreateSharedMemory("small", 1<<20)
	must(err)
	for i := range m.Bytes() {
		m.Bytes()[i] = 1 // it has its memory
	}
	must(errors.Join(m.Close(), m.Unlink()))

	q, err := NewQueue[[]byte](QueueOptions{})
	must(err)
	n := 0
	for ; err == nil; n++ {
		err = q.Put(ctx, testBytes(n, 10000))
	}
	n--
	full("a queue", err)
	if n < 250 || q.Len() != n {
		panic(fmt.Sprintf("%d items fitted, %d are there", n, q.Len()))
	}
	full("a large item", q.Put(ctx, make([]byte, 3<<20)))
	for i := range n {
		b, err := q.Get(ctx)
		must(err)
		if string(b) != string(testBytes(i, 10000)) {
			panic(fmt.Sprint("item ", i))
		}
	}
	for i := range 2 * n { // what was taken out made room
		must(q.Put(ctx, testBytes(i, 10000)))
		_, err := q.Get(ctx)
		must(err)
	}
	must(q.Detach())
	_, err = CreateSharedMemory("most", 3<<20)
	must(err)
})

// Memory that is full is an error of the call that needed it, and never a fault.
func TestMemoryNoSpace(t *testing.T) {
	t.Parallel()
	cmd := helper(t, "memorynospace", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.Output()
	if errors.Is(err, syscall.EPERM) || cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == exitSkip {
		t.Skipf("%v %s", err, out)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
