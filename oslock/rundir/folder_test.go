package rundir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestCreateListClose(t *testing.T) {
	root := private(t)
	before := time.Now()
	d, err := Create("my pool/../ünï")
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(d.Path()) != root || !strings.HasPrefix(filepath.Base(d.Path()), "run-my_pool_.._") {
		t.Errorf("path %s", d.Path())
	}
	list, err := List()
	if err != nil || len(list) != 1 {
		t.Fatalf("List() = %v, %v, want one folder", list, err)
	}
	f := list[0]
	if f.Path != d.Path() || f.PID != os.Getpid() || f.Program != filepath.Base(os.Args[0]) || f.Name != clean("my pool/../ünï") ||
		f.Started.Before(before) || f.Started.After(time.Now()) {
		t.Errorf("List() found %+v", f)
	}
	if n, err := Sweep(); n != 0 || err != nil {
		t.Errorf("Sweep() = %d, %v with one living folder, want 0", n, err)
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	}
	if got := entries(t, root); len(got) != 0 {
		t.Errorf("left after Close: %v", got)
	}
}

func TestCloseOfRemovedFolder(t *testing.T) {
	private(t)
	d, err := Create("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(d.Path()); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
}

// A process killed at any step of any operation leaves nothing that the next Create does not remove, and
// nothing living is removed.
func TestKilledAtEveryStep(t *testing.T) {
	for _, op := range []string{"create", "close", "sweep"} {
		t.Run(op, func(t *testing.T) {
			root := private(t)
			_, living := startLive(t, root)
			others := map[string]bool{filepath.Base(living): true}
			for _, name := range []string{"members", ".runner"} {
				if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
					t.Fatal(err)
				}
				others[name] = true
			}
			for _, name := range []string{"run-semaphore", ".run-lock", "lock"} {
				if err := os.WriteFile(filepath.Join(root, name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
				others[name] = true
			}
			steps := 0
			for ; ; steps++ {
				if op == "sweep" {
					leaveDead(t, root, 3)
				}
				err := helper(t, root, "kill", op, steps).Run()
				if op == "sweep" && err != nil {
					if err := helper(t, root, "kill", "sweep", 1000).Run(); err != nil {
						t.Fatalf("sweep after a killed sweep: %v", err)
					}
				}
				d, cerr := Create("next")
				if cerr != nil {
					t.Fatalf("step %d: Create: %v", steps, cerr)
				}
				if cerr := d.Close(); cerr != nil {
					t.Fatalf("step %d: Close: %v", steps, cerr)
				}
				for _, name := range entries(t, root) {
					if !others[name] {
						t.Errorf("step %d: left behind: %s", steps, name)
					}
				}
				if len(entries(t, root)) != len(others) {
					t.Errorf("step %d: entries %v, want all of %v", steps, entries(t, root), others)
				}
				if err == nil {
					break // there was no such step
				}
			}
			if steps < 5 {
				t.Errorf("only %d steps tried", steps)
			}
			if _, err := os.Stat(filepath.Join(living, aliveName)); err != nil {
				t.Errorf("the living folder was touched: %v", err)
			}
		})
	}
}

// leaveDead leaves n folders of a killed process.
func leaveDead(t *testing.T, root string, n int) {
	t.Helper()
	if err := helper(t, root, "churn", n, "die").Run(); err == nil {
		t.Error("the process that should have died did not")
	}
}

func TestSweepCountsTheDead(t *testing.T) {
	root := private(t)
	cmd, dead := startLive(t, root)
	_, living := startLive(t, root)
	if err := os.WriteFile(filepath.Join(dead, "board"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if list, err := List(); err != nil || len(list) != 1 || list[0].Path != living {
		t.Errorf("List() = %v, %v, want the living one alone", list, err)
	}
	d, err := Create("next")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Swept() != 1 {
		t.Errorf("Swept() = %d, want 1", d.Swept())
	}
	if got := entries(t, root); !slices.Contains(got, filepath.Base(living)) || slices.Contains(got, filepath.Base(dead)) {
		t.Errorf("entries after the sweep: %v", got)
	}
}

// A link where a folder should be is not followed, whatever it is named.
func TestSweepFollowsNoLink(t *testing.T) {
	root := private(t)
	precious := t.TempDir()
	file := filepath.Join(precious, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Root(); err != nil {
		t.Fatal(err)
	}
	inner := filepath.Join(root, "run-inner-1-x")
	if err := errors.Join(os.Symlink(precious, filepath.Join(root, "run-outer-1-x")), os.Mkdir(inner, 0o700),
		os.Symlink(precious, filepath.Join(inner, "dir")), os.Symlink(file, filepath.Join(inner, "leaf"))); err != nil {
		t.Fatal(err)
	}
	alive := filepath.Join(root, "run-alive-1-x")
	if err := errors.Join(os.Mkdir(alive, 0o700), os.Symlink(file, filepath.Join(alive, aliveName))); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(root, "run-pipe-1-x")
	if err := errors.Join(os.Mkdir(pipe, 0o700), syscall.Mkfifo(filepath.Join(pipe, aliveName), 0o600)); err != nil {
		t.Fatal(err)
	}
	n, err := Sweep()
	if n != 2 || !errors.Is(err, syscall.ELOOP) {
		t.Errorf("Sweep() = %d, %v, want 2 and ELOOP for the linked alive file", n, err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("a file outside was removed: %v", err)
	}
	if list, err := List(); err != nil || len(list) != 0 {
		t.Errorf("List() = %v, %v", list, err)
	}
}

func TestConcurrentGoroutines(t *testing.T) {
	root := private(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				if i%4 == 3 {
					if _, err := Sweep(); err != nil {
						t.Error(err)
					}
					if _, err := List(); err != nil {
						t.Error(err)
					}
					continue
				}
				d, err := Create("many")
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := os.Stat(filepath.Join(d.Path(), aliveName)); err != nil {
					t.Errorf("a living folder was swept: %v", err)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := entries(t, root); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestConcurrentProcesses(t *testing.T) {
	root := private(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := helper(t, root, "churn", 30, "close").Run(); err != nil {
				t.Errorf("churn: %v", err)
			}
		})
		wg.Go(func() {
			for range 3 {
				helper(t, root, "churn", 3, "die").Run()
				if _, err := Sweep(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if _, err := Sweep(); err != nil {
		t.Error(err)
	}
	if got := entries(t, root); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// The directory may be removed under our feet, by a person or a cleaner.
func TestRootRemovedMeanwhile(t *testing.T) {
	root := private(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				os.Remove(root)
			}
		}
	})
	made := 0
	for range 200 {
		d, err := Create("x")
		if err != nil {
			continue // removed once more between the lock and the folder: an error, never a wrong folder
		}
		made++
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	if made == 0 {
		t.Error("no folder could be made at all")
	}
}

func TestLockedByAnotherGoroutineWaits(t *testing.T) {
	private(t)
	root, err := lockedRoot()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, err := Sweep(); done <- err }()
	select {
	case err := <-done:
		t.Errorf("Sweep returned %v while the directory was locked", err)
	case <-time.After(20 * time.Millisecond):
	}
	closeRoot(root)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(describe("pool"))
	f.Add("pid x\nstarted -\nprogram \"\n")
	f.Add("name a\x1b[2J\nprogram \"\\x1b]0;title\\a\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		d := parse(text)
		if strings.ContainsFunc(d.Name+d.Program, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("a terminal would obey %q, %q", d.Name, d.Program)
		}
	})
}

func BenchmarkCreateClose(b *testing.B) {
	private(b)
	b.ReportAllocs()
	for b.Loop() {
		d, err := Create("bench")
		if err != nil {
			b.Fatal(err)
		}
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRoot(b *testing.B) {
	private(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Root(); err != nil {
			b.Fatal(err)
		}
	}
}
