package supervisor_test

import (
	"context"
	"errors"
	"os/exec"
	"time"

	"yunta/child"
	"yunta/oslock"
)

// Entries that get stuck in different ways, each once it has signed the file
// that it is given: before that it cannot be known that a task has begun.
var (
	// waits until it is told to stop.
	waits = child.Register("waits", func(ctx context.Context, path string) (int, error) {
		signPID(path)
		<-ctx.Done()
		return 0, ctx.Err()
	})
	// sticks does not care for its context.
	sticks = child.Register("sticks", func(_ context.Context, path string) (int, error) {
		signPID(path)
		for {
			time.Sleep(time.Hour)
		}
	})
	// spins computes.
	spins = child.Register("spins", func(_ context.Context, path string) (int, error) {
		signPID(path)
		for i := 0; ; i++ {
			if i < 0 {
				return i, nil
			}
		}
	})
	// locks waits for a lock that somebody else owns; the file is signed beside it.
	locks = child.Register("locks", func(_ context.Context, path string) (int, error) {
		l, err := oslock.OpenLock(path+".lock", oslock.LockOptions{})
		if err != nil {
			return 0, err
		}
		signPID(path)
		return 0, l.Lock(context.Background())
	})
	// grandchild starts a program that starts another, and waits for both.
	grandchild = child.Register("grandchild", func(_ context.Context, path string) (int, error) {
		cmd := exec.Command("sh", "-c", `sleep 600 & echo $! >> "$0"; wait`, path)
		return 0, cmd.Run()
	})
)

// failsText fails with its argument.
var failsText = child.Register("failsText", func(_ context.Context, s string) (string, error) { return "", errors.New(s) })
