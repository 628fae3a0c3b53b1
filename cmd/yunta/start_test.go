package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Every child is this program, so whatever its packages set up is paid for at each start of one. What they allocate for it is the
// same on every machine, unlike the time they take, and tells as much.
func TestStartIsLight(t *testing.T) {
	t.Parallel()
	const (
		maxAllocations = 640
		maxBytes       = 136 << 10
	)
	exe := filepath.Join(t.TempDir(), "yunta")
	runIn(t, ".", "go", "build", "-buildvcs=false", "-o", exe, ".")
	cmd := exec.CommandContext(t.Context(), exe, "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace strings.Builder
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	var packages, bytes, allocations int
	for line := range strings.Lines(trace.String()) {
		var name string
		var at, clock float64
		var b, n int
		if _, err := fmt.Sscanf(line, "init %s @%f ms, %f ms clock, %d bytes, %d allocs", &name, &at, &clock, &b, &n); err == nil {
			packages, bytes, allocations = packages+1, bytes+b, allocations+n
		}
	}
	t.Logf("%d packages set themselves up with %d allocations, %d bytes", packages, allocations, bytes)
	if packages == 0 {
		t.Fatal("no line of the trace could be read")
	}
	if allocations > maxAllocations || bytes > maxBytes {
		t.Errorf("%d allocations of %d bytes, at most %d of %d:\n%s", allocations, bytes, maxAllocations, maxBytes, trace.String())
	}
}
