// Package report makes a page of a comparison.
package report

import (
	"io"

	"yunta/cmd/yunta/internal/compare"
)

// Write writes the page.
func Write(w io.Writer, r *compare.Report) error { return r.WriteJSON(w) }
