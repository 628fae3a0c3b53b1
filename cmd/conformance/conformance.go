package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

// A row is one of CPython's tests.
type row struct {
	module, class, method string
	applies               bool // to Go, as it stands or adapted
}

func (r row) name() string { return r.class + "." + r.method }

func (r row) testName() string { return "TestCPython_" + r.class + "_" + r.method }

// readRows reads the table: a heading, then tab-separated module, class, method, applies (yes, adapted or no), behaviour.
func readRows(in io.Reader) ([]row, error) {
	var rows []row
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 5 {
			return nil, fmt.Errorf("line %d has %d fields, not 5", n, len(fields))
		}
		if n == 1 {
			continue
		}
		switch fields[3] {
		case "yes", "adapted", "no":
		default:
			return nil, fmt.Errorf("line %d: %q is none of yes, adapted, no", n, fields[3])
		}
		rows = append(rows, row{module: fields[0], class: fields[1], method: fields[2], applies: fields[3] != "no"})
	}
	return rows, lines.Err()
}

var testFunction = regexp.MustCompile(`(?m)^func (TestCPython_\w+)\(`)

// findTests returns where each test that names a row stands.
func findTests(tree fs.FS) (map[string]string, error) {
	tests := map[string]string{}
	err := fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := fs.ReadFile(tree, path)
		if err != nil {
			return err
		}
		for _, match := range testFunction.FindAllSubmatch(source, -1) {
			tests[string(match[1])] = path
		}
		return nil
	})
	return tests, err
}

// A class is what is known of the rows of one class in one module.
type class struct {
	module, name       string
	applicable, ported int
	required           bool
	missing            []string // methods
	excused            []string // CLASS.METHOD: reason
}

type report struct {
	classes []class
	unknown []string // tests that name no row
	absent  []string // required classes without any row
}

func compare(rows []row, tests map[string]string, required []string, excused map[string]string) report {
	var r report
	unclaimed := maps.Clone(tests)
	index := map[[2]string]int{}
	absent := slices.Clone(required)
	for _, row := range rows {
		key := [2]string{row.module, row.class}
		i, seen := index[key]
		if !seen {
			i = len(r.classes)
			index[key] = i
			r.classes = append(r.classes, class{module: row.module, name: row.class, required: slices.Contains(required, row.class)})
		}
		c := &r.classes[i]
		absent = slices.DeleteFunc(absent, func(name string) bool { return name == row.class })
		_, ported := tests[row.testName()]
		delete(unclaimed, row.testName())
		if !row.applies {
			continue
		}
		c.applicable++
		reason, isExcused := excused[row.name()]
		switch {
		case ported:
			c.ported++
		case isExcused:
			c.excused = append(c.excused, row.name()+": "+reason)
		default:
			c.missing = append(c.missing, row.method)
		}
	}
	for name, path := range unclaimed {
		r.unknown = append(r.unknown, name+" in "+path)
	}
	slices.Sort(r.unknown)
	r.absent = absent
	slices.SortStableFunc(r.classes, func(a, b class) int { return strings.Compare(a.module, b.module) })
	return r
}

func (r report) ok() bool {
	return len(r.unknown) == 0 && len(r.absent) == 0 &&
		!slices.ContainsFunc(r.classes, func(c class) bool { return c.required && len(c.missing) > 0 })
}

func (r report) print(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "module\tclass\tported\tapplicable\t")
	var all class
	for start := 0; start < len(r.classes); {
		module := class{module: r.classes[start].module}
		for start < len(r.classes) && r.classes[start].module == module.module {
			c := r.classes[start]
			mark := ""
			if c.required {
				mark = "required"
			}
			fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\n", c.module, c.name, c.ported, c.applicable, mark)
			module.ported += c.ported
			module.applicable += c.applicable
			start++
		}
		fmt.Fprintf(table, "%s\tall\t%d\t%d\t\n", module.module, module.ported, module.applicable)
		all.ported += module.ported
		all.applicable += module.applicable
	}
	fmt.Fprintf(table, "all\t\t%d\t%d\t\n", all.ported, all.applicable)
	table.Flush()

	for _, c := range r.classes {
		if !c.required && len(c.missing) > 0 {
			fmt.Fprintf(w, "missing: %s: %s\n", c.name, strings.Join(c.missing, " "))
		}
	}
	for _, c := range r.classes {
		for _, text := range c.excused {
			fmt.Fprintln(w, "excused:", text)
		}
		if c.required && len(c.missing) > 0 {
			fmt.Fprintf(w, "missing (required): %s: %s\n", c.name, strings.Join(c.missing, " "))
		}
	}
	for _, text := range r.unknown {
		fmt.Fprintln(w, "no such row:", text)
	}
	for _, name := range r.absent {
		fmt.Fprintln(w, "no rows of required class:", name)
	}
}
