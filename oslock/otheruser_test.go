//go:build linux

package oslock

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Another user has another run directory, and so another registry.
func TestOtherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be two users")
	}
	dir, err := os.MkdirTemp("", "yt")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o1777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "lock")
	l := openLock(t, path, LockOptions{Mode: 0o666})
	if err := os.Chmod(path, 0o666); err != nil { // the umask
		t.Fatal(err)
	}
	mustLock(t, l)

	exe := "/proc/self/exe" // the test binary's folder is not for others
	p := actor.prepare(t, exe, []string{"YUNTA_DIR=" + filepath.Join(dir, "run")})
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	p.cmd.Dir = "/"
	p.begin()
	p.do("open "+path, "registry")
	mustUnlock(t, l)
	p.do("open "+path, "registry")
	l.Close()
	p.do("open "+path, "ok")
	p.do("lock", "ok")
	_, err = OpenLock(path, LockOptions{})
	wantError(t, "open while the other user has it", err, ErrOtherRegistry)
	p.kill()
	l = openLock(t, path, LockOptions{})
	wantError(t, "Lock", l.Lock(soon(t)), ErrOwnerDied)
	mustUnlock(t, l)
}
