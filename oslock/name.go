package oslock

import (
	"fmt"
	"path/filepath"
	"strings"

	"yunta/oslock/rundir"
)

const (
	maxNameBytes = 255  // NAME_MAX of the file systems in use
	maxPathBytes = 4095 // PATH_MAX of Linux, without the closing NUL
)

// resolve turns the name of a lock or semaphore into the path of its file: a name without a slash
// lives in the user's run directory, one with a slash is a path.
func resolve(name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	if strings.Contains(name, "/") {
		path, err := filepath.Abs(name)
		if err != nil {
			return "", fmt.Errorf("oslock: %w", err)
		}
		return path, nil
	}
	root, err := rundir.Root()
	if err != nil {
		return "", fmt.Errorf("oslock: %w", err)
	}
	return filepath.Join(root, name), nil
}

func checkName(name string) error {
	refuse := func(why string) error { return fmt.Errorf("%w %q: %s", ErrName, name, why) }
	switch {
	case name == "":
		return refuse("empty")
	case strings.ContainsRune(name, 0):
		return refuse("holds a NUL byte")
	case len(name) > maxPathBytes:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrName, len(name), maxPathBytes)
	}
	parts := strings.Split(name, "/")
	for _, part := range parts {
		switch {
		case part == "..":
			return refuse(`holds ".."`)
		case len(part) > maxNameBytes:
			return fmt.Errorf("%w: a part of %d bytes, at most %d", ErrName, len(part), maxNameBytes)
		}
	}
	switch last := parts[len(parts)-1]; {
	case last == "" || last == ".":
		return refuse("ends in a folder")
	case len(parts) > 1:
		return nil // a path is the user's own affair
	case last[0] == '.':
		return refuse("starts with a dot")
	case last == "members":
		return refuse("kept for the member registry")
	}
	return nil
}
