//go:build linux && !portable

package mapped

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAnonymousSealed(t *testing.T) {
	t.Parallel()
	f, err := Anonymous("test", 4096)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(0); !errors.Is(err, unix.EPERM) {
		t.Errorf("shrinking = %v, want EPERM", err)
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); !errors.Is(err, unix.EPERM) {
		t.Errorf("adding a seal = %v, want EPERM", err)
	}
	if flags, _ := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("not close-on-exec")
	}
}

func TestDiscardZeroes(t *testing.T) {
	t.Parallel()
	f, err := Anonymous("test", int64(PageSize()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := mustMap(t, f, 0, PageSize())
	r.Bytes()[0] = 1
	if err := Discard(f, 0, int64(PageSize())); err != nil {
		t.Fatal(err)
	}
	if got := r.Bytes()[0]; got != 0 {
		t.Errorf("a discarded page reads %d, want 0", got)
	}
}

// The errno of a refused reservation must arrive at the caller.
func TestReserveError(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join("/dev", "null"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var errno unix.Errno
	if err := Reserve(f, 0, 4096); !errors.As(err, &errno) {
		t.Errorf("Reserve on a read-only device = %v, want an errno", err)
	}
}
