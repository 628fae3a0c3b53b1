package supervisor

import "sync"

// oomCount tells whether the kernel's out-of-memory killer has struck in this
// cgroup.
type oomCount struct {
	once sync.Once
	mu   sync.Mutex
	seen int64 // -1 where that cannot be known
}

// oomWatch is that of all processes; a pool has its own.
var oomWatch oomCount

// begin counts from now, unless it does already.
func (c *oomCount) begin() {
	c.once.Do(func() {
		n := oomKills()
		c.mu.Lock()
		c.seen = n
		c.mu.Unlock()
	})
}

// struck reports whether it has since the last time.
func (c *oomCount) struck() bool {
	n := oomKills()
	c.mu.Lock()
	defer c.mu.Unlock()
	struck := n > c.seen && c.seen >= 0
	c.seen = n
	return struck
}
