package oslock_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"yunta/oslock"
)

// The same file locked by "flock -n backup.lock ..." in a shell is refused meanwhile.
func ExampleFileLock() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	l := oslock.NewFileLock(filepath.Join(dir, "backup.lock"))
	defer l.Close()
	if err := l.Lock(context.Background()); err != nil {
		panic(err)
	}
	again, err := oslock.NewFileLock(l.Path()).TryLock()
	fmt.Println(again, err)
	fmt.Println(l.Unlock())
	// Output:
	// false <nil>
	// <nil>
}
