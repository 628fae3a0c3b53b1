//go:build !linux || portable

package supervisor_test

import (
	"errors"
	"fmt"
	"testing"

	"yunta/supervisor"
)

// Without an affinity call the default pins nothing, and asking for it is an
// error.
func TestPinUnsupported(t *testing.T) {
	t.Parallel()
	for name, pin := range map[string]supervisor.Pin{"cores": supervisor.PinCores, "sets": supervisor.PinSets([]int{0})} {
		p, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{Processes: 2, Pin: pin})
		if err == nil {
			p.Terminate()
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, pin := range map[string]supervisor.Pin{"auto": supervisor.PinAuto, "none": supervisor.PinNone} {
		p := newPool(t, supervisor.PoolOptions{Processes: 2, Pin: pin})
		for _, w := range p.Workers() {
			if w.CPUs != nil {
				t.Errorf("%s: worker %d is on %v", name, w.Worker, w.CPUs)
			}
		}
	}
}

// The default pool has a worker for each core.
func TestPain20RestrictedMask(t *testing.T) {
	t.Parallel()
	p := command(t, cpuCount).start()
	n := supervisor.CPUCount()
	if got := p.say("count"); got != fmt.Sprint(n, n, n) {
		t.Errorf("CPUCount and the sizes of default pools are %s, want %d", got, n)
	}
	p.wait()
}
