package rundir

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// helperEnv makes the test binary play one of the helpers below instead of running tests.
const helperEnv = "YUNTA_RUNDIR_HELPER"

var helpers = map[string]func(args []string){
	"kill":  helperKill,
	"live":  helperLive,
	"churn": helperChurn,
}

func TestMain(m *testing.M) {
	if line := os.Getenv(helperEnv); line != "" {
		args := strings.Fields(line)
		helpers[args[0]](args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// helper returns a command that plays a helper in the given run directory.
func helper(t testing.TB, root string, args ...any) *exec.Cmd {
	t.Helper()
	line := strings.TrimSuffix(fmt.Sprintln(args...), "\n")
	cmd := exec.Command(os.Args[0])
	// The race detector would sleep a second at the end of each process.
	cmd.Env = append(os.Environ(), helperEnv+"="+line, Env+"="+root, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	return cmd
}

// helperKill runs one operation and kills itself at step number n of it. If there is no such
// step, the operation ends and the process exits with 0.
func helperKill(args []string) {
	n, _ := strconv.Atoi(args[1])
	kill := func(string) {
		if n--; n < 0 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	switch args[0] {
	case "create":
		testHook = kill
		must(Create("victim"))
	case "close":
		d := must(Create("victim"))
		must(0, os.WriteFile(filepath.Join(d.Path(), "board"), []byte("data"), 0o600))
		must(0, os.MkdirAll(filepath.Join(d.Path(), "deep", "er"), 0o700))
		testHook = kill
		must(0, d.Close())
	case "sweep":
		testHook = kill
		must(Sweep())
	}
}

// helperLive keeps a folder until its standard input ends.
func helperLive([]string) {
	d := must(Create("live"))
	fmt.Println(d.Path())
	io.Copy(io.Discard, os.Stdin)
	must(0, d.Close())
}

// helperChurn makes folders: every third is left by a kill of the process, so it makes three at most.
func helperChurn(args []string) {
	rounds, _ := strconv.Atoi(args[0])
	for range rounds {
		d := must(Create("churn"))
		if _, err := os.Stat(filepath.Join(d.Path(), aliveName)); err != nil {
			panic("a living folder was swept: " + err.Error())
		}
		if args[1] == "close" {
			must(0, d.Close())
		}
	}
	if args[1] == "die" {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// startLive starts a process that has a folder and returns the folder's path.
func startLive(t testing.TB, root string) (cmd *exec.Cmd, folder string) {
	t.Helper()
	cmd = helper(t, root, "live")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no folder from the helper: %v", err)
	}
	return cmd, strings.TrimSuffix(line, "\n")
}

// private makes a run directory for one test. It sets the environment, so such tests run one by one.
func private(t testing.TB) string {
	t.Helper()
	base, err := os.MkdirTemp(places[0], "rundir") // where the real one lies, so that speed is real too
	if err != nil {
		base = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	root := filepath.Join(base, "r")
	t.(interface{ Setenv(string, string) }).Setenv(Env, root)
	return root
}

func entries(t testing.TB, root string) []string {
	t.Helper()
	list, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}
