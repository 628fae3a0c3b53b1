package affinity

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

// helperEnv makes the test binary print what it may use and exit.
const helperEnv = "YUNTA_AFFINITY_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		json.NewEncoder(os.Stdout).Encode(Measure())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// measureChild starts a process from the calling thread and returns what that process may use.
func measureChild(t *testing.T, before ...string) Limits {
	t.Helper()
	args := append(before, os.Args[0])
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), helperEnv+"=1", "GORACE=atexit_sleep_ms=0") // no second of sleep at the end
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	var l Limits
	if err := json.Unmarshal(out, &l); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	return l
}
