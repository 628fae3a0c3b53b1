package supervisor

// SetTestHookStart makes f decide whether a worker may be started. No pool may
// exist while it is set or taken back.
func SetTestHookStart(f func(index, incarnation int) error) (restore func()) {
	old := testHookStart
	testHookStart = f
	return func() { testHookStart = old }
}

// CoresTaken is how many workers count as pinned to a core.
func CoresTaken() (n int) {
	cores.mu.Lock()
	defer cores.mu.Unlock()
	for _, workers := range cores.use {
		n += workers
	}
	return n
}
