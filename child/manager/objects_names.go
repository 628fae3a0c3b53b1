package manager

import (
	"fmt"
	"io/fs"
)

// publish gives an object a name.
func (t *objects) publish(id uint64, name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[id] == nil {
		return ErrGone
	}
	if _, taken := t.names[name]; taken {
		return fmt.Errorf("manager: the name %q: %w", name, fs.ErrExist)
	}
	if t.names == nil {
		t.names = map[string]uint64{}
	}
	t.names[name] = id
	return nil
}

func (t *objects) unpublish(name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.names[name]; !ok {
		return fmt.Errorf("manager: the name %q: %w", name, fs.ErrNotExist)
	}
	delete(t.names, name)
	return nil
}

func (t *objects) find(name string) (id uint64, o object, err error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	id, ok := t.names[name]
	if !ok {
		return 0, nil, fmt.Errorf("manager: the name %q: %w", name, fs.ErrNotExist)
	}
	return id, t.byID[id], nil
}
