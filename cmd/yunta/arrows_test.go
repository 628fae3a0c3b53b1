package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// layers are the parts of the project, lowest first. A package imports from its own part and from those below it.
var layers = []string{"oslock", "ipc", "child", "supervisor", "cmd"}

// layerModules are the modules that the packages below cmd may import, and which parts may do so.
var layerModules = map[string][]string{
	"golang.org/x/sys":                  {"oslock", "ipc", "child", "supervisor"},
	"github.com/gofrs/flock":            {"oslock"},
	"github.com/vmihailenco/msgpack/v5": {"ipc", "child", "supervisor"},
	"go.uber.org/goleak":                {"oslock", "ipc", "child", "supervisor"}, // in tests
}

// heavy are packages that cost every child at its start and that nothing below cmd needs.
var heavy = []string{
	"crypto/tls", "database/sql", "encoding/gob", "expvar", "flag", "go/ast", "html/template", "net/http", "net/rpc", "testing", "text/template",
}

// systems are the environments whose files are looked at.
var systems = []struct{ name, goos, tags string }{
	{"linux", "linux", ""},
	{"portable", "linux", "portable"},
	{"darwin", "darwin", ""},
}

func layerOf(importPath string) int {
	part, _, _ := strings.Cut(strings.TrimPrefix(importPath, "yunta/"), "/")
	return slices.Index(layers, part)
}

func TestArrowsRunOneWay(t *testing.T) {
	t.Parallel()
	for _, system := range systems {
		t.Run(system.name, func(t *testing.T) {
			t.Parallel()
			const format = `{{.ImportPath}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}}`
			for _, line := range goList(t, system.goos, system.tags, format, "yunta/...") {
				fields := strings.Fields(line)
				importer, imports := fields[0], fields[1:]
				layer := layerOf(importer)
				if layer < 0 {
					t.Errorf("%s is in none of %v", importer, layers)
					continue
				}
				for _, path := range imports {
					if strings.HasPrefix(path, "yunta/") && layerOf(path) > layer {
						t.Errorf("%s imports %s: the arrows run %s", importer, path, strings.Join(layers, " <- "))
					}
					if layers[layer] != "cmd" {
						checkModule(t, importer, path)
					}
				}
			}
		})
	}
}

func checkModule(t *testing.T, importer, path string) {
	t.Helper()
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return // the standard library, or the project
	}
	for module, parts := range layerModules {
		if path == module || strings.HasPrefix(path, module+"/") {
			if !slices.Contains(parts, layers[layerOf(importer)]) {
				t.Errorf("%s imports %s, which only %v may", importer, path, parts)
			}
			return
		}
	}
	t.Errorf("%s imports %s, a module that nothing below cmd may import", importer, path)
}

// A child is the same program, so it pays for whatever its packages set up.
func TestCoreStaysLight(t *testing.T) {
	t.Parallel()
	for _, system := range systems {
		t.Run(system.name, func(t *testing.T) {
			t.Parallel()
			const format = `{{.ImportPath}}`
			for _, path := range goList(t, system.goos, system.tags, format, "-deps", "yunta/supervisor") {
				if slices.Contains(heavy, path) {
					t.Errorf("yunta/supervisor comes to import %s", path)
				}
			}
		})
	}
}

// The lower two parts know nothing of who uses them, in a comment either. (sync.Pool and the kernel's /proc/PID/task are other things.)
func TestLowerLayersKeepTheirWords(t *testing.T) {
	t.Parallel()
	foreign := regexp.MustCompile(`(?i)\b(workers?|pools?|tasks?)\b`)
	others := strings.NewReplacer("sync.Pool", "", "/task", "")
	for _, part := range []string{"oslock", "ipc"} {
		eachFile(t, part, func(path, source string) {
			if strings.HasSuffix(path, "_test.go") {
				return
			}
			for n, line := range strings.Split(others.Replace(source), "\n") {
				if word := foreign.FindString(line); word != "" {
					t.Errorf("%s:%d says %q", path, n+1, word)
				}
			}
		})
	}
}

// System calls stand in files named after the system that has them.
func TestSystemCallsHaveTheirFiles(t *testing.T) {
	t.Parallel()
	suffixed := regexp.MustCompile(`_(linux|darwin|unix|other)(_test)?\.go$`)
	for _, part := range layers {
		eachFile(t, part, func(path, source string) {
			f, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
			if err != nil {
				t.Error(err)
				return
			}
			for _, spec := range f.Imports {
				if strings.HasPrefix(spec.Path.Value, `"golang.org/x/sys/`) && !suffixed.MatchString(path) {
					t.Errorf("%s imports %s, but its name has no system's suffix", path, spec.Path.Value)
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "GOOS" {
					if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "runtime" && !strings.HasSuffix(path, "_test.go") {
						t.Errorf("%s asks for runtime.GOOS: what differs stands in files of its own", path)
					}
				}
				return true
			})
		})
	}
}

func eachFile(t *testing.T, part string, look func(path, source string)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(filepath.Join(root, part), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		source, err := os.ReadFile(path)
		if err == nil {
			look(strings.TrimPrefix(path, root+string(filepath.Separator)), string(source))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func goList(t *testing.T, goos, tags, format string, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-tags", tags, "-f", format}, args...)...)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
