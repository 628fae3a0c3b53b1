package oslock_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"yunta/oslock"
)

// A permit that belongs to a command: two of them at most, whoever else asks. It stays taken while the command runs, even if this
// process is killed meanwhile.
func ExampleLife() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	s, err := oslock.OpenSemaphore(filepath.Join(dir, "places"), 1000, oslock.SemaphoreOptions{Undo: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	if err := s.AcquireOf(context.Background(), 2); err != nil {
		fmt.Println(err)
		return
	}
	life, err := oslock.Life()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer life.Close()
	cmd := exec.Command("echo", "at work")
	cmd.Stdout, cmd.ExtraFiles = os.Stdout, []*os.File{life}
	fmt.Println(cmd.Run(), s.Release(1))
	// Output:
	// at work
	// <nil> <nil>
}
