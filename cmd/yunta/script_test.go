package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"yunta/child"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts' golden files")

func TestMain(m *testing.M) {
	child.Main()
	testscript.Main(m, map[string]func(){"yunta": main, "flock": main, "sem": main, "parallel": main})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			dir, err := runDirectory()
			env.Defer(func() { os.RemoveAll(dir) })
			env.Setenv("YUNTA_DIR", dir)
			env.Setenv("GORACE", os.Getenv("GORACE"))
			return err
		},
		Condition: func(name string) (bool, error) {
			if name != "bound" { // whether a command dies with who started it
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return boundAttr(true) != nil, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status":   status,
			"fields":   fields,
			"distinct": distinct,
		},
	})
}

// runDirectory makes a run directory of a test's own, with a short path.
func runDirectory() (string, error) {
	parent := "/dev/shm"
	if _, err := os.Stat(parent); err != nil {
		parent = ""
	}
	return os.MkdirTemp(parent, "yunta-test")
}

// status runs a command and fails unless it exits with the given status: status 2 yunta frobnicate.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s exited with status %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// fields takes the JSON object that the last command printed and writes some of its fields to a file, a line each: fields FILE NAME...
func fields(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fields FILE NAME...")
	}
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &object))
	var out strings.Builder
	for _, name := range args[1:] {
		value, found := object[name]
		if !found {
			ts.Fatalf("no field %q", name)
		}
		text, err := json.Marshal(value)
		ts.Check(err)
		out.WriteString(name + " " + string(text) + "\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(out.String()), 0o644))
}

// distinct fails unless the last command printed so many different texts where the group of the pattern is: distinct 4 'pid=(\d+)'.
func distinct(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: distinct N PATTERN")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	found := map[string]bool{}
	for _, match := range pattern.FindAllStringSubmatch(ts.ReadFile("stdout"), -1) {
		found[match[1]] = true
	}
	if len(found) != want {
		ts.Fatalf("%d different texts, want %d", len(found), want)
	}
}
