package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yunta/ipc"
)

// writeResults makes a file of results: some that ended in each way, and one that did not.
func writeResults(t *testing.T, path string) *ipc.ResultFile {
	t.Helper()
	f, err := ipc.OpenResults(path, ipc.ResultsOptions{New: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	for i, s := range []ipc.RecordStatus{ipc.RecordSucceeded, ipc.RecordUnsuccessful, ipc.RecordSucceeded} {
		appendResult(t, f, int64(i), s, []any{"a", "näme\n", "\xff", i}[i])
	}
	return f
}

func appendResult(t *testing.T, f *ipc.ResultFile, index int64, s ipc.RecordStatus, value any) {
	t.Helper()
	argument, err := anyCodec.Append(nil, value)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := anyCodec.Append(nil, map[string]any{"n": index, "of": value})
	if err != nil {
		t.Fatal(err)
	}
	err = f.Append(ipc.Record{
		Entry: "entry", Index: index, Attempt: 1, Digest: sha256.Sum256(argument), Argument: argument, ArgumentSize: int64(len(argument)),
		Started: time.Unix(1e9, 0), Ended: time.Unix(1e9, 5e6), Status: s, Payload: payload,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "results")
	f := writeResults(t, path)
	w := f.NewWriter(7, 0)
	if err := w.Begin(&ipc.Record{Entry: "entry", Index: 9, Attempt: 2, Argument: []byte{0xa1, 'r'}, ArgumentSize: 2}); err != nil {
		t.Fatal(err)
	}
	list := func(args ...string) string {
		t.Helper()
		out, err := command(t, append([]string{"results", path}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	table := list()
	for _, want := range []string{"index", "unsuccessful", `näme  -> {"n":1,"of":"näme\n"}`, `{"base64":"/w=="}`, "running"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if n := strings.Count(table, "\n"); n != 5 {
		t.Errorf("%d lines:\n%s", n, table)
	}
	var rows []resultRow
	for line := range strings.Lines(list("--json")) {
		var r resultRow
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	if len(rows) != 4 || rows[1].State != "unsuccessful" || rows[1].Argument != "näme\n" || *rows[1].Seconds != 0.005 || rows[0].Started != "2001-09-09T01:46:40.000000Z" {
		t.Errorf("rows %+v", rows)
	}
	cells, err := csv.NewReader(strings.NewReader(list("--csv", "--status", "succeeded,running"))).ReadAll()
	if err != nil || len(cells) != 4 || cells[1][5] != "succeeded" || cells[3][5] != "running" || cells[3][7] != "" {
		t.Errorf("CSV %q, %v", cells, err)
	}
	if got := list("--verify"); !strings.HasPrefix(got, "4 records: 2 succeeded, 0 failed, 1 unsuccessful, 1 not ended; 0 places damaged; ") {
		t.Errorf("verified: %s", got)
	}
	w.Close()
	f.Close()
	if got := list("--status", "interrupted"); strings.Count(got, "\n") != 2 || !strings.Contains(got, "interrupted") {
		t.Errorf("after the end:\n%s", got)
	}
}

// What is written while a list is followed is printed, and the list ends with the last writer.
func TestResultsFollow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "results")
	f := writeResults(t, path)
	cmd := command(t, "results", "--follow", "--json", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	next := func(index string) {
		t.Helper()
		if !lines.Scan() || !strings.Contains(lines.Text(), `"index":`+index+",") {
			t.Fatalf("line %q, want index %s", lines.Text(), index)
		}
	}
	for _, i := range []string{"0", "1", "2"} {
		next(i)
	}
	appendResult(t, f, 3, ipc.RecordSucceeded, "more")
	next("3")
	f.Close()
	if lines.Scan() {
		t.Errorf("line %q after the end", lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestResultsDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, saved := filepath.Join(dir, "results"), filepath.Join(dir, "saved")
	writeResults(t, path).Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(b, []byte("n\xc3\xa4me")) // in the second record's argument
	if i < 0 {
		t.Fatal("the argument is not there")
	}
	b[i] ^= 4
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"--json"}, {"--verify"}} {
		cmd := command(t, append([]string{"results", path}, args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if exitCode(err) != 1 || !strings.Contains(stderr.String(), "damaged") || len(out) == 0 {
			t.Errorf("%v: %v, %q, %q", args, err, out, stderr.String())
		}
	}
	if out, err := command(t, "results", "--repair", saved, path).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "2 records: 2 succeeded") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := command(t, "results", "--verify", saved).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "2 records: 2 succeeded") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := command(t, "results", "--repair", saved, path).CombinedOutput(); exitCode(err) != 1 || strings.Count(string(out), "\n") != 1 {
		t.Errorf("over a file that exists: %v: %s", err, out)
	}
}

func TestResultsOfWhatIsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no results here\n", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		status int
		args   []string
	}{
		{1, []string{text}},
		{1, []string{filepath.Join(dir, "none")}},
		{1, []string{dir}},
		{1, []string{"--verify", text}},
		{1, []string{"--repair", filepath.Join(dir, "new"), text}},
		{2, nil},
		{2, []string{text, text}},
		{2, []string{"--json", "--csv", text}},
		{2, []string{"--follow", "--verify", text}},
		{2, []string{"--status", "good", text}},
	} {
		out, err := command(t, append([]string{"results"}, row.args...)...).CombinedOutput()
		if exitCode(err) != row.status || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%v: %v: %s", row.args, err, out)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}
