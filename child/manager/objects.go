package manager

import (
	"errors"
	"fmt"
	"sync"
)

// object is what a server keeps. Its methods are called by any goroutine.
type object interface {
	// call carries a request out. One that would have to wait, and whose ctx is nil, changes nothing and returns errWait:
	// it is called again with a context, in a goroutine of its own. in may be kept only as a copy.
	call(q *request) error
	// delete has those who wait return with ErrGone, and gives back what is not memory.
	delete() error
}

// releaser is an object of which a session can hold something.
type releaser interface {
	// release gives back what the session holds. It is called once the session's requests have ended.
	release(s *session)
}

// errWait says that a request has to wait.
var errWait = errors.New("manager: must wait")

// objects are those of a server.
type objects struct {
	mu    sync.RWMutex // guards what follows
	byID  map[uint64]object
	names map[string]uint64
	last  uint64
}

func (t *objects) add(o object) (id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID = map[uint64]object{}
	}
	t.last++
	t.byID[t.last] = o
	return t.last
}

func (t *objects) get(id uint64) (object, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	o := t.byID[id]
	if o == nil {
		return nil, ErrGone
	}
	return o, nil
}

// objectOf returns the object of that number, if it is of type T.
func objectOf[T object](t *objects, id uint64) (T, error) {
	o, err := t.get(id)
	if err != nil {
		var zero T
		return zero, err
	}
	x, ok := o.(T)
	if !ok {
		return x, fmt.Errorf("%w: a %s", ErrKind, kindOf(o))
	}
	return x, nil
}

// remove takes an object out of the table; the caller deletes it.
func (t *objects) remove(id uint64) (object, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.byID[id]
	delete(t.byID, id)
	for name, of := range t.names {
		if of == id {
			delete(t.names, name)
		}
	}
	if o == nil {
		return nil, ErrGone
	}
	return o, nil
}

func (t *objects) clear() error {
	t.mu.Lock()
	all := t.byID
	t.byID, t.names = nil, nil
	t.mu.Unlock()
	var errs []error
	for _, o := range all {
		errs = append(errs, o.delete())
	}
	return errors.Join(errs...)
}

func (t *objects) len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byID)
}

// Kinds of objects. Those of registered types are kindObject and the type's name.
const (
	kindDict      = "dict"
	kindNamespace = "namespace"
	kindList      = "list"
	kindArray     = "array"
	kindValue     = "value"
	kindQueue     = "queue"
	kindLock      = "lock"
	kindRLock     = "rlock"
	kindSemaphore = "semaphore"
	kindCondition = "condition"
	kindEvent     = "event"
	kindBarrier   = "barrier"
	kindMemory    = "memory"
	kindObject    = "object "
)

func kindOf(o object) string {
	switch o := o.(type) {
	case *dict:
		return o.kind
	case *list:
		return o.kind
	case *cell:
		return kindValue
	case *queue:
		return kindQueue
	case *lock:
		return kindLock
	case *rlock:
		return kindRLock
	case *semaphore:
		return kindSemaphore
	case *condition:
		return kindCondition
	case *event:
		return kindEvent
	case *barrier:
		return kindBarrier
	case *segment:
		return kindMemory
	case *instance:
		return kindObject + o.of.name
	}
	return "nothing that has a proxy"
}

// make makes an object of a kind from the rest of a request.
func (s *Server) make(kind string, q *request) (object, error) {
	switch kind {
	case kindDict, kindNamespace:
		return newDict(kind, q), nil
	case kindList, kindArray:
		return newList(kind, q), nil
	case kindValue:
		return newCell(q), nil
	case kindQueue:
		return newQueue(q)
	case kindLock:
		return &lock{}, nil
	case kindRLock:
		return &rlock{}, nil
	case kindSemaphore:
		return newSemaphore(q)
	case kindCondition:
		return s.newCondition(q)
	case kindEvent:
		return &event{}, nil
	case kindBarrier:
		return newBarrier(q)
	case kindMemory:
		return newSegment(q)
	}
	return newInstance(kind, q)
}
