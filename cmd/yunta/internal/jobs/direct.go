package jobs

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A direct runs simple commands of a shell without it, where nobody can tell: the shell would only have found the program and made way
// for it, after a millisecond of its own beginning.
type direct struct {
	shell string // its true name, of those that are known; "": never
	env   []string
}

// newDirect finds out whether a shell would change nothing but what is known, given the environment that it would read.
func newDirect(shell string, env []string) direct {
	path, err := filepath.EvalSymlinks(shell)
	name := filepath.Base(path)
	if err != nil || name != "bash" && name != "dash" {
		return direct{}
	}
	values := map[string]string{}
	for _, v := range env {
		key, value, _ := strings.Cut(v, "=")
		values[key] = value
	}
	// What these say the shell would do, or correct.
	for _, key := range []string{"BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "POSIXLY_CORRECT", "BASH_XTRACEFD"} {
		if _, set := values[key]; set {
			return direct{}
		}
	}
	if wd, err := os.Getwd(); err != nil || values["PWD"] != wd {
		return direct{}
	}
	if name == "bash" {
		if n, err := strconv.Atoi(values["SHLVL"]); err != nil || n < 1 || n > 900 {
			return direct{}
		}
		if old, set := values["OLDPWD"]; set {
			if info, err := os.Stat(old); err != nil || !info.IsDir() {
				return direct{}
			}
		}
	}
	return direct{name, env}
}

// notPrograms are words that mean something to a shell itself. echo, true and false are not among them: see argv.
var notPrograms = strings.Fields(`! . : [ [[ alias bg bind break builtin caller case cd chdir command compgen complete compopt continue
	coproc declare dirs disown do done elif else enable esac eval exec exit export fc fg fi for function getopts hash help history if in
	jobs kill let local logout mapfile newgrp popd printf pushd pwd read readarray readonly return select set shift shopt source suspend
	test then time times trap type typeset ulimit umask unalias unset until wait while`)

// argv returns the words of a command line that the shell would make the arguments of a program, and of nothing else.
func (d direct) argv(line string) (words []string, ok bool) {
	if d.shell == "" {
		return nil, false
	}
	if words, ok = plainWords(line); !ok {
		return nil, false
	}
	name := words[0]
	if slices.Contains(notPrograms, name) || slices.ContainsFunc(d.env, func(v string) bool { return strings.HasPrefix(v, "BASH_FUNC_"+name+"%%=") }) {
		return nil, false
	}
	switch name {
	case "true", "false", "echo": // the programs do what the builtins do, but for options and escapes
		for _, w := range words[1:] {
			if strings.HasPrefix(w, "-") || strings.ContainsRune(w, '\\') {
				return nil, false
			}
		}
	}
	return words, true
}

// environment is what the shell adds.
func (d direct) environment(path string) []string {
	if d.shell == "bash" {
		return []string{"_=" + path}
	}
	return nil
}

// isProgram reports whether the kernel would run a file, as far as its beginning tells.
func isProgram(path string) bool {
	if known, ok := programs[path]; ok {
		return known
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [4]byte
	n, _ := f.Read(head[:])
	programs[path] = n == len(head) && (string(head[:2]) == "#!" || string(head[:]) == "\x7fELF")
	return programs[path]
}

// programs remembers what isProgram has found; a worker asks from one goroutine.
var programs = map[string]bool{}

// plainWords splits a line of nothing but words, quoted or not.
func plainWords(line string) (words []string, ok bool) {
	var word []byte
	begun := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == ' ' || c == '\t':
			if begun {
				words = append(words, string(word))
				word, begun = word[:0], false
			}
		case c == '\'' || c == '"':
			end := strings.IndexByte(line[i+1:], c)
			if end < 0 || len(words) == 0 {
				return nil, false
			}
			text := line[i+1 : i+1+end]
			if c == '"' && strings.ContainsAny(text, "$`\\!") {
				return nil, false
			}
			word, begun = append(word, text...), true
			i += end + 1
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("+-./_:,@%", c) >= 0, c == '=' && len(words) > 0:
			word, begun = append(word, c), true
		default:
			return nil, false
		}
	}
	if begun {
		words = append(words, string(word))
	}
	return words, len(words) > 0
}
