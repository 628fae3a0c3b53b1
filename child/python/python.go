// Package python holds yunta_worker.py: the worker's side of the plain protocol
// for Python, in one file that needs nothing but the standard library. A program
// puts it beside its Python worker, or "yunta python-worker" prints it:
//
//	err := os.WriteFile("yunta_worker.py", []byte(python.Worker), 0o644)
//
// Nothing at the core imports this package, so it costs only who does.
package python

import _ "embed"

// Worker is the text of yunta_worker.py. It works with Python 3.6 and later.
//
//go:embed yunta_worker.py
var Worker string
