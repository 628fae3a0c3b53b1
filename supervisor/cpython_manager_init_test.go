package supervisor_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"yunta/child"
	"yunta/supervisor"
)

// managerInit is the initializer of a server.
var (
	managerInit = child.Register("managerInit", func(_ context.Context, path string) (int, error) {
		managerInits.Do(func() { signPID(path) })
		sign(path, "again")
		return 0, nil
	})
	managerInits   sync.Once
	managerInitBad = child.Register("managerInitBad", func(context.Context, int) (int, error) { return 0, errOdd })
)

// What is no function cannot be bound in Go: see TestCPython_TestInitializers_test_pool_initializer.
func TestCPython_TestInitializers_test_manager_initializer(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	path := filepath.Join(t.TempDir(), "signed")
	m := newManager(t, supervisor.ManagerOptions{Initializer: managerInit.Bind(path)})
	stats, err := m.Client().Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := signed(path), []string{fmt.Sprint(stats.PID), "again"}; !slices.Equal(got, want) {
		t.Errorf("the initializer signed %q, want %q: once, in the server", got, want)
	}
	if stats.PID == os.Getpid() || stats.PID != m.Process().PID() {
		t.Errorf("the server is %d, its process %d", stats.PID, m.Process().PID())
	}
	_, err = supervisor.NewManager(ctx, supervisor.ManagerOptions{Initializer: managerInitBad.Bind(0), Stderr: io.Discard})
	if err == nil || !strings.Contains(err.Error(), errOdd.Error()) {
		t.Errorf("with an initializer that fails: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("registering no function does not panic")
		}
	}()
	child.Register[int, int]("no initializer", nil)
}
