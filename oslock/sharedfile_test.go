package oslock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// openers open a file as each kind; the path is the name.
var openers = map[string]func(name string) (interface{ Close() error }, error){
	"lock":  func(name string) (interface{ Close() error }, error) { return OpenLock(name, LockOptions{}) },
	"rlock": func(name string) (interface{ Close() error }, error) { return OpenRLock(name, LockOptions{}) },
	"plain": func(name string) (interface{ Close() error }, error) {
		return OpenSemaphore(name, 1, SemaphoreOptions{})
	},
	"undo": func(name string) (interface{ Close() error }, error) {
		return OpenSemaphore(name, 1, SemaphoreOptions{Undo: true})
	},
	"rwlock":  func(name string) (interface{ Close() error }, error) { return OpenRWLock(name, LockOptions{}) },
	"event":   func(name string) (interface{ Close() error }, error) { return OpenEvent(name, EventOptions{}) },
	"barrier": func(name string) (interface{ Close() error }, error) { return OpenBarrier(name, 3, BarrierOptions{}) },
}

func eachOpener(t *testing.T, test func(t *testing.T, open func(name string) (interface{ Close() error }, error))) {
	t.Parallel()
	for name, open := range openers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

func TestNames(t *testing.T) {
	eachOpener(t, func(t *testing.T, open func(string) (interface{ Close() error }, error)) {
		dir := t.TempDir()
		for _, name := range []string{
			"", ".", "..", ".hidden", "members", "a\x00b", "/", dir + "/", dir + "/.", dir + "/../x", "../x", "x/../y",
			strings.Repeat("n", 256), dir + "/" + strings.Repeat("n", 256), strings.Repeat("/nn", 1400),
		} {
			if c, err := open(name); !errors.Is(err, ErrName) {
				t.Errorf("open(%q) = %v, %v, want ErrName", name, c, err)
			}
			wantError(t, fmt.Sprintf("Unlink(%q)", name), Unlink(name), ErrName)
		}
		kind := path.Base(t.Name()) // the others open theirs at the same time
		for _, name := range []string{(kind + strings.Repeat("n", 255))[:255], "a b " + kind, "...", dir + "/.hidden", dir + "/./x"} {
			if name == "..." {
				continue // starts with a dot
			}
			c, err := open(name)
			if err != nil {
				t.Errorf("open(%q) = %v", name, err)
				continue
			}
			c.Close()
			if err := Unlink(name); err != nil {
				t.Errorf("Unlink(%q) = %v", name, err)
			}
		}
	})
}

func TestNameWithoutSlash(t *testing.T) {
	name := "name-" + fmt.Sprint(time.Now().UnixNano())
	l := openLock(t, name, LockOptions{})
	if want := filepath.Join(os.Getenv("YUNTA_DIR"), name); l.File() != want {
		t.Errorf("File = %s, want %s", l.File(), want)
	}
	again := openLock(t, l.File(), LockOptions{})
	mustLock(t, l)
	wantTry(t, again, false)
	mustUnlock(t, l)
	if err := Unlink(name); err != nil {
		t.Fatal(err)
	}
	wantError(t, "Unlink again", Unlink(name), fs.ErrNotExist)
}

func TestFileMode(t *testing.T) {
	eachOpener(t, func(t *testing.T, open func(string) (interface{ Close() error }, error)) {
		path := tempPath(t)
		c, err := open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
		}
	})
	l := openLock(t, tempPath(t), LockOptions{Mode: 0o640})
	if info, err := os.Stat(l.File()); err != nil || info.Mode().Perm()&^0o640 != 0 || info.Mode().Perm()&0o600 != 0o600 {
		t.Errorf("mode %v, %v, want 0640 or less", info.Mode(), err)
	}
}

// What is not ours is an error, and stays as it was.
func TestNotOurs(t *testing.T) {
	ours := func(t *testing.T, open func(string) (interface{ Close() error }, error)) []byte {
		path := tempPath(t)
		c, err := open(path)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	changed := func(b []byte, at int, to ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], to)
		return b
	}
	eachOpener(t, func(t *testing.T, open func(string) (interface{ Close() error }, error)) {
		b := ours(t, open)
		for name, row := range map[string]struct {
			content []byte
			want    error
		}{
			"text":              {[]byte("something of the user's own\n"), ErrNotOurs},
			"short text":        {[]byte("x"), ErrNotOurs},
			"zeros":             {make([]byte, 10), ErrNotOurs},
			"wrong magic":       {changed(b, 0, 'Y'), ErrNotOurs},
			"zero magic":        {changed(b, 0, make([]byte, 16)...), ErrNotOurs},
			"other byte order":  {changed(b, 8, b[11], b[10], b[9], b[8]), ErrNotOurs},
			"other version":     {changed(b, 12, 99), ErrVersion},
			"unknown kind":      {changed(b, 14, 77), ErrDamaged},
			"other flags":       {changed(b, 15, 1), ErrMismatch},
			"cut in the header": {b[:20], ErrDamaged},
			"cut":               {b[:len(b)-1], ErrDamaged},
			"grown":             {append(bytes.Clone(b), 0), ErrDamaged},
		} {
			path := tempPath(t)
			if err := os.WriteFile(path, row.content, 0o644); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Stat(path)
			_, err := open(path)
			if !errors.Is(err, row.want) {
				t.Errorf("%s: %v, want %v", name, err, row.want)
			}
			after, _ := os.Stat(path)
			if got, _ := os.ReadFile(path); !bytes.Equal(got, row.content) || !after.ModTime().Equal(before.ModTime()) {
				t.Errorf("%s: the file was changed", name)
			}
			if errors.Is(row.want, ErrNotOurs) && name != "other byte order" {
				wantError(t, name+": Unlink", Unlink(path), ErrNotOurs)
			}
		}
	})
}

func TestNotAFile(t *testing.T) {
	eachOpener(t, func(t *testing.T, open func(string) (interface{ Close() error }, error)) {
		dir := t.TempDir()
		target, link, dangling, pipe := dir+"/target", dir+"/link", dir+"/dangling", dir+"/pipe"
		c, err := open(target)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := errors.Join(os.Symlink("target", link), os.Symlink("nowhere", dangling), syscall.Mkfifo(pipe, 0o600)); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{dir, link, dangling, pipe} {
			_, err := open(path)
			wantError(t, "open "+path, err, ErrNotOurs)
			if err := Unlink(path); err == nil {
				t.Errorf("Unlink(%s) removed it", path)
			}
			if _, err := os.Lstat(path); err != nil {
				t.Error(err)
			}
		}
		_, err = open(dir + "/missing/file")
		wantError(t, "open in a missing folder", err, fs.ErrNotExist)
		_, err = open("/dev/null")
		wantError(t, "open a device", err, ErrNotOurs)
	})
}

func TestMismatch(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	openSemaphore(t, path, 1, SemaphoreOptions{})
	for name, open := range openers {
		if c, err := open(path); name == "plain" {
			c.Close()
		} else {
			wantError(t, "open a plain semaphore as "+name, err, ErrMismatch)
		}
	}
	_, err := OpenSemaphore(path, 1, SemaphoreOptions{Bounded: true})
	wantError(t, "open as bounded", err, ErrMismatch)
	path = tempPath(t)
	openLock(t, path, LockOptions{}).Close() // nobody has it open
	_, err = OpenSemaphore(path, 1, SemaphoreOptions{Undo: true})
	wantError(t, "open a lock as a semaphore", err, ErrMismatch)
}

func TestUnlink(t *testing.T) {
	eachOpener(t, func(t *testing.T, open func(string) (interface{ Close() error }, error)) {
		path := tempPath(t)
		old, err := open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		if err := Unlink(path); err != nil {
			t.Fatal(err)
		}
		fresh, err := open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer fresh.Close()
		if l, ok := old.(*Lock); ok { // they are two now
			mustLock(t, l)
			wantTry(t, fresh.(*Lock), true)
			mustUnlock(t, l)
			mustUnlock(t, fresh.(*Lock))
		}
	})
}

// Killed at any point of making the file, and while others make it and remove it.
func TestKilledMaking(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"open %s", "sem %s 1", "sem %s 1 undo"} {
		path := tempPath(t)
		for _, step := range []string{"file reserved", "word written", "header written"} {
			p := act(t)
			p.do("dieat "+step, "ok")
			p.send(fmt.Sprintf(kind, path))
			if p.wait() == nil {
				t.Errorf("step %q was not reached", step)
			}
		}
		p := act(t)
		p.do(fmt.Sprintf(kind, path), "ok")
		if strings.HasPrefix(kind, "sem") {
			p.do("value", "1")
		}
		p.kill()
		Unlink(path)
	}
}

func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	for range 10 {
		path := tempPath(t)
		var ps []*process
		for range 8 {
			p := act(t)
			p.send("sem " + path + " 8 undo")
			ps = append(ps, p)
		}
		for _, p := range ps {
			p.expect("ok")
			p.do("acquire", "ok")
		}
		ps[0].do("value", "0")
		for _, p := range ps {
			p.kill()
		}
	}
}

// Removing and making the file again at full speed: what was opened is always a whole file, and two that
// were opened by the name at one moment are one.
func TestRecreateRace(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	stop := make(chan struct{})
	removed := after(func() error {
		for {
			select {
			case <-stop:
				return nil
			default:
				os.Remove(path)
				time.Sleep(50 * time.Microsecond)
			}
		}
	})
	p := act(t)
	for range 100 {
		l, err := OpenLock(path, LockOptions{})
		if err != nil {
			t.Error(err)
			break
		}
		if ok, err := l.TryLock(); !ok || err != nil {
			if ok, err = l.TryLock(); err != nil { // the actor may have it for a moment
				t.Errorf("TryLock = %v, %v", ok, err)
			}
		}
		l.Unlock()
		p.do("open "+path, "ok")
		p.do("lock", "ok")
		p.do("unlock", "ok")
		p.do("close", "ok")
		l.Close()
	}
	close(stop)
	<-removed
}

// Removed and made again by another process just when the flock is there, and before: the name decides.
func TestRecreatedWhileOpening(t *testing.T) {
	defer func() { testHookStep = nil }()
	for _, at := range []string{"file ours alone", "file flocked"} {
		path := tempPath(t)
		p := act(t)
		done := false
		testHookStep = func(name string) {
			if name == at && !done {
				done = true
				os.Remove(path)
				p.do("open "+path, "ok")
				p.do("lock", "ok")
			}
		}
		l := openLock(t, path, LockOptions{})
		testHookStep = nil
		if !done {
			t.Fatalf("no step %q", at)
		}
		if named, err := identifyAt(workingFolder, path); err != nil || named != l.h.file.Load().id {
			t.Errorf("at %q: opened %v, the name leads to %v, %v", at, l.h.file.Load().id, named, err)
		}
		wantTry(t, l, false)
	}
}

func TestBusy(t *testing.T) {
	path := tempPath(t)
	openLock(t, path, LockOptions{}).Close()
	fd, err := openThere(workingFolder, path)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(fd)
	if ok, err := tryFlockFD(fd, flockExclusive); !ok || err != nil {
		t.Fatal(ok, err)
	}
	defer func(d time.Duration) { testHookBusyPatience = d }(testHookBusyPatience)
	testHookBusyPatience = 20 * time.Millisecond
	_, err = OpenLock(path, LockOptions{})
	wantError(t, "open a file that another program flocks", err, ErrBusy)
}

func TestNetworkFileSystem(t *testing.T) {
	defer func(f func(int) (string, error)) { testHookNetworkFS = f }(testHookNetworkFS)
	testHookNetworkFS = func(int) (string, error) { return "nfs", nil }
	path := tempPath(t)
	for name, open := range openers {
		_, err := open(path)
		wantError(t, "open as "+name, err, ErrNetwork)
		if err == nil || !strings.Contains(err.Error(), "nfs") {
			t.Errorf("%v does not name the file system", err)
		}
	}
	_, members := runDir(t)
	_, err := openRegistry(members)
	wantError(t, "a registry there", err, ErrNetwork)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	err = CheckLocal(f)
	wantError(t, "CheckLocal", err, ErrNetwork)
	if err == nil || !strings.Contains(err.Error(), "nfs") || !strings.Contains(err.Error(), path) {
		t.Errorf("%v does not name the file system and the file", err)
	}
	testHookNetworkFS = networkFS
	if err := CheckLocal(f); err != nil {
		t.Error(err)
	}
	f.Close()
	if err := CheckLocal(f); !errors.Is(err, os.ErrClosed) {
		t.Errorf("CheckLocal of a closed file: %v", err)
	}
}

// A file cut off while it is open: an error where somebody waits, not the end of the program.
func TestTruncatedMeanwhile(t *testing.T) {
	t.Parallel()
	l := openLock(t, tempPath(t), LockOptions{})
	mustLock(t, l)
	done := after(func() error { return l.Lock(context.Background()) })
	waiting(t, &l.h)
	if err := os.Truncate(l.File(), 0); err != nil {
		t.Fatal(err)
	}
	wantDone(t, done, ErrDamaged)

	s := openSemaphore(t, tempPath(t), 1, SemaphoreOptions{Undo: true})
	if err := os.Truncate(s.File(), 0); err != nil {
		t.Fatal(err)
	}
	wantError(t, "Acquire", s.Acquire(soon(t)), ErrDamaged)
	wantError(t, "Release", s.Release(1), ErrDamaged)
	_, err := s.TryAcquire()
	wantError(t, "TryAcquire", err, ErrDamaged)
	_, err = s.Value()
	wantError(t, "Value", err, ErrDamaged)

	s = openSemaphore(t, tempPath(t), 0, SemaphoreOptions{})
	done = after(func() error { return s.Acquire(context.Background()) })
	waiting(t, &s.h)
	if err := os.Truncate(s.File(), 0); err != nil {
		t.Fatal(err)
	}
	wantDone(t, done, ErrDamaged)
	_, err = s.Value()
	wantError(t, "Value", err, ErrDamaged)
}

func TestLockClose(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	a, b := openLock(t, path, LockOptions{}), openLock(t, path, LockOptions{})
	mustLock(t, a)
	// Two wait through b: one sleeps, one stands at the gate.
	first := after(func() error { return b.Lock(context.Background()) })
	second := after(func() error { return b.Lock(context.Background()) })
	waiting(t, &b.h)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wantDone(t, first, ErrClosed)
	wantDone(t, second, ErrClosed)
	wantError(t, "Lock", b.Lock(soon(t)), ErrClosed)
	_, err := b.TryLock()
	wantError(t, "TryLock", err, ErrClosed)
	wantError(t, "Unlock", b.Unlock(), ErrClosed)
	wantError(t, "Repaired", b.Repaired(), ErrClosed)
	if err := b.Close(); err != nil {
		t.Errorf("Close again = %v", err)
	}
	// The owner's last handle: the process stays the owner, for everybody.
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	p := act(t)
	p.do("open "+path, "ok")
	p.do("lock 20ms", "timeout")
	stranger, _ := runDir(t)
	act(t, stranger).do("open "+path, "registry") // nobody thinks himself alone with the file
	c := openLock(t, path, LockOptions{})
	wantTry(t, c, false)
	mustUnlock(t, c)
	p.do("lock", "ok")
}

// Close while others lock and unlock at full speed, and memory that goes when nobody uses it any more.
func TestCloseUnderUse(t *testing.T) {
	path := tempPath(t)
	for range 50 {
		l, err := OpenLock(path, LockOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var users []<-chan error
		for range 3 {
			users = append(users, after(func() error {
				for {
					if err := l.Lock(context.Background()); err != nil {
						return err
					}
					if err := l.Unlock(); err != nil {
						return err
					}
				}
			}))
		}
		runtime.Gosched()
		l.Close()
		for _, u := range users {
			wantDone(t, u, ErrClosed)
		}
		// One of them may have had it when Close came.
		l = openLock(t, path, LockOptions{})
		if err := l.Unlock(); err != nil {
			wantError(t, "Unlock", err, ErrNotOwner)
		}
		mustLock(t, l)
		mustUnlock(t, l)
		l.Close()
	}
	if _, err := os.ReadFile("/proc/self/maps"); err != nil {
		t.Skip("cannot see mappings here")
	}
	eventually(t, "the file is unmapped", func() bool {
		runtime.GC()
		maps, _ := os.ReadFile("/proc/self/maps")
		return !bytes.Contains(maps, []byte(path))
	})
}
