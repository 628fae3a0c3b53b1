package jobs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// A StartError says why a command could not be started.
type StartError struct {
	Text string
	Err  error
}

func (e *StartError) Error() string { return e.Text }

func (e *StartError) Unwrap() error { return e.Err }

// Find returns the path of a command as the shell would find it.
func Find(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case err == nil, errors.Is(err, exec.ErrDot):
		return path, nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return "", &StartError{"command not found", fs.ErrNotExist}
	}
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return "", &StartError{err.Error(), err}
}

// Status is the exit status that a shell would give for an error of [Find].
func Status(err error) int { return startStatus(err) }

// explain says what was wrong with an argument vector that the kernel refused.
func explain(s *Spec, err error) error {
	argv := s.Argv
	if s.Wd != "" && errors.Is(err, fs.ErrNotExist) { // the program was there just now
		if _, missing := os.Stat(s.Wd); missing != nil {
			return &StartError{"working directory " + s.Wd + ": " + err.Error(), syscall.ENOTDIR}
		}
	}
	switch {
	case errors.Is(err, syscall.E2BIG):
		longest := ""
		for _, a := range argv {
			if len(a) > len(longest) {
				longest = a
			}
		}
		return &StartError{fmt.Sprintf("%v: the longest argument has %d bytes", err, len(longest)), err}
	case errors.Is(err, syscall.EINVAL) && slices.ContainsFunc(argv, func(a string) bool { return strings.IndexByte(a, 0) >= 0 }):
		return &StartError{"an argument holds a NUL byte, which no program can be given", err}
	}
	return &StartError{err.Error(), err}
}
