package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tableRow is a row of the README's tables for those who come from Python.
type tableRow struct {
	line           string
	python, golang []string // what is between backquotes
	example        string   // without "Example"
	file           string   // where it stands
}

func migrationTable(t *testing.T) (rows []tableRow) {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "\n## From Python\n")
	if !found {
		t.Fatal("README.md has no section From Python")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	code := regexp.MustCompile("`([^`]+)`")
	link := regexp.MustCompile(`^\[(\w+)\]\(([\w./]+)\)$`)
	spans := func(cell string) (all []string) {
		for _, m := range code.FindAllStringSubmatch(cell, -1) {
			all = append(all, m[1])
		}
		return all
	}
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| Python") || strings.HasPrefix(line, "|--") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		if len(cells) != 3 {
			t.Fatalf("%d cells: %s", len(cells), line)
		}
		m := link.FindStringSubmatch(strings.TrimSpace(cells[2]))
		row := tableRow{line: line, python: spans(cells[0]), golang: spans(cells[1])}
		if m == nil || len(row.python) == 0 || len(row.golang) == 0 {
			t.Fatalf("not Python, Go and a link to an example: %s", line)
		}
		row.example, row.file = m[1], m[2]
		rows = append(rows, row)
	}
	return rows
}

// exampleText returns the source of an Example and of the entries of its file that
// it names, each run of white space as one blank. The Example must have output:
// else it would not run.
func exampleText(t *testing.T, file, example string) string {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
		return ""
	}
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	text := func(n ast.Node) string {
		return string(source[files.Position(n.Pos()).Offset:files.Position(n.End()).Offset])
	}
	var body string
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "Example"+example {
			body = text(f.Body)
		}
	}
	if body == "" {
		t.Errorf("%s has no Example%s", file, example)
	} else if !regexp.MustCompile(`// (Unordered output|Output):`).MatchString(body) {
		t.Errorf("Example%s has no output", example)
	}
	whole := body
	for _, d := range parsed.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if regexp.MustCompile(`\b` + v.Names[0].Name + `\b`).MatchString(body) {
				whole += text(v)
			}
		}
	}
	return strings.Join(strings.Fields(whole), " ")
}

// Each row names an Example that is tested and that has what the row says.
func TestReadmeTable(t *testing.T) {
	t.Parallel()
	rows := migrationTable(t)
	if len(rows) < 40 {
		t.Errorf("%d rows", len(rows))
	}
	seen := map[string]bool{}
	for _, row := range rows {
		text := exampleText(t, filepath.Join("..", "..", row.file), row.example)
		for _, code := range row.golang {
			if !strings.Contains(text, code) {
				t.Errorf("Example%s has no %q", row.example, code)
			}
		}
		if left := strings.Join(row.python, "; "); seen[left] {
			t.Errorf("twice: %s", left)
		} else {
			seen[left] = true
		}
	}
}

// The left side is Python, and its names are those of Python's modules.
func TestReadmeTablePython(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("there is no python3 to ask")
	}
	var lines strings.Builder
	for _, row := range migrationTable(t) {
		for _, code := range row.python {
			lines.WriteString(code + "\n")
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"lines": lines.String(), "check.py": readmeCheck} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out := runIn(t, dir, "python3", "check.py"); out != "" {
		t.Errorf("python3 does not know:\n%s", out)
	}
}

// readmeCheck prints each line that is no Python, or in which a name is none of
// the modules' or of the objects that they make.
const readmeCheck = `
import ast, builtins, concurrent.futures, multiprocessing, os
from multiprocessing import connection, managers, pool, queues, shared_memory, synchronize

modules = [builtins, multiprocessing, concurrent.futures, connection, managers, pool, shared_memory]
context = multiprocessing.get_context()
objects = [multiprocessing.Process, pool.Pool, pool.AsyncResult, concurrent.futures.Future,
           concurrent.futures.Executor, queues.JoinableQueue, connection.Connection, connection.Listener,
           shared_memory.SharedMemory, managers.SyncManager, managers.SharedMemoryManager, synchronize.Lock, synchronize.Semaphore, synchronize.Condition,
           synchronize.Event, synchronize.Barrier, multiprocessing.get_logger(), os, connection,
           context.Lock(), context.Value('d', 0.0), context.Barrier(2), context.Semaphore(2)]
newer = {'process_cpu_count'}  # 3.13

def known(node):
    if isinstance(node, ast.Name):
        return any(hasattr(m, node.id) for m in modules)
    return node.attr in newer or any(hasattr(o, node.attr) for o in objects)

for line in open('lines'):
    for node in ast.walk(ast.parse(line)):
        named = node.func if isinstance(node, ast.Call) else node if isinstance(node, ast.Attribute) else None
        if named is not None and not known(named):
            print(line, end='')
            break
`
