package oslock

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// lender takes a permit and lends its life to a command, which lives until it is killed.
var lender = newHelper("lender", func(h *helperIO, args []string) error {
	s, err := OpenSemaphore(args[0], 1, SemaphoreOptions{Undo: true})
	if err != nil {
		return err
	}
	if err := s.Acquire(context.Background()); err != nil {
		return err
	}
	life, err := Life()
	if err != nil {
		return err
	}
	job := exec.Command("sleep", "600") // not what reads: who waits for the helper closes its pipe
	job.ExtraFiles = []*os.File{life}
	if err := job.Start(); err != nil {
		return err
	}
	h.say("%d", job.Process.Pid)
	if err := job.Wait(); err == nil {
		return errors.New("the command ended by itself")
	}
	h.say("it was killed")
	exitWithTest(h)
	return nil
})

// lend starts a lender and returns it with the process id of its command, which is killed at the end of the test.
func lend(t *testing.T, path string) (*process, int) {
	t.Helper()
	p := lender.start(t, nil, path)
	pid, err := strconv.Atoi(p.line())
	if err != nil {
		t.Fatal(err)
	}
	return p, pid
}

func killStranger(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// The helper is killed, the command lives: the permit stays taken. Then the command is killed: it comes back.
func TestLifeOutlivesTheHelper(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := openSemaphore(t, path, 1, SemaphoreOptions{Undo: true})
	p, job := lend(t, path)
	p.cmd.Process.Kill()
	if err := p.cmd.Wait(); !diedBy(err, syscall.SIGKILL) {
		t.Fatalf("the helper: %v", err)
	}
	// It is reaped, so its own descriptors are closed: a death would show now.
	wantTryAcquire(t, s, false)
	wantValue(t, s, 0)
	killStranger(t, job)
	mustAcquire(t, s)
	mustRelease(t, s, 1)
	p.in.Close()
}

// The command is killed, the helper lives: the permit is the helper's still.
func TestLifeEndsWithTheLast(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := openSemaphore(t, path, 1, SemaphoreOptions{Undo: true})
	p, job := lend(t, path)
	killStranger(t, job)
	p.expect("it was killed")
	wantValue(t, s, 0)
	p.kill()
	mustAcquire(t, s)
	mustRelease(t, s, 1)
}

// lifeWatcher inherits a lender's life and ends it when it is told to.
var lifeWatcher = newHelper("lifeWatcher", func(h *helperIO, args []string) error {
	if len(args) > 0 { // the lender: it starts the other one in its place
		s, err := OpenSemaphore(args[0], 1, SemaphoreOptions{Undo: true})
		if err == nil {
			err = s.Acquire(context.Background())
		}
		if err != nil {
			return err
		}
		life, err := Life()
		if err != nil {
			return err
		}
		left := exec.Command("cat") // what is left behind, with the descriptor
		left.Stdin, left.ExtraFiles = os.Stdin, []*os.File{life}
		if err := left.Start(); err != nil {
			return err
		}
		next := exec.Command(os.Args[0])
		next.Stdin, next.Stdout, next.ExtraFiles = os.NewFile(3, "orders"), os.Stdout, []*os.File{life}
		return next.Start()
	}
	life := os.NewFile(3, "life")
	h.say("watching")
	if _, err := h.hear(); err != nil {
		return err
	}
	if err := EndLife(life); err != nil {
		return err
	}
	h.say("ended")
	return nil
})

// Who has inherited the descriptor ends what it stands for, though something left behind has it, too.
func TestEndLife(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := openSemaphore(t, path, 1, SemaphoreOptions{Undo: true})
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	p := lifeWatcher.prepare(t, exe, nil, path)
	p.cmd.ExtraFiles = []*os.File{r}
	p.begin()
	r.Close()
	p.expect("watching")
	state, err := p.cmd.Process.Wait()
	if err != nil || !state.Success() {
		t.Fatalf("the lender: %v, %v", state, err)
	}
	wantValue(t, s, 0)
	w.WriteString("end\n")
	p.expect("ended")
	mustAcquire(t, s)
	mustRelease(t, s, 1)
}

func TestEndLifeNotOwn(t *testing.T) {
	t.Parallel()
	life, err := Life()
	if err != nil {
		t.Fatal(err)
	}
	defer life.Close()
	if err := EndLife(life); err == nil {
		t.Error("a process ended its own life")
	}
}

// Each has a limit of its own.
func TestSemaphoreAcquireOf(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	a := openSemaphore(t, path, maxUndo, SemaphoreOptions{Undo: true})
	b := openSemaphore(t, path, maxUndo, SemaphoreOptions{Undo: true})
	try := func(s *Semaphore, limit int, want bool) {
		t.Helper()
		if got, err := s.TryAcquireOf(limit); got != want || err != nil {
			t.Fatalf("TryAcquireOf(%d) = %v, %v, want %v", limit, got, err, want)
		}
	}
	try(a, 1, true)
	try(b, 1, false)
	try(b, 2, true)
	try(a, 2, false)
	try(a, 3, true)
	all := after(func() error { return b.AcquireOf(soon(t), 1) })
	waiting(t, &b.h)
	mustRelease(t, a, 2)
	wantBlocked(t, all)
	mustRelease(t, b, 1)
	wantDone(t, all, nil)
	wantValue(t, a, maxUndo-1)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := a.AcquireOf(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the context", err)
	}
	mustRelease(t, a, 1)
}

func TestSemaphoreAcquireOfRefuses(t *testing.T) {
	t.Parallel()
	plain := openSemaphore(t, tempPath(t), 1, SemaphoreOptions{})
	if err := plain.AcquireOf(soon(t), 1); !errors.Is(err, ErrMismatch) {
		t.Errorf("got %v without undo, want ErrMismatch", err)
	}
	undo := openSemaphore(t, tempPath(t), 1, SemaphoreOptions{Undo: true})
	if _, err := undo.TryAcquireOf(0); !errors.Is(err, ErrValue) {
		t.Errorf("got %v for 0, want ErrValue", err)
	}
	if ok, err := undo.TryAcquireOf(100); !ok || err != nil {
		t.Errorf("a limit beyond the permits: %v, %v", ok, err)
	}
	mustRelease(t, undo, 1)
	undo.Close()
	if err := undo.AcquireOf(soon(t), 1); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v of a closed one, want ErrClosed", err)
	}
}

func TestUnlinkIdle(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	idle := func(want bool) {
		t.Helper()
		if got, err := UnlinkIdle(path); got != want || err != nil {
			t.Fatalf("UnlinkIdle = %v, %v, want %v", got, err, want)
		}
	}
	idle(false) // there is none
	s, err := OpenSemaphore(path, 2, SemaphoreOptions{Undo: true})
	if err != nil {
		t.Fatal(err)
	}
	idle(false) // it is open
	s.Close()
	// Somebody who has it not open has a permit.
	p, job := lend(t, path)
	p.cmd.Process.Kill()
	p.cmd.Wait()
	idle(false)
	killStranger(t, job)
	s = openSemaphore(t, path, 1, SemaphoreOptions{Undo: true})
	eventually(t, "the permit of a killed command comes back", func() bool { n, err := s.Value(); return err == nil && n == 2 })
	s.Close()
	idle(true)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file: %v", err)
	}
	p.in.Close()
	plain := openSemaphore(t, path, 1, SemaphoreOptions{})
	plain.Close()
	if _, err := UnlinkIdle(path); !errors.Is(err, ErrMismatch) {
		t.Errorf("got %v for one without undo, want ErrMismatch", err)
	}
	if _, err := UnlinkIdle(t.TempDir()); !errors.Is(err, ErrNotOurs) {
		t.Errorf("got %v for a folder, want ErrNotOurs", err)
	}
}
