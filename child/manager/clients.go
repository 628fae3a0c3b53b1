package manager

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// clients are this process's, one for each server: a proxy that arrives is of one of them.
var clients clientTable

type clientTable struct {
	mu       sync.Mutex
	byServer map[string]*Client
	dialling sync.Mutex // so that proxies which arrive together share one client
}

// arrivalTimeout bounds the dialling for a proxy that arrives, which has no context.
const arrivalTimeout = 30 * time.Second

func (t *clientTable) add(c *Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byServer == nil {
		t.byServer = map[string]*Client{}
	}
	if t.byServer[c.server] == nil {
		t.byServer[c.server] = c
	}
}

func (t *clientTable) remove(c *Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byServer[c.server] == c {
		delete(t.byServer, c.server)
	}
}

func (t *clientTable) of(server string) *Client {
	t.mu.Lock()
	c := t.byServer[server]
	t.mu.Unlock()
	if c != nil && c.alive() {
		return c
	}
	return nil
}

// find returns the client of a server, and dials it if need be: with the key beside it, which only processes of the
// same user and machine can read.
func (t *clientTable) find(server, network, address, home string) (*Client, error) {
	if c := t.of(server); c != nil {
		return c, nil
	}
	t.dialling.Lock()
	defer t.dialling.Unlock()
	if c := t.of(server); c != nil {
		return c, nil
	}
	key, err := readKey(home)
	if err != nil {
		return nil, fmt.Errorf("%w (%s at %s): %w", ErrNoServer, network, address, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), arrivalTimeout)
	defer cancel()
	c, err := Dial(ctx, network, address, DialOptions{AuthKey: key})
	if err != nil {
		return nil, err
	}
	if c.server != server {
		return nil, errors.Join(fmt.Errorf("%w: another server is at %s now", ErrNoServer, address), c.Close())
	}
	return c, nil
}

// Names of the files in a server's folder.
const (
	keyName    = "key"
	socketName = "socket"
)

func readKey(home string) ([]byte, error) {
	if !filepath.IsAbs(home) {
		return nil, os.ErrNotExist
	}
	key, err := os.ReadFile(filepath.Join(home, keyName))
	if err == nil && len(key) == 0 {
		err = os.ErrNotExist
	}
	return key, err
}

// keyBeside finds the key of a server that was given no address.
func keyBeside(network, address string) ([]byte, error) {
	if network != "unix" || filepath.Base(address) != socketName {
		return nil, errors.New("manager: no AuthKey, and none lies beside the server")
	}
	key, err := readKey(filepath.Dir(address))
	if err != nil {
		return nil, fmt.Errorf("manager: no AuthKey, and none lies beside the server: %w", err)
	}
	return key, nil
}
