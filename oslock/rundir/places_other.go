//go:build !linux || portable

package rundir

// places is where the run directory may lie: the temporary directory that all users share,
// since os.TempDir differs between a login shell and cron (macOS sets $TMPDIR for each session).
var places = []string{"/tmp"}
