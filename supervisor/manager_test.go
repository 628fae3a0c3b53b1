package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/child/manager"
	"yunta/ipc"
	"yunta/oslock/rundir"
	"yunta/supervisor"
)

// A server in this process is used in the same way, by children too.
func TestManagerModels(t *testing.T) {
	t.Parallel()
	for _, model := range []supervisor.Model{supervisor.Processes, supervisor.Goroutines} {
		t.Run(model.String(), func(t *testing.T) {
			t.Parallel()
			ctx := testContext(t)
			m := newManager(t, supervisor.ManagerOptions{Model: model})
			d := made[*manager.Dict[string, int]](t)(manager.NewDict[string, int](ctx, m.Client(), nil))
			inChild(t, countFruit, d)
			if n, err := d.Get(ctx, "apples"); n != 1000 || err != nil {
				t.Errorf("counted %d, %v", n, err)
			}
			stats, err := m.Client().Stats(ctx)
			noError(t, err)
			if here := stats.PID == os.Getpid(); here != (model == supervisor.Goroutines) || here != (m.Process() == nil) {
				t.Errorf("the server is process %d", stats.PID)
			}
			if len(m.AuthKey()) == 0 || m.Addr().Network() != "unix" {
				t.Errorf("key %q, address %v", m.AuthKey(), m.Addr())
			}
			noError(t, m.Shutdown(ctx), m.Wait(ctx), m.Shutdown(ctx))
			if err := m.Client().Ping(ctx); !errors.Is(err, ipc.ErrClosed) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

func TestManagerOptions(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	ended, cancel := context.WithCancelCause(ctx)
	cancel(errSayWhen)
	for name, test := range map[string]struct {
		ctx  context.Context
		o    supervisor.ManagerOptions
		want string
	}{
		"model":       {ctx, supervisor.ManagerOptions{Model: 7}, "Model is 7"},
		"grace":       {ctx, supervisor.ManagerOptions{Grace: -1}, "Grace is -1ns"},
		"network":     {ctx, supervisor.ManagerOptions{Network: "udp", Stderr: io.Discard}, `"udp" is neither unix nor tcp`},
		"initializer": {ctx, supervisor.ManagerOptions{Initializer: managerInitBad.Bind(1), Model: supervisor.Goroutines}, errOdd.Error()},
		"context":     {ended, supervisor.ManagerOptions{}, errSayWhen.Error()},
		"twin":        {ended, supervisor.ManagerOptions{Model: supervisor.Goroutines}, errSayWhen.Error()},
	} {
		_, err := supervisor.NewManager(test.ctx, test.o)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// A server that dies before it takes clients is an error, with how it died.
func TestManagerDiesAtStart(t *testing.T) {
	t.Parallel()
	_, err := supervisor.NewManager(testContext(t), supervisor.ManagerOptions{Initializer: exit.Bind(3), Stderr: io.Discard})
	var how *supervisor.ExitError
	if !errors.As(err, &how) || how.Code != 3 {
		t.Errorf("%v, want exit status 3", err)
	}
}

func TestManagerEndsWithContext(t *testing.T) {
	t.Parallel()
	for _, model := range []supervisor.Model{supervisor.Processes, supervisor.Goroutines} {
		ctx, cancel := context.WithCancel(testContext(t))
		m, err := supervisor.NewManager(ctx, supervisor.ManagerOptions{Model: model})
		noError(t, err)
		q := made[*manager.Queue[int]](t)(manager.NewQueue[int](ctx, m.Client(), manager.QueueOptions{}))
		got := make(chan error, 1)
		go func() {
			_, err := q.Get(context.Background())
			got <- err
		}()
		cancel()
		if err := <-got; !errors.Is(err, manager.ErrLost) {
			t.Errorf("%v: a call that waited: %v", model, err)
		}
		noError(t, m.Wait(testContext(t)), m.Close())
	}
}

// A server that is stopped answers nobody: Shutdown ends it all the same, and says how.
func TestManagerStuck(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	m, err := supervisor.NewManager(ctx, supervisor.ManagerOptions{Grace: 20 * time.Millisecond})
	noError(t, err)
	noError(t, m.Process().Signal(syscall.SIGSTOP))
	var how *supervisor.ExitError
	if err := m.Shutdown(ctx); !errors.As(err, &how) || how.Signal == 0 {
		t.Errorf("%v, want the signal that ended it", err)
	}
}

// ownsManager starts a manager, says which process it is, and waits to be killed.
var ownsManager = helper("ownsManager", func([]string) int {
	ctx := helperContext()
	m, err := supervisor.NewManager(ctx, supervisor.ManagerOptions{})
	must(err)
	s, err := manager.NewSharedMemory(ctx, m.Client(), "", 8)
	must(err)
	fmt.Println("runs", s.Name(), m.Process().PID())
	<-ctx.Done()
	return 1
})

// The server ends with its owner, however that ends, and what it kept is gone.
func TestManagerOwnerKilled(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	p := command(t, ownsManager)
	p.Env = append(p.Env, "YUNTA_DIR="+dir)
	p.start()
	said := strings.Fields(p.say("runs"))
	pid, err := strconv.Atoi(said[1])
	noError(t, err)
	if !alive(pid) {
		t.Error("there is no server")
	}
	p.kill()
	p.gone()
	if alive(pid) {
		t.Error("the server outlives its owner")
	}
	// The next that makes a folder there sweeps what the two have left.
	next, err := rundir.CreateIn(dir, "next")
	noError(t, err, next.Close())
	if left := runFolders(t, dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

var lockedWorker = child.Register("lockedWorker", func(ctx context.Context, l *manager.Lock) (int, error) {
	if err := l.Lock(ctx); err != nil {
		return 0, err
	}
	return 0, child.ExitStatus(7) // and no unlock
})

// Proxies travel in the arguments of tasks, too; a worker that dies with a lock gives it back.
func TestManagerProxyInTask(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	m := newManager(t, supervisor.ManagerOptions{})
	d := made[*manager.Dict[string, int]](t)(manager.NewDict[string, int](ctx, m.Client(), nil))
	pool := newPool(t, supervisor.PoolOptions{Processes: 2})
	tasks := make([]*manager.Dict[string, int], 8)
	for i := range tasks {
		tasks[i] = d
	}
	if _, err := supervisor.Map(ctx, pool, countFruit, tasks); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Get(ctx, "apples"); n != 8000 || err != nil {
		t.Errorf("counted %d, %v", n, err)
	}
	l := made[*manager.Lock](t)(manager.NewLock(ctx, m.Client()))
	p := supervisor.NewProcess(lockedWorker, l, supervisor.ProcessOptions{})
	noError(t, p.Start(ctx))
	if err := p.Wait(ctx); err == nil {
		t.Error("the child ended with status 0")
	}
	noError(t, l.Lock(ctx), l.Unlock(ctx))
}

func TestManagedPoolFails(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	m := newManager(t, supervisor.ManagerOptions{Stderr: io.Discard})
	child.RegisterError(errOdd)
	p := made[*supervisor.ManagedPool](t)(supervisor.NewManagedPool(ctx, m.Client(), supervisor.ManagedPoolOptions{Processes: 2}))
	got, err := supervisor.ManagedMap(ctx, p, fails, []int{0, 1, 2, 3})
	var failed *supervisor.MapError
	if !errors.As(err, &failed) || len(failed.Errors) != 2 || failed.Errors[1].Index != 3 || !errors.Is(err, errOdd) || got[2] != 2 {
		t.Errorf("%v, %v", got, err)
	}
	_, err = supervisor.ManagedApply(ctx, p, exit, 3)
	var task *supervisor.TaskError
	if !errors.As(err, &task) || !errors.Is(err, supervisor.ErrWorkerDied) {
		t.Errorf("a worker that died: %v", err)
	}
	_, err = supervisor.ManagedApply(ctx, p, panics, "ouch")
	var remote *supervisor.RemoteError
	if !errors.As(err, &remote) || !remote.Panic || remote.Message != "ouch" || remote.Error() != "panic: ouch" {
		t.Errorf("a panic: %#v", err)
	}
	sub, cancel := context.WithCancel(ctx)
	path := t.TempDir() + "/signed"
	done := make(chan error, 1)
	go func() {
		_, err := supervisor.ManagedApply(sub, p, waits, path)
		done <- err
	}()
	waitSigned(t, path, 1)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if n, err := supervisor.ManagedApply(ctx, p, square, 5); n != 25 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := supervisor.NewManagedPool(ctx, m.Client(), supervisor.ManagedPoolOptions{Processes: -1}); err == nil {
		t.Error("a pool of -1 processes")
	}
	noError(t, p.Close(ctx))
}
