package supervisor

// SetTestHookStart makes f decide whether a worker may be started. No pool may
// exist while it is set or taken back.
func SetTestHookStart(f func(index, incarnation int) error) (restore func()) {
	old := testHookStart
	testHookStart = f
	return func() { testHookStart = old }
}

// WatchesExit reports whether the end of a worker's process is seen even if its
// pipes stay open.
const WatchesExit = watchesExit

// CoresTaken is how many workers count as pinned to a core.
func CoresTaken() (n int) {
	cores.mu.Lock()
	defer cores.mu.Unlock()
	for _, workers := range cores.use {
		n += workers
	}
	return n
}

// SpawnerUsers is how many pools and processes use the thread that starts
// children; 0 when there is none.
func SpawnerUsers() int {
	spawners.mu.Lock()
	defer spawners.mu.Unlock()
	if spawners.one == nil {
		return 0
	}
	return spawners.one.users
}
