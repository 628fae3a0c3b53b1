//go:build unix && (!linux || portable)

package supervisor

// oomKills is not known without cgroups.
func oomKills() int64 { return -1 }
