package manager

import (
	"errors"
	"fmt"
	"sync"

	"yunta/child"
	"yunta/ipc"
	"yunta/oslock"
)

// Sentinel errors, for use with errors.Is. What a server refuses arrives as a *[child.RemoteError] that wraps them.
var (
	// ErrLost says that the connection to the server ended: the server was closed or died, or the network is gone. It
	// also is ipc.ErrClosed. Whether the call was carried out is not known.
	ErrLost = fmt.Errorf("manager: the connection to the server is lost: %w", ipc.ErrClosed)
	// ErrClosed says that this client was closed, or that there never was one. It also is ipc.ErrClosed.
	ErrClosed = fmt.Errorf("manager: the client is closed: %w", ipc.ErrClosed)
	// ErrNoServer says that a proxy arrived whose server this process has no client of, and cannot have one by itself.
	ErrNoServer = errors.New("manager: no client of the proxy's server: Dial it first")
	// ErrGone says that the object is not there: it was unlinked.
	ErrGone = errors.New("manager: no such object")
	// ErrKind says that the object is of another kind than its proxy.
	ErrKind = errors.New("manager: an object of another kind")
	// ErrNoMethod says that an object has no method of that name. Python: AttributeError.
	ErrNoMethod = errors.New("manager: no such method")
	// ErrNoType says that no type, or update, is registered under that name in the server's program.
	ErrNoType = errors.New("manager: nothing is registered under that name")
	// ErrKey says that a Dict or Namespace has no such key. Python: KeyError.
	ErrKey = errors.New("manager: no such key")
	// ErrNumber refuses to add to what is no number.
	ErrNumber = errors.New("manager: not a number")
	// ErrOrder refuses to sort what has no order.
	ErrOrder = errors.New("manager: items of a type without an order")
	// ErrNotLocked refuses to unlock what is not locked. Python: RuntimeError.
	ErrNotLocked = errors.New("manager: unlock of what is not locked")
	// ErrTooOften refuses a TaskDone more than there were items. Python: ValueError.
	ErrTooOften = errors.New("manager: TaskDone called too often")
	// ErrProtocol says that the other end does not speak this package's language, or another version of it.
	ErrProtocol = errors.New("manager: the other end does not speak this protocol")
)

// registerErrors lets the sentinel errors keep their identity.
var registerErrors = sync.OnceFunc(func() {
	for _, err := range []error{
		ErrLost, ErrClosed, ErrNoServer, ErrGone, ErrKind, ErrNoMethod, ErrNoType, ErrKey, ErrNumber, ErrOrder,
		ErrNotLocked, ErrTooOften, ErrProtocol,
		ipc.ErrClosed, ipc.ErrEmpty, ipc.ErrFull, ipc.ErrIndex, ipc.ErrItem, ipc.ErrNoItem, ipc.ErrTooLarge,
		oslock.ErrBroken, oslock.ErrNotOwner, oslock.ErrOverRelease, oslock.ErrValue,
	} {
		child.RegisterError(err)
	}
})
