package supervisor

import (
	"testing"
	"time"
)

func TestShortChunksTravelTogether(t *testing.T) {
	t.Parallel()
	const many = 1 << 20
	for _, row := range []struct {
		name                string
		chunk               int
		avg                 time.Duration
		lastSize, share, is int
	}{
		{"nothing is measured", 1, 0, 1, many, 1},
		{"long tasks", 1, tailTime, 1, many, 1},
		{"two of half the time", 1, tailTime / 2, 1, many, 2},
		{"a chunk of half the time", 10, tailTime / 20, 10, many, 2},
		{"a chunk that takes longer", 100, tailTime / 20, 100, many, 1},
		{"growing slowly", 1, tailTime / 1000, 1, many, growth},
		{"and on", 1, tailTime / 1000, growth, many, growth * growth},
		{"the end is near", 1, tailTime / 100, many, 7, 7},
		{"the end", 5, tailTime / 100, many, 4, 1},
	} {
		j := &job{chunk: row.chunk, lastSize: row.lastSize, measure: new(measure)}
		j.measure.avg = float64(row.avg)
		if got := j.together(row.share); got != row.is {
			t.Errorf("%s: %d together, want %d", row.name, got, row.is)
		}
	}
}
