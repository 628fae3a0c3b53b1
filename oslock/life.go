package oslock

import (
	"errors"
	"fmt"
	"os"
)

// Life returns a descriptor that prolongs this process's life, as all others judge it, by that of whoever inherits it: a
// command that gets it (exec.Cmd.ExtraFiles), and what that command starts and lets have it. Permits of a semaphore with
// undo, and locks, that this process has when it dies are then given back when the last of them has ended
// too, by the kernel's word, however each of them ends. So a helper that takes a permit for a command may be killed, or end by
// itself, and the permit stays taken while the command runs.
//
// The descriptor is closed at an exec unless it is passed on purpose. The caller closes it; this process's own life does
// not depend on it. It joins the user's registry first if need be. [ErrRegistryLost] says that somebody has
// closed this process's own descriptor of the registry, which a program that closes what it does not know may do.
//
// A process that inherits it becomes no member by that: if it uses locks itself, it is known under a number of its own.
func Life() (*os.File, error) {
	r, err := member()
	if err != nil {
		return nil, err
	}
	// The number may be another file's by now.
	id, _, _, err := identify(r.keep)
	if err != nil || id.ino != r.inode(slotOf(r.me)).Load() {
		return nil, fmt.Errorf("%w: descriptor %d was closed", ErrRegistryLost, r.keep)
	}
	fd, err := duplicate(r.keep)
	if err != nil {
		return nil, fmt.Errorf("oslock: %w", err)
	}
	return os.NewFile(uintptr(fd), slotName(slotOf(r.me))), nil
}

// EndLife ends at once what a descriptor of [Life] stands for: the process it came from counts as dead from
// then on, even where processes live that have inherited the descriptor too. It is for one who watches over a command and knows
// that it has ended, whatever it may have left behind. The process the descriptor came from must have ended, or use no
// locks any more. The descriptor stays open.
func EndLife(life *os.File) error {
	id, _, _, err := identify(int(life.Fd()))
	if err != nil {
		return fmt.Errorf("oslock: %w", err)
	}
	membership.mu.Lock()
	defer membership.mu.Unlock()
	if r := membership.reg; r != nil && id.ino == r.inode(slotOf(r.me)).Load() {
		return errors.New("oslock: a process cannot end its own life but by ending")
	}
	dropFlockFD(int(life.Fd()))
	return nil
}
