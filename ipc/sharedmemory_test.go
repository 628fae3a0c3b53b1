package ipc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yunta/oslock"
	"yunta/oslock/rundir"
)

// other is another process, which does what it is told, a line a deed, and answers a line each.
type other struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startOther starts a helper that talks. It is killed at the end of the test.
func startOther(t testing.TB, name string, args ...string) *other {
	t.Helper()
	return startCommand(t, helper(t, name, args...))
}

func startCommand(t testing.TB, cmd *exec.Cmd) *other {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o := &other{t, cmd, in, bufio.NewReader(out)}
	t.Cleanup(o.kill)
	return o
}

func (o *other) kill() {
	o.cmd.Process.Kill()
	o.cmd.Wait()
}

// end closes its input, which ends it, and waits.
func (o *other) end() {
	o.t.Helper()
	o.in.Close()
	if err := o.cmd.Wait(); err != nil {
		o.t.Errorf("%v: %v", o.cmd.Args[1:], err)
	}
}

func (o *other) ask(format string, args ...any) string {
	o.t.Helper()
	if _, err := fmt.Fprintf(o.in, format+"\n", args...); err != nil {
		o.t.Fatal(err)
	}
	return o.hear()
}

func (o *other) hear() string {
	o.t.Helper()
	line, err := o.out.ReadString('\n')
	if err != nil {
		o.t.Fatalf("%v: %v", o.cmd.Args[1:], err)
	}
	return strings.TrimSuffix(line, "\n")
}

// conversation is the helper's side.
func conversation(answer func(words []string) string) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Println(answer(strings.Fields(lines.Text())))
	}
}

// said makes an error one word.
func said(err error) string {
	for name, e := range map[string]error{
		"exist": fs.ErrExist, "notexist": fs.ErrNotExist, "died": oslock.ErrOwnerDied, "closed": ErrClosed, "empty": ErrEmpty, "full": ErrFull,
	} {
		if errors.Is(err, e) {
			return name
		}
	}
	if err == nil {
		return "ok"
	}
	return err.Error()
}

var _ = addHelper("memory", func([]string) {
	made := map[string]*SharedMemory{}
	conversation(func(w []string) string {
		m := made[w[1]]
		var err error
		switch w[0] {
		case "create":
			made[w[1]], err = CreateSharedMemory(w[1], 4096)
		case "open":
			made[w[1]], err = OpenSharedMemory(w[1])
		case "openfile":
			made[w[1]], err = OpenSharedMemoryHandle(Handle{File: w[1]})
		case "file":
			return m.Handle().File
		case "write":
			copy(m.Bytes(), w[2])
		case "read":
			b, _, _ := strings.Cut(string(m.Bytes()), "\x00")
			return b
		case "close":
			err = m.Close()
		case "unlink":
			err = m.Unlink()
		}
		return said(err)
	})
})

func uniqueName(t testing.TB) string {
	return strings.NewReplacer("/", "-", ":", "-").Replace(t.Name()) + randomName()[6:]
}

func wantSaid(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestSharedMemory(t *testing.T) {
	t.Parallel()
	name := uniqueName(t)
	m, err := CreateSharedMemory(name, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Name() != name || m.Size() != 100 || len(m.Bytes()) != 100 {
		t.Errorf("%q of %d bytes", m.Name(), m.Size())
	}
	if _, err := CreateSharedMemory(name, 1); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created again: %v", err)
	}
	p := startOther(t, "memory")
	wantSaid(t, p.ask("create %s", name), "exist")
	wantSaid(t, p.ask("open %s", name), "ok")
	wantSaid(t, p.ask("write %s hello", name), "ok")
	if got := string(m.Bytes()[:6]); got != "hello\x00" {
		t.Errorf("read %q", got)
	}
	copy(m.Bytes(), "HE")
	wantSaid(t, p.ask("read %s", name), "HEllo")
	wantSaid(t, p.ask("openfile %s", m.Handle().File), "ok")
	wantSaid(t, p.ask("read %s", m.Handle().File), "HEllo")
	if err := m.Unlink(); err != nil {
		t.Error(err)
	}
	if err := m.Unlink(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unlinked again: %v", err)
	}
	wantSaid(t, p.ask("read %s", name), "HEllo") // it still has it
	wantSaid(t, p.ask("openfile %s", m.Handle().File), "notexist")
	wantSaid(t, p.ask("unlink %s", name), "notexist")
	wantSaid(t, p.ask("create %s", name), "ok")
	p.end()
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	if m.Bytes() != nil || m.Size() != 0 {
		t.Error("there are bytes after Close")
	}
}

// Row 12 of the pains: neither the exit nor the death of those who opened a segment removes it, and both of its
// maker do.
func TestSharedMemoryLivesAsItsMaker(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"exits", "is killed"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			name := uniqueName(t)
			leave := (*other).end
			if how == "is killed" {
				leave = (*other).kill
			}
			maker, reader := startOther(t, "memory"), startOther(t, "memory")
			wantSaid(t, maker.ask("create %s", name), "ok")
			wantSaid(t, maker.ask("write %s hello", name), "ok")
			file := maker.ask("file %s", name)
			wantSaid(t, reader.ask("open %s", name), "ok")
			leave(reader)
			m, err := OpenSharedMemory(name)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			leave(maker)
			if _, err := OpenSharedMemory(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("opened after its maker: %v", err)
			}
			if _, err := OpenSharedMemoryHandle(Handle{File: file}); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("opened by handle after its maker: %v", err)
			}
			if got := string(m.Bytes()[:5]); got != "hello" {
				t.Errorf("who has it open reads %q", got)
			}
			// The name is free, and a sweep removes what is left.
			again, err := CreateSharedMemory(name, 10)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Unlink()
			defer again.Close()
			if again.Bytes()[0] != 0 {
				t.Error("a new segment is not zero")
			}
			if _, err := rundir.Sweep(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Dir(file)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after a sweep: %v", err)
			}
			if _, err := OpenSharedMemory(name); err != nil {
				t.Errorf("the new one: %v", err)
			}
		})
	}
}

// A process that dies at any step of making a segment leaves a name that can be made.
func TestSharedMemoryMakerDies(t *testing.T) {
	t.Parallel()
	name := uniqueName(t)
	for at := 1; ; at++ {
		cmd := helper(t, "memorydies", name, fmt.Sprint(at))
		out, err := cmd.Output()
		m, cerr := CreateSharedMemory(name, 1<<20)
		if cerr != nil {
			t.Fatalf("step %d: %v", at, cerr)
		}
		if _, err := OpenSharedMemory(name); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(m.Unlink(), m.Close()); err != nil {
			t.Fatal(err)
		}
		if err == nil {
			if at < 6 {
				t.Errorf("it died at %d steps only", at-1)
			}
			wantSaid(t, strings.TrimSpace(string(out)), "made")
			return
		}
	}
}

var _ = addHelper("memorydies", func(args []string) {
	dieAtStep(args[1])
	if _, err := CreateSharedMemory(args[0], 1<<20); err != nil {
		panic(err)
	}
	fmt.Println("made")
})

// dieAtStep makes this process kill itself at the n-th step from now, counted from 1; "0": never.
func dieAtStep(n string) {
	var at, steps int
	fmt.Sscan(n, &at)
	testHookStep = func(string) {
		if steps++; steps == at {
			killSelf()
		}
	}
}

func killSelf() {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		panic(err)
	}
	self.Kill()
	select {}
}

func TestSharedMemoryPath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "segment")
	p := startOther(t, "memory")
	wantSaid(t, p.ask("create %s", path), "ok")
	wantSaid(t, p.ask("write %s kept", path), "ok")
	p.kill()
	if _, err := CreateSharedMemory(path, 1); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created again: %v", err)
	}
	m, err := OpenSharedMemory(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(m.Bytes()[:4]); got != "kept" {
		t.Errorf("read %q", got)
	}
	if err := errors.Join(m.Unlink(), m.Close()); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
	if _, err := OpenSharedMemory(filepath.Dir(path)); err == nil {
		t.Error("a folder was opened")
	}
}

func TestSharedMemoryBadNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"..", ".", ".hidden", "nul\x00", strings.Repeat("x", 201), strings.Repeat("x", 5000)} {
		if _, err := CreateSharedMemory(name, 1); !errors.Is(err, oslock.ErrName) {
			t.Errorf("create %.20q: %v", name, err)
		}
		if _, err := OpenSharedMemory(name); !errors.Is(err, oslock.ErrName) {
			t.Errorf("open %.20q: %v", name, err)
		}
	}
	if _, err := OpenSharedMemory(""); !errors.Is(err, oslock.ErrName) {
		t.Errorf("open without a name: %v", err)
	}
	if _, err := OpenSharedMemoryHandle(Handle{}); err == nil {
		t.Error("a handle of nothing was opened")
	}
	m, err := CreateSharedMemory(strings.Repeat("x", 200), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Unlink(), m.Close()); err != nil {
		t.Error(err)
	}
}

// Many processes and goroutines want one name at the same time: one gets it.
func TestSharedMemoryOneMaker(t *testing.T) {
	t.Parallel()
	others := []*other{startOther(t, "memory"), startOther(t, "memory"), startOther(t, "memory")}
	for range 20 {
		name := uniqueName(t)
		for _, p := range others {
			fmt.Fprintln(p.in, "create", name)
		}
		answers := make(chan error, 4)
		for range 4 {
			go func() {
				m, err := CreateSharedMemory(name, 10)
				if err == nil {
					defer m.Close()
				}
				answers <- err
			}()
		}
		made := 0
		for range 4 {
			if err := <-answers; err == nil {
				made++
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		}
		for _, p := range others {
			if p.hear() == "ok" {
				made++
			}
		}
		if made != 1 {
			t.Errorf("%d processes made it", made)
		}
		m, err := OpenSharedMemory(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(m.Unlink(), m.Close()); err != nil {
			t.Error(err)
		}
	}
}

// soon is a context that ends when a test hangs.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
