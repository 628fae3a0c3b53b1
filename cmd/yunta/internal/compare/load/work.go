package load

import (
	"context"
	"os"

	"yunta/cmd/yunta/internal/wordcount"
)

// The work itself. python.py does the same, number for number.

// primes counts the primes among 600 numbers of the i-th stretch above a million.
func primes(i int64) uint64 {
	const stretch = 600
	first := 1_000_001 + 2*stretch*i
	found := uint64(0)
	for n := first; n < first+2*stretch; n += 2 {
		prime := true
		for d := int64(3); d*d <= n; d += 2 {
			if n%d == 0 {
				prime = false
				break
			}
		}
		if prime {
			found += uint64(n)
		}
	}
	return found
}

// mandelbrot sums up the rounds of one row. The conversions keep the compiler from fusing a product and a sum, which rounds otherwise
// than two operations do.
func mandelbrot(i int64) uint64 {
	const (
		width  = 160
		height = 120
		most   = 400
	)
	ci := float64(i%height)/(height/2) - 1
	rounds := uint64(0)
	for x := range width {
		cr := float64(x)/(width/3) - 2
		zr, zi := 0.0, 0.0
		for n := 0; n < most; n++ {
			r2, i2 := float64(zr*zr), float64(zi*zi)
			if float64(r2+i2) > 4 {
				break
			}
			zi = float64(float64(2*float64(zr*zi)) + ci)
			zr = float64(float64(r2-i2) + cr)
			rounds++
		}
	}
	return rounds
}

// matmul multiplies two matrices that i makes, modulo 2^32.
func matmul(i int64) uint64 {
	const n = 96
	var a, b, c [n][n]uint32
	x := uint32(i)*2654435761 + 1
	for r := range n {
		for k := range n {
			x = x*1664525 + 1013904223
			a[r][k], b[r][k] = x>>16, x&0xffff
		}
	}
	sum := uint32(0)
	for r := range n {
		for k := range n {
			f := a[r][k]
			for q := range n {
				c[r][q] += f * b[k][q]
			}
		}
		for q := range n {
			sum = sum*31 + c[r][q]
		}
	}
	return uint64(sum)
}

type tree struct {
	left, right *tree
	value       uint64
}

func grow(depth int, value uint64) *tree {
	if depth == 0 {
		return &tree{value: value}
	}
	return &tree{grow(depth-1, 2*value), grow(depth-1, 2*value+1), value}
}

func (t *tree) sum() uint64 {
	if t == nil {
		return 0
	}
	return t.value%1009 + t.left.sum() + t.right.sum()
}

// alloc builds a tree of 8191 objects, and forgets it.
func alloc(i int64) uint64 { return grow(12, uint64(i+1)).sum() }

// words counts the words of one file. Only files of ASCII are given, where all agree on what a word is.
func words(ctx context.Context, path string) (uint64, error) {
	if _, err := os.Stat(path); err != nil {
		return 0, err
	}
	p, err := wordcount.Count(ctx, wordcount.Batch{Pieces: []wordcount.Piece{{Path: path, End: -1}}})
	if err != nil {
		return 0, err
	}
	var t wordcount.Tally
	if err := t.Merge(p.Words); err != nil {
		return 0, err
	}
	return uint64(t.Total())*1_000_003 + uint64(t.Distinct()), nil
}

// spin goes round so many times. What it returns keeps the compiler from leaving it out.
func spin(rounds int64) uint64 {
	x := uint64(88172645463325252)
	for range rounds {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}
