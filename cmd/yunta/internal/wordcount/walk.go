package wordcount

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
)

// A File is a regular file that [Walk] found.
type File struct {
	Path string
	Size int64
}

// Walk lists the regular files at and below the roots, in lexical order root by root. A root may be a symbolic link; below it links
// are not followed. What cannot be read is a problem, and the walk goes on; the only error is the context's.
func Walk(ctx context.Context, roots []string) (files []File, problems []Problem, err error) {
	for _, root := range roots {
		if info, err := os.Stat(root); err == nil && info.IsDir() && !os.IsPathSeparator(root[len(root)-1]) {
			root += string(filepath.Separator) // looks through a link
		}
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				problems = append(problems, problem(path, err))
				return nil
			}
			if !d.Type().IsRegular() {
				return nil
			}
			info, err := d.Info()
			if err != nil {
				problems = append(problems, problem(path, err))
				return nil
			}
			files = append(files, File{filepath.Clean(path), info.Size()})
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return files, problems, nil
}
