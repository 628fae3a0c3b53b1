// Conformance says how many of CPython's own multiprocessing tests have a counterpart in this module.
//
// It reads a table of CPython's tests (module, class, method, whether it applies to Go, behaviour) and the names of this
// module's test functions: the test of class C and method m is TestCPython_C_m. It prints ported and applicable per class and
// names what is missing. It exits with status 1 when a row of a required class is missing, or when a test claims a row that
// does not exist; with 2 on bad input.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	flags.SetOutput(stderr)
	cases := flags.String("cases", "../shared/cpython-cases.tsv", "table of CPython's tests")
	tree := flags.String("tree", ".", "folder under which the tests stand")
	require := flags.String("require", "", "comma-separated classes of which no row may be missing")
	except := flags.String("except", "", "comma-separated CLASS.METHOD=REASON that may be missing all the same")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	table, err := os.Open(*cases)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(stdout, "conformance: skipped: there is no %s\n", *cases)
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "conformance:", err)
		return 2
	}
	defer table.Close()
	rows, err := readRows(table)
	if err != nil {
		fmt.Fprintf(stderr, "conformance: %s: %v\n", *cases, err)
		return 2
	}
	tests, err := findTests(os.DirFS(*tree))
	if err != nil {
		fmt.Fprintln(stderr, "conformance:", err)
		return 2
	}
	excused, err := parseExcept(*except)
	if err != nil {
		fmt.Fprintln(stderr, "conformance:", err)
		return 2
	}
	r := compare(rows, tests, splitList(*require), excused)
	r.print(stdout)
	if !r.ok() {
		return 1
	}
	return 0
}

func splitList(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ' ' })
}

// parseExcept reads CLASS.METHOD=REASON,... into a map from CLASS.METHOD to REASON.
func parseExcept(s string) (map[string]string, error) {
	excused := map[string]string{}
	for part := range strings.SplitSeq(s, ",") {
		if part == "" {
			continue
		}
		name, reason, found := strings.Cut(part, "=")
		if !found || reason == "" || !strings.Contains(name, ".") {
			return nil, fmt.Errorf("-except %q is not CLASS.METHOD=REASON", part)
		}
		excused[name] = reason
	}
	return excused, nil
}
