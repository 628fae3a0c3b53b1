package board

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// helperEnv names the board on which the test binary plays a worker of line 0.
const helperEnv = "YUNTA_BOARD_HELPER"

func TestMain(m *testing.M) {
	if path := os.Getenv(helperEnv); path != "" {
		l, err := OpenLine(path, 0)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("writing")
		for n := uint64(1); ; n++ {
			consistent(l, n)
		}
	}
	os.Exit(m.Run())
}

// consistent writes a line all of whose fields follow from n.
func consistent(l *Line, n uint64) {
	l.Run("entry "+strconv.FormatUint(n%7, 10), n, n, int64(n))
	l.Idle(n, n)
}

// wrong says what in a status does not follow from one and the same n.
func wrong(s Status) string {
	n := s.Index
	if s.Torn || n == 0 {
		return ""
	}
	done := n
	if s.State == Running {
		done = n - 1
	}
	if s.Job != n || uint64(s.Start.UnixNano()) != n || s.Done != done || s.Failed != done ||
		s.Entry != "entry "+strconv.FormatUint(n%7, 10) {
		return fmt.Sprintf("%+v", s)
	}
	return ""
}

func helper(t testing.TB, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+path, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatalf("helper: %v", err)
	}
	return cmd
}
