package supervisor_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"yunta/child"
	"yunta/supervisor"
)

// A NewPool that fails leaves nothing: no run folder, no core that counts as
// taken. Nothing runs beside this test.
func TestFailedPoolReleases(t *testing.T) {
	fault := spring.Bind(trapArgument{At: running, Do: faultError})
	none := child.Call{}
	refused := errors.New("refused")
	for _, tt := range []struct {
		name        string
		model       supervisor.Model
		pin         supervisor.Pin
		initializer child.Call
		dir         string // run directory, "" for the usual one
		start       func(index, incarnation int) error
	}{
		{"no run directory", supervisor.Processes, supervisor.PinAuto, none, "not/absolute", nil},
		{"initializer", supervisor.Processes, supervisor.PinAuto, fault, "", nil},
		{"start", supervisor.Processes, supervisor.PinAuto, none, "", func(index, _ int) error {
			if index == 1 {
				return refused
			}
			return nil
		}},
		{"first start", supervisor.Processes, supervisor.PinAuto, none, "", func(int, int) error { return refused }},
		{"no such core", supervisor.Processes, supervisor.PinSets([]int{1 << 20}), none, "", nil},
		{"goroutines, initializer", supervisor.Goroutines, supervisor.PinCores, fault, "", nil},
		{"goroutines, no such core", supervisor.Goroutines, supervisor.PinSets([]int{1 << 20}), none, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			usual := os.Getenv("YUNTA_DIR")
			folders, cores := len(runFolders(t, usual)), supervisor.CoresTaken()
			if tt.dir != "" {
				t.Setenv("YUNTA_DIR", tt.dir)
			}
			if tt.start != nil {
				defer supervisor.SetTestHookStart(tt.start)()
			}
			p, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{
				Model: tt.model, Processes: 2, Pin: tt.pin, Initializer: tt.initializer, Stderr: io.Discard,
			})
			if err == nil {
				p.Terminate()
				t.Fatal("NewPool succeeded")
			}
			if tt.start != nil && (!errors.Is(err, refused) || !strings.HasPrefix(err.Error(), "supervisor: starting worker ")) {
				t.Errorf("it does not say what was refused: %v", err)
			}
			if now := supervisor.CoresTaken(); now != cores {
				t.Errorf("%d cores count as taken, were %d (%v)", now, cores, err)
			}
			if now := len(runFolders(t, usual)); now != folders {
				t.Errorf("%d run folders, were %d (%v)", now, folders, err)
			}
		})
	}
}
