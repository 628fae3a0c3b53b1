// Package tasks has an entry that a program and a test use.
package tasks

import (
	"context"

	"yunta/child"
)

// Square squares.
var Square = child.Register("square", func(_ context.Context, n int) (int, error) { return n * n, nil })
