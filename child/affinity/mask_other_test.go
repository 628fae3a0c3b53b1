//go:build !linux || portable

package affinity

import (
	"errors"
	"testing"
)

func TestUnsupported(t *testing.T) {
	t.Parallel()
	if err := SetThread([]int{0}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SetThread error = %v, want ErrUnsupported", err)
	}
	if _, err := Thread(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Thread error = %v, want ErrUnsupported", err)
	}
	if err := Supported(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Supported() = %v, want ErrUnsupported", err)
	}
	if got := CurrentCPU(); got != -1 {
		t.Errorf("CurrentCPU() = %d, want -1", got)
	}
	if err := SetThread(nil); err == nil || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SetThread(nil) error = %v, want one about the argument", err)
	}
	if cpus, err := Usable(); err != nil || len(cpus) == 0 {
		t.Errorf("Usable() = %v, %v", cpus, err)
	}
	if l := measureChild(t); l.Count < 1 {
		t.Errorf("child measures %+v", l)
	}
}
