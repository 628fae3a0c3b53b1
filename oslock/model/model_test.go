//go:build !race && !portable

// Once is enough: neither the race detector nor the portable paths have a part in it.

// Package model_test checks the protocols of oslock as models: see the .pml files beside it, each of which says what it
// models, what it checks, and how it is broken on purpose.
package model_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	// limit bounds one run; the largest takes ten seconds on a machine with two busy cores.
	limit = 2 * time.Minute
	// memoryMB bounds the states of one run.
	memoryMB = 1500
)

// A run is one model with its parameters. fails is what a model that is broken on purpose must be caught with; the same
// parameters without the break pass.
type run struct {
	model string
	set   string
	fails string
}

const (
	asleep    = "pan:1: invalid end state"
	violation = "pan:1: assertion violated"
)

var runs = []run{
	// No kill: nobody may need a sleep that ends by itself.
	{"lock", "N=2 ROUNDS=2 CANCELS=1 LOOKS=1 SLEEPFOREVER", ""},
	{"lock", "N=3 MORE=1 CANCELS=1 SLEEPFOREVER", ""},
	{"lock", "N=3 MORE=1 CANCELS=1 SLEEPFOREVER SILENT", asleep},
	// With kills.
	{"lock", "N=2 ROUNDS=2 CRASHES=1 LOOKS=1", ""},
	{"lock", "N=2 ROUNDS=2 CRASHES=1 CANCELS=1", ""},
	{"lock", "N=2 CRASHES=2 LOOKS=1", ""},
	{"lock", "N=2 ROUNDS=2 CRASHES=2 LOOKS=1 REUSED", violation},
	{"lock", "N=2 CRASHES=1 SLEEPFOREVER", asleep}, // a kill does need it

	{"semaphore", "N=2 ROUNDS=2 SLEEPFOREVER", ""},
	{"semaphore", "N=3 SLEEPFOREVER", ""},
	{"semaphore", "N=3 SLEEPFOREVER NOMARK", asleep},
	{"semaphore", "N=2 ROUNDS=2 CRASHES=1", ""},
	{"semaphore", "N=2 PERMITS=2 CRASHES=1", ""},
	{"semaphore", "N=2 CRASHES=2", ""},
	{"semaphore", "N=2 ROUNDS=2 NOHELP", ""}, // without a kill it does no harm
	{"semaphore", "N=2 ROUNDS=2 CRASHES=1 NOHELP", violation},

	{"condition", "N=3 ITEMS=2 CANCELS=1", ""},
	{"condition", "N=3 ITEMS=2 CANCELS=1 DEAFFIRST", violation},
	{"condition", "N=3 ITEMS=2 CRASHES=1 CANCELS=1", ""},
	{"condition", "N=3 CRASHES=2", ""},
	{"condition", "N=3 CRASHES=1 NOPASS", violation},
}

func TestModels(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	for _, tool := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%v (Debian: apt-get install %s)", err, tool)
		}
	}
	for _, r := range runs {
		t.Run(r.model+"/"+strings.ReplaceAll(r.set, " ", ","), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			start := time.Now()
			said := check(ctx, t, r)
			found := ""
			for _, kind := range []string{asleep, violation} {
				if strings.Contains(said, kind) {
					found = kind
				}
			}
			errors, states := number(said, `errors: (\d+)`), number(said, `(\d+) states, stored`)
			t.Logf("%s states, %s errors, %v", states, errors, time.Since(start).Round(10*time.Millisecond))
			switch {
			case found != r.fails, (errors == "0") != (r.fails == ""):
				t.Errorf("found %q, want %q:\n%s", found, r.fails, said)
			case strings.Contains(said, "max search depth too small"), strings.Contains(said, "reached -DMEMLIM"):
				t.Errorf("not the whole of it was searched:\n%s", said)
			}
		})
	}
}

// check translates, compiles and runs one model, and returns what the search says.
func check(ctx context.Context, t *testing.T, r run) string {
	t.Helper()
	source, err := filepath.Abs(r.model + ".pml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	do := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	args := []string{"-a"}
	for d := range strings.FieldsSeq(r.set) {
		args = append(args, "-D"+d)
	}
	if said := do("spin", append(args, source)...); strings.Contains(said, "Error") {
		t.Fatalf("spin: %s", said)
	}
	if _, err := os.Stat(filepath.Join(dir, "pan.c")); err != nil {
		t.Fatalf("spin made no search program: %v", err)
	}
	do("gcc", "-O1", "-w", "-DSAFETY", "-DCOLLAPSE", fmt.Sprintf("-DMEMLIM=%d", memoryMB), "-o", "pan", "pan.c")
	// -n: no list of what was not reached.
	return do(filepath.Join(dir, "pan"), "-n", "-m1000000")
}

func number(text, pattern string) string {
	if m := regexp.MustCompile(pattern).FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return "no"
}
