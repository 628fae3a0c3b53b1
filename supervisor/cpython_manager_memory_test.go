package supervisor_test

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"yunta/child/manager"
	"yunta/ipc"
	"yunta/supervisor"
)

// CPython's tests of its SharedMemoryManager, which here is any Manager.

// The signal goes to the server's process group, as Ctrl-C would if it were that of the terminal.
func TestCPython__TestSharedMemory_test_shared_memory_SharedMemoryServer_ignores_sigint(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	m := newManager(t, supervisor.ManagerOptions{})
	for range 3 {
		noError(t, m.Process().Signal(syscall.SIGINT))
		made[*ipc.SharedMemory](t)(manager.NewSharedMemory(ctx, m.Client(), "", 8)).Close() // it still serves
	}
	noError(t, m.Shutdown(ctx))
	wantEnded(t, m)
}

// There is no tracker to reuse. What is kept of the row is its point: a manager's whole life in a program of its own
// prints nothing, and leaves nothing.
var managedLife = helper("managedLife", func([]string) int {
	ctx := helperContext()
	m, err := supervisor.NewManager(ctx, supervisor.ManagerOptions{})
	must(err)
	l, err := manager.NewShareableList(ctx, m.Client(), "", ipcInts(10)...)
	must(err)
	if v, err := l.At(3); v != 3 || err != nil {
		must(errors.Join(errors.New("the list is wrong"), err))
	}
	must(errors.Join(l.Close(), m.Close()))
	return 0
})

func ipcInts(n int) (out []any) {
	for i := range n {
		out = append(out, i)
	}
	return out
}

func TestCPython__TestSharedMemory_test_shared_memory_SharedMemoryManager_reuses_resource_tracker(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	p := command(t, managedLife)
	p.Env = append(p.Env, "YUNTA_DIR="+dir)
	p.start()
	if status := p.wait(); status != 0 || p.stderr.String() != "" {
		t.Errorf("exit status %d, stderr %q", status, p.stderr.String())
	}
	if left := runFolders(t, dir); len(left) > 0 {
		t.Errorf("left in the run directory: %v", left)
	}
	p.gone()
}

// A Manager that was not started is the zero one.
func TestCPython__TestSharedMemory_test_shared_memory_SharedMemoryManager_basics(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	var none supervisor.Manager
	if _, err := manager.NewSharedMemory(ctx, none.Client(), "", 9*8); !errors.Is(err, ipc.ErrClosed) {
		t.Errorf("memory of a manager that was not started: %v", err)
	}
	for _, err := range []error{none.Shutdown(ctx), none.Wait(ctx)} {
		if !errors.Is(err, supervisor.ErrNotStarted) {
			t.Errorf("a manager that was not started: %v", err)
		}
	}
	m := newManager(t, supervisor.ManagerOptions{})
	lives := func() (names []string) {
		c := m.Client()
		list := made[*ipc.ShareableList](t)(manager.NewShareableList(ctx, c, "", ipcInts(10)...))
		blocks := made[*ipc.SharedMemory](t)(manager.NewSharedMemory(ctx, c, "", 8))
		defer list.Close()
		defer blocks.Close()
		blocks.Bytes()[0] = 7
		same := made[*ipc.SharedMemory](t)(ipc.OpenSharedMemory(blocks.Name()))
		defer same.Close()
		if same.Bytes()[0] != 7 {
			t.Error("attached by name it is another")
		}
		also := made[*ipc.ShareableList](t)(ipc.OpenShareableList(list.Name()))
		defer also.Close()
		return []string{list.Name(), blocks.Name()}
	}
	names := lives()
	for _, name := range names {
		// Nobody here has it open any more, and it is there all the same.
		made[*ipc.SharedMemory](t)(ipc.OpenSharedMemory(name)).Close()
	}
	noError(t, m.Shutdown(ctx))
	gone := func(names []string) {
		t.Helper()
		for _, name := range names {
			if _, err := ipc.OpenSharedMemory(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s after the manager's end: %v", name, err)
			}
		}
	}
	gone(names)
	if _, err := manager.NewSharedMemory(ctx, m.Client(), "", 8); !errors.Is(err, ipc.ErrClosed) {
		t.Errorf("memory of a manager that was shut down: %v", err)
	}

	// The same in a scope, and for a server that is killed.
	func() {
		m = newManager(t, supervisor.ManagerOptions{})
		defer m.Close()
		names = lives()
	}()
	gone(names)
	killed, err := supervisor.NewManager(context.Background(), supervisor.ManagerOptions{})
	noError(t, err)
	m = killed
	names = lives()
	noError(t, m.Process().Kill())
	<-m.Done()
	gone(names)
	if code, _ := m.Process().ExitCode(); code != -int(syscall.SIGKILL) {
		t.Errorf("exit code %d", code)
	}
}
